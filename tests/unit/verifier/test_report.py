"""A power-flow report that the DSO signed says what program, grid, words and envelopes say, or it is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.verifier.fake_chain import FIRST
from tests.unit.verifier.programs import CAPPED, GIVEN_UP
from tests.unit.verifier.small_day import Day
from verifier.verdict import CLEAN, WRONG
from verifier.verify import verify

pytestmark = pytest.mark.unit

Report = dict[str, Any]
Change = Callable[[Report], Any]


def of_mtu(at: int, **changes: Any) -> Change:
    """Other members of an MTU."""
    return lambda report: report["mtus"][at].update(changes)


def of_finding(**changes: Any) -> Change:
    """Other members of the finding of the first MTU."""
    return lambda report: report["mtus"][0]["findings"][0].update(changes)


SEEN_BY_ALL: dict[str, tuple[Change, str]] = {
    "another format": (lambda report: report.update(format="dominoes-report/1"), "report.format"),
    "another grid": (lambda report: report.update(grid="other"), "report.grid"),
    "another grid model": (lambda report: report.update(grid_model_hash="0x" + "11" * 32), "report.grid_model_hash"),
    "another first MTU": (lambda report: report.update(first_mtu=FIRST + 1), "MTUs of the report"),
    "another count": (lambda report: report.update(count=4), "MTUs of the report"),
    "MTUs in another order": (lambda report: report["mtus"].reverse(), "MTUs of the report"),
    "a member besides": (lambda report: report.update(note="all is well"), "missing [], more ['note']"),
    "overloaded under the caps": (of_mtu(0, loading_permille=1_001), "limits broken under the caps"),
    "too low a voltage": (of_mtu(0, voltage_lowest_micro_pu=899_999), "limits broken under the caps"),
    "too high a voltage": (of_mtu(0, voltage_highest_micro_pu=1_100_001), "limits broken under the caps"),
    "a bus that is none": (of_mtu(0, voltage_lowest_bus="x"), "is missing or unknown"),
    "more rounds than there are": (of_mtu(0, rounds=5), "rounds beyond rounds_max"),
    "fewer findings than counted": (of_mtu(0, findings_count=2), "findings listed"),
    "a finding within its limit": (of_finding(value_micro=999_999), "findings that break no limit"),
    "a limit that is not the grid's": (of_finding(limit_micro=500_000), "findings that break no limit"),
    "a line that is a transformer": (of_finding(kind="transformer"), "findings that break no limit"),
    "a line that is none": (of_finding(code="x"), "is missing or unknown"),
    "a voltage as loading": (of_finding(quantity="overvoltage", code="b", kind="bus"), "findings that break no limit"),
}
SEEN_OPENED: dict[str, tuple[Change, str]] = {
    "another lot": (lambda report: report.update(lot_wh=1), "report.lot_wh"),
    "fewer points capped": (of_mtu(CAPPED, capped_points=0), "points and Wh capped"),
    "less export held back": (of_mtu(CAPPED, capped_export_wh=1), "points and Wh capped"),
    "import held back": (of_mtu(CAPPED, capped_import_wh=1), "points and Wh capped"),
    "caps where there are none": (of_mtu(0, capped_points=1), "points and Wh capped"),
    "given up, but traded": (of_mtu(0, given_up=True), "given_up"),
    "not given up, but emptied": (of_mtu(GIVEN_UP, given_up=False, loading_permille=900), "given_up"),
}


def dishonest(change: Change) -> Any:
    """A day whose DSO signs a report that was changed."""

    class Dishonest(Day):
        """Signs it."""

        def change_report(self, report: Report) -> None:
            """Before anybody sees it."""
            change(report)

    return Dishonest().run()


@pytest.mark.parametrize("kind", ["auditor", "public", "personal"])
@pytest.mark.parametrize(("change", "told"), SEEN_BY_ALL.values(), ids=SEEN_BY_ALL)
def test_verify__report_that_contradicts_grid_or_session__is_found(kind: str, change: Change, told: str) -> None:
    day = dishonest(change)
    bundle = day.personal("h1", "household", "p1") if kind == "personal" else getattr(day, kind)()

    report = verify(bundle, day.anchors(), day.chain.rpc)

    assert report.exit_code == WRONG
    assert told in "\n".join(finding.message for finding in report.findings)


@pytest.mark.parametrize(("change", "told"), SEEN_OPENED.values(), ids=SEEN_OPENED)
def test_verify__report_that_contradicts_words_or_envelopes__is_found(change: Change, told: str) -> None:
    day = dishonest(change)

    report = verify(day.auditor(), day.anchors(), day.chain.rpc)

    assert report.exit_code == WRONG
    assert told in "\n".join(finding.message for finding in report.findings)


def test_verify__given_up_beyond_its_limits__is_honest() -> None:
    day = dishonest(of_mtu(GIVEN_UP, loading_permille=2_000, voltage_lowest_micro_pu=700_000))

    assert verify(day.auditor(), day.anchors(), day.chain.rpc).exit_code == CLEAN
