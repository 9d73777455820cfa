"""Programs beyond the DSO's signing policy: signed all the same by a DSO and an operator, and told by the verifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from domain.policies import SigningPolicy
from tests.unit.verifier.fake_chain import FIRST
from tests.unit.verifier.journal import Payload
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_small_day import messages
from verifier.verdict import CLEAN, WRONG, Report
from verifier.verify import verify

pytestmark = pytest.mark.unit

STRICTER: dict[str, dict[str, Any]] = {
    "market": {"markets": ()},
    "rule for ties 1": {"ties_rules": (2,)},
    "MTUs 5": {"count_most": 4},
    "MTUs given up 1": {"given_up_most": 0},
    "voltage_lowest_micro_pu 990000": {"voltage_lowest_micro_pu": 990_001},
    "voltage_highest_micro_pu 1010000": {"voltage_highest_micro_pu": 1_009_999},
    "loading_permille 900": {"loading_highest_permille": 899},
    "capped_points 1": {"capped_points_most": 0},
    "capped_export_wh": {"capped_export_wh_most": 0},
    "rounds 1": {"rounds_most": 0},
}
"""What a policy does not allow of the day's program: what the verifier says, and the member that forbids it."""


class Under(Day):
    """A day under these versions of the policy."""

    def __init__(self, *versions: Callable[[Day], SigningPolicy]) -> None:
        super().__init__()
        self.policies = [version(self) for version in versions]


def told(day: Day, kind: str) -> Report:
    """What the verifier says of a bundle of the day."""
    return verify(getattr(day, kind)(), day.anchors(), day.chain.rpc)


@pytest.fixture(scope="module")
def honest() -> Iterator[Day]:
    yield Day().run()


@pytest.mark.parametrize("kind", ["auditor", "public"])
def test_verify__program_within_the_policy__is_told(honest: Day, kind: str) -> None:
    report = told(honest, kind)

    assert (messages(report), report.totals.programs_within) == ("", 1)


@pytest.mark.parametrize("kind", ["auditor", "public"])
def test_verify__no_policy__is_counted(kind: str) -> None:
    report = told(Under().run(), kind)

    assert (messages(report), report.exit_code, report.totals.programs_within) == ("", CLEAN, 0)
    assert report.counts["programs signed under no policy of the DSO"] == 1


@pytest.mark.parametrize("said", STRICTER)
def test_verify__program_beyond_its_policy__is_wrong_for_everybody(said: str) -> None:
    day = Under(lambda day: day.allowed(**STRICTER[said])).run()

    for kind in ("auditor", "public"):
        report = told(day, kind)
        assert report.exit_code == WRONG
        assert said in messages(report)


def test_verify__forecast_by_a_rule_not_allowed__is_wrong() -> None:
    report = told(Under(lambda day: day.allowed(forecast_rules=())).run(), "auditor")

    assert "rule for forecasts 1" in messages(report)


class Named(Day):
    """A report that names another policy, or none."""

    named: str | None = None

    def change_report(self, report: Payload) -> None:
        report["policy_hash"] = self.named


class OlderVersion(Under):
    """A later version is in force, and forbids the program: it is signed under the one before."""

    def __init__(self) -> None:
        later = {"version": 2, "valid_from_mtu": FIRST, "loading_highest_permille": 1}
        super().__init__(lambda day: day.allowed(), lambda day: day.allowed(**later))

    def change_report(self, report: Payload) -> None:
        report["policy_hash"] = f"0x{self.policies[0].policy_hash.hex()}"


class OfOperator(Under):
    """The operator signs a policy that allows more."""

    def __init__(self) -> None:
        super().__init__(lambda day: day.allowed(by="operator", loading_highest_permille=10_000))


class Altered(Under):
    """What is published is not what the DSO signed."""

    def __init__(self) -> None:
        super().__init__(lambda day: replace(day.allowed(), loading_highest_permille=10_000))


class Skipped(Under):
    """The first version was never published."""

    def __init__(self) -> None:
        super().__init__(lambda day: day.allowed(version=2))


class BeginsNoLater(Under):
    """Two versions begin at once."""

    def __init__(self) -> None:
        super().__init__(lambda day: day.allowed(), lambda day: day.allowed(version=2))


class Late(Day):
    """Published once the books are closed: who signs has seen them."""

    def publish_policies(self) -> None:
        """Not yet."""

    def validate(self) -> None:
        super().publish_policies()
        super().validate()


class AnchoredLate(Day):
    """Written into the journal before the books are closed, but under no head that was anchored before delivery."""

    def publish_policies(self) -> None:
        """Not yet."""

    def open(self) -> None:
        super().publish_policies()
        super().open()


FRAUDS: dict[str, tuple[type[Day], str]] = {
    "none named": (Named, "the version in force has"),
    "an older version named": (OlderVersion, "the version in force has"),
    "signed by the operator": (OfOperator, "signers of a SigningPolicy that are not the area's DSO"),
    "altered": (Altered, "signers of a SigningPolicy that are not the area's DSO"),
    "a version left out": (Skipped, "the next one is"),
    "two versions at once": (BeginsNoLater, "versions before that begin no earlier"),
    "after the books closed": (Late, "begun has already MTU"),
    "anchored after delivery began": (AnchoredLate, "anchored before it began was"),
}
"""What was done, and what the verifier says."""


@pytest.mark.parametrize("name", FRAUDS)
def test_verify__policy_not_in_order__is_wrong_for_everybody(name: str) -> None:
    kind, said = FRAUDS[name]
    day = kind().run()

    for bundle in ("auditor", "public"):
        report = told(day, bundle)
        assert report.exit_code == WRONG
        assert said in messages(report)


def test_verify__next_version_before_its_first_mtu__is_clean() -> None:
    later = {"version": 2, "valid_from_mtu": FIRST - 10}
    day = Under(lambda day: day.allowed(loading_highest_permille=0), lambda day: day.allowed(**later)).run()

    report = told(day, "public")

    assert (messages(report), report.exit_code) == ("", CLEAN)
