"""Who must collude for what: every fraud that is declared in tests/collusion, played on a real day by its coalition,
ends as the table of the README says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

import pytest

from tests.collusion.coalitions import Coalition
from tests.collusion.day import Payload, RealDay
from tests.collusion.declared import FRAUDS
from tests.collusion.frauds import Day, Ends, Fraud, Kind
from tests.collusion.held import receipts_of
from tests.collusion.playing import Played, play
from tests.collusion.plot import Plot
from tests.functional.agent_day import AGENT
from tests.functional.moving_town import NEWCOMER, RIVAL
from verifier import telling
from verifier.cache import Cache
from verifier.verdict import CLEAN, WRONG

pytestmark = pytest.mark.functional


@pytest.fixture(scope="module")
def days(request: pytest.FixtureRequest) -> Callable[[Day], RealDay]:
    """What was produced, with everybody's keys, each day when it is first asked for."""

    @lru_cache
    def of(day: Day) -> RealDay:
        if day is Day.PLAIN:
            return RealDay.of(request.getfixturevalue("small_grid_day"))
        _, out = request.getfixturevalue("lived_day")
        return RealDay.of(out, {"agent": AGENT, "newcomer": NEWCOMER, "rival": RIVAL})

    return of


@pytest.fixture(scope="module")
def cache() -> Cache:
    """What all the days told have in common is verified once."""
    return Cache()


def drawn() -> list[Fraud]:
    """One fraud of each kind, each by the coalition that had its turn least often, the rarest first."""
    turns, all_of = Counter[Coalition](), Counter(fraud.by for fraud in FRAUDS)
    chosen = []
    for kind in Kind:
        mine = [fraud for fraud in FRAUDS if fraud.kind is kind]
        pick = min(mine, key=lambda fraud: (turns[fraud.by], all_of[fraud.by]))
        turns[pick.by] += 1
        chosen.append(pick)
    return chosen


USUAL = drawn()
PLAYED = [pytest.param(f, id=f.id, marks=() if f in USUAL else pytest.mark.campaign) for f in FRAUDS]
"""A usual run plays one of each kind, `make campaign` all."""


@pytest.mark.parametrize("fraud", PLAYED)
def test_fraud__by_its_coalition__ends_as_the_table_says(
    days: Callable[[Day], RealDay], cache: Cache, fraud: Fraud
) -> None:
    day = days(fraud.day)
    plot = Plot(day, fraud.by)

    fraud.commit(plot)
    held = left_out(day, plot) if fraud.end.ends is Ends.RECEIPT else []
    played = play(day, plot, cache, held)

    check(fraud, played, held)


def left_out(day: RealDay, plot: Plot) -> list[Payload]:
    """The receipts for what the coalition leaves out: those of all else fit no more either, but that proves less."""
    told = {step.was["sequence"] for step in plot.steps if step.was is not None}
    return [receipt for receipt in receipts_of(day) if receipt["sequence"] not in told]


def check(fraud: Fraud, played: Played, held: list[Payload]) -> None:
    """It ends as declared."""
    report, words = played.report, fraud.end.words
    match fraud.end.ends:
        case Ends.FOUND:
            assert report.exit_code == WRONG
            assert words in played.findings, played.findings[:3_000]
        case Ends.REFUSED:
            assert any(words in reason for reason in played.told.reverted.values()), played.told.reverted
        case Ends.IN_PART:
            assert report.exit_code == CLEAN, played.findings[:3_000]
            assert any(words in gap for gap in report.gaps), report.gaps
        case Ends.TOLD:
            assert (report.exit_code, report.gaps) == (CLEAN, set()), played.findings[:3_000]
            assert words in "\n".join(telling.lines(report))
            assert (report.held.proven_block or 0) < (report.held.block or 0)
        case Ends.POSSIBLE:
            assert (report.exit_code, report.gaps) == (CLEAN, set()), played.findings[:3_000]
        case Ends.RECEIPT:
            assert (report.exit_code, report.gaps) == (CLEAN, set()), played.findings[:3_000]
            assert held and played.held.exit_code == WRONG
            assert {finding.check for finding in played.held.findings} == {"promise"}


@pytest.mark.parametrize("kind", Day)
def test_retelling__nothing_changed__is_the_day_as_it_was(
    days: Callable[[Day], RealDay], cache: Cache, kind: Day
) -> None:
    day = days(kind)

    played = play(day, Plot(day, Coalition.OPERATOR), cache, list(receipts_of(day)))

    assert (played.report.exit_code, played.report.gaps) == (CLEAN, set()), played.findings
    assert (played.held.exit_code, played.held.gaps) == (CLEAN, set()), played.held.findings
    assert [entry["hash"] for entry in played.told.entries] == [entry["hash"] for entry in day.entries]
    assert played.told.receipts == day.receipts
    assert json.dumps(played.told.anchors["contracts"]) == json.dumps(day.anchors["contracts"])
