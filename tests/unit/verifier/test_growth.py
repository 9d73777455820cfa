"""What a period costs the verifier does not grow with the periods beside it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.counting import instructions
from verifier import chain, participants, settlement
from verifier.chain import Event, Events
from verifier.facts import PeriodDeclared, SessionOpened
from verifier.hashes import ZERO_HEX, ident
from verifier.participants import MarketRules, Participants
from verifier.settlement import Chained

pytestmark = pytest.mark.unit

AREA, MARKET, MTUS = "a", "a/m", 4
PLACE = {"market": ident(MARKET)}


def span_of(period: int) -> range:
    return range(period * MTUS, (period + 1) * MTUS)


def events_of(period: int) -> list[Event]:
    """A session over a period's MTUs that is over, and their readings."""
    session = PLACE | {"session": period}
    mtus = [{"area": ident(AREA), "mtu": mtu, "revision": 0, "root": ZERO_HEX} for mtu in span_of(period)]
    told: list[tuple[str, dict[str, Any]]] = [
        ("SessionOpened", session | {"firstMtu": period * MTUS}),
        ("SessionDone", session | {"clearedMask": 0}),
        *(("ReadingsAttested", args | {"count": 0, "importWh": 0, "exportWh": 0}) for args in mtus),
    ]
    return [Event(name, args, period, "0x", "") for name, args in told]


def following_roots(periods: int) -> int:
    """The work of following the roots of so many periods, one after the other."""
    events = Events(event for period in range(periods) for event in events_of(period))

    def run() -> None:
        chained = Chained(events)
        for period in range(periods):
            assert len(chained.running(ident(AREA), [PLACE["market"]], span_of(period), "").revisions) == MTUS

    return instructions(run, settlement, chain)


class Quiet:
    """Evidence without a chain, which finds nothing."""

    chain = report = None

    def on_chain(self, *_: Any, **__: Any) -> None:
        """Believes all."""


class NoReport:
    """A report that hears nothing."""

    def none(self, *_: Any) -> None:
        """Nothing."""

    same = none


def taking_sessions(sessions: int) -> int:
    """The work of so many periods with a session each, each looking for those before it."""
    evidence: Any = Quiet()
    evidence.report = NoReport()
    known = Participants(evidence, evidence)
    known.markets[PLACE["market"]] = MarketRules(ident(AREA), 10, 1, -100, 100, 60)

    def run() -> None:
        for at in range(sessions):
            mtus = {"first_mtu": at * MTUS, "count": MTUS}
            known.period_declared(PeriodDeclared(area=AREA, period=at, **mtus))
            known.session_opened(SessionOpened(market=MARKET, area=AREA, session=at, period=at, **mtus))
            assert known.earlier_sessions(PLACE["market"], at) == []
            assert known.period_of(ident(AREA), at * MTUS) == at

    return instructions(run, participants)


@pytest.mark.parametrize("work", [following_roots, taking_sessions])
def test_work__eight_times_the_periods__eight_times_the_work(work: Any) -> None:
    few, many = work(5), work(40)

    assert 7 * few < many < 9 * few
