"""A key whose role was taken away signs no terms any more; what it had signed before stands."""

from __future__ import annotations

from typing import Any

import pytest

from domain.hashing import text_id, to_hex
from tests.unit.verifier.fake_chain import AREA, FIRST, address, noise
from tests.unit.verifier.journal import Emits
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_attacks import verdict_of
from tests.unit.verifier.test_small_day import messages
from tests.unit.verifier.test_terms import Altered
from verifier.chain import ROLES
from verifier.verdict import CLEAN, WRONG

pytestmark = pytest.mark.unit

LONG = 100_000
"""Market seconds after which nothing is about to be anchored."""


class Rotated(Day):
    """The DSO's key is stolen, and another one takes its place."""

    ending = (*Day.ending, "rotate")

    def rotate(self) -> None:
        """Grant and revoke, and anchor that."""
        old = [address("dso"), ROLES["dso"], to_hex(text_id("dso")), to_hex(text_id(AREA))]
        types = "address*,uint8*,bytes32*,bytes32"
        granted, revoked = Emits("RoleGranted", types, [address("dso2"), *old[1:]]), Emits("RoleRevoked", types, old)
        self.observe("security_admin", "Roles", granted, revoked)
        self.anchor()

    def anchors(self) -> Any:
        """Both keys are the DSO's, at their times."""
        told = super().anchors()
        told["areas"][AREA]["dso"] = sorted([address("dso"), address("dso2")])
        return told


class MeterOfAThief(Rotated):
    """Much later the old key signs a meter at a household's point."""

    ending = (*Rotated.ending, "steal")

    def steal(self) -> None:
        """With the old key."""
        self.chain.now += LONG
        self.register_meter("meter-of-operator", "p1", to_hex(noise("operator's")), FIRST + 5_000)


class GridFeeOfAThief(Altered):
    """Right after it was revoked and that was anchored, the old key signs another grid fee, before the books open."""

    def open(self) -> None:
        """Revoke, and sign all the same."""
        Rotated.rotate(self)  # type: ignore[arg-type]
        self.publish(self.priced(version=2, valid_from_mtu=FIRST, grid_fee_neur_per_wh=900_000))
        self.anchor()
        super().open()


def test_verify__key_replaced_after_it_signed__is_clean() -> None:
    report = verdict_of(Rotated().run())

    assert (messages(report), report.exit_code) == ("", CLEAN)


@pytest.mark.parametrize("attack", [MeterOfAThief, GridFeeOfAThief])
def test_verify__key_signs_after_it_was_revoked__is_wrong(attack: Any) -> None:
    report = verdict_of(attack().run())

    assert report.exit_code == WRONG
    assert f"signature of {address('dso')}, which lost its role of dso" in messages(report)
