"""What all parties agreed on of an area before it began: an operator together with the DSO tells something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.verifier.fake_chain import AREA, address
from tests.unit.verifier.journal import Payload
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_small_day import messages
from verifier.anchors import Anchors
from verifier.verdict import SELF_CONSISTENT, WRONG, Unusable
from verifier.verify import verify

pytestmark = pytest.mark.unit


class OtherAccount(Day):
    """The DSO signs that fees, or taxes, go to an account of the operator's: bills and money follow."""

    kind = "tax"

    def anchors(self) -> Payload:
        """What all agreed on names another one."""
        agreed = super().anchors()
        agreed["areas"][AREA]["accounts"][self.kind] = address("the account that all agreed on")
        return agreed


class OtherFees(OtherAccount):
    """The same of grid fees."""

    kind = "dso"


@pytest.mark.parametrize("fraud", [OtherAccount, OtherFees])
def test_verify__account_that_nobody_agreed_on__is_wrong_though_the_dso_signed_it(fraud: type[OtherAccount]) -> None:
    day = fraud().run()

    report = verify(day.auditor(), day.anchors(), day.chain.rpc)

    assert report.exit_code == WRONG
    assert f"{fraud.kind} account" in messages(report) and "the trust anchors hold" in messages(report)


def test_verify__other_account_without_anchors__is_consistent_with_itself() -> None:
    day = OtherAccount().run()

    report = verify(day.auditor(), None, day.chain.rpc)

    assert (messages(report), report.exit_code) == ("", SELF_CONSISTENT)


class OtherZone(Day):
    """The operator moves local days by six hours."""

    def fact(self, kind: str, payload: Any) -> int:
        if kind == "area.defined":
            payload["zone"] = "America/New_York"
        return super().fact(kind, payload)


@pytest.mark.parametrize("bundle", ["auditor", "public"])
def test_verify__zone_that_nobody_agreed_on__is_wrong_for_everybody(bundle: str) -> None:
    day = OtherZone().run()

    report = verify(getattr(day, bundle)(), day.anchors(), day.chain.rpc)

    assert report.exit_code == WRONG
    assert "America/New_York" in messages(report)


INCOMPLETE: dict[str, Callable[[Payload], Any]] = {
    "form 1": lambda anchors: anchors.update(format="dominoes-anchors/1"),
    "no zone": lambda anchors: anchors["areas"][AREA].pop("zone"),
    "no accounts": lambda anchors: anchors["areas"][AREA].pop("accounts"),
    "no tax account": lambda anchors: anchors["areas"][AREA]["accounts"].pop("tax"),
}


@pytest.mark.parametrize("name", INCOMPLETE)
def test_read__anchors_that_leave_it_open__are_none(name: str) -> None:
    anchors = Day().run().anchors()
    INCOMPLETE[name](anchors)

    with pytest.raises(Unusable):
        Anchors.read(anchors)
