"""A session that the chain refuses to open, or hears of too late: asked for again, else over with its orders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from domain.facts import BookClosed, ChainRequested, SessionLapsed
from ledger_service.market import CalendarStage, OpeningStage, queries
from ledger_service.market.queries import Session, declared_key, opened_key
from ledger_service.market.views import rebuild_views
from ledger_service.overview import queries as overview
from ledger_service.overview.views import OVERVIEW
from ledger_service.programs import EndStage, ValidationStage
from ledger_service.programs.earlier import earlier_positions, earlier_sessions
from ledger_service.record import Record
from ledger_service.registry import queries as registry
from ledger_service.stage import run_until_quiet
from ledger_service.trading import GateStage
from ledger_service.trading.errors import SessionNotOpen
from tests.integration.ledger.town import AREA, MARKET, NOW, Town, refused
from tests.journal import append_fact

pytestmark = pytest.mark.integration

MTU = 900
REASON = "RolesPaused"


@pytest.fixture
def town(make_town: Callable[..., Town], record: Record) -> Town:
    """A community whose session is asked for, and not on chain."""
    made = make_town(households=1)
    record.timed_by(made.clock.now)
    record.keep(OVERVIEW)
    made.include(f"createMarket:{MARKET}")
    run_until_quiet([made.calendar], NOW)
    made.include(declared_key(AREA, 1))
    run_until_quiet([made.calendar], NOW)
    return made


def key_of(session: Session, attempt: int = 1) -> str:
    first = opened_key(market=session.market, session=session.session)
    return first if attempt == 1 else f"{first}#{attempt}"


def fail(town: Town, key: str) -> None:
    """The chain refuses what was asked for under a key."""
    with town.record.begin() as tx:
        append_fact(tx, "chain.failed", {"key": key, "reason": REASON}, key=f"chain.failed:{key}")


def stages(town: Town) -> list[CalendarStage | OpeningStage | GateStage | EndStage | ValidationStage]:
    """Those of a service that has just started."""
    validation = ValidationStage(town.record, metered=lambda *_: {})
    return [town.calendar, OpeningStage(town.record), GateStage(town.record), validation, EndStage(town.record)]


def run(town: Town, now: int) -> None:
    town.clock.advance_to(now)
    run_until_quiet(stages(town), now)


def asked(town: Town) -> list[str]:
    """Keys of what was asked about the session, in order."""
    found = [entry.as_a(ChainRequested).key for entry in town.record.entries(kinds=[ChainRequested])]
    return [key for key in found if "Session:" in key]


def lapsed(town: Town) -> list[SessionLapsed]:
    return [entry.as_a(SessionLapsed) for entry in town.record.entries(kinds=[SessionLapsed])]


def test_opening__refused_before_the_gate__is_asked_again_after_twice_as_long_each_time(town: Town) -> None:
    session, now = town.session, NOW

    for attempt, wait in ((1, MTU), (2, 2 * MTU), (3, 4 * MTU)):
        fail(town, key_of(session, attempt))
        run(town, now + wait - 1)
        assert asked(town)[-1] == key_of(session, attempt)
        run(town, now := now + wait)
        assert asked(town)[-1] == key_of(session, attempt + 1)

    town.include(key_of(session))
    run(town, session.session)
    assert lapsed(town) == []
    assert asked(town)[-1] == f"closeSession:{MARKET}:{session.session}"


def test_opening__refused_until_the_gate_is_too_near__session_lapses_and_nothing_is_asked_again(town: Town) -> None:
    session, (house,) = town.session, town.residents
    town.send(house.order(mtu=session.first_mtu))
    late = session.session - MTU
    town.clock.advance_to(late)
    fail(town, key_of(session))

    run(town, late)
    run(town, session.session + 10 * 86_400)

    assert lapsed(town) == [SessionLapsed(MARKET, session.session, REASON)]
    assert asked(town) == [key_of(session)]
    assert town.record.entries(kinds=[BookClosed]) == []
    with town.record.read() as connection:
        ends = overview.ends_of(connection, {(MARKET, session.session, session.first_mtu)})
        (program,) = overview.programs(connection, now=late, state="lapsed")
        shown = queries.session(connection, market=MARKET, session=session.session)
    (end,) = ends.values()
    assert (end.state, end.lapsed_reason, program.lapsed_reason) == ("void", REASON, REASON)
    assert shown == replace(session, closed=True)


def test_opening__lapsed__takes_no_further_order(town: Town) -> None:
    session, (house,) = town.session, town.residents
    town.clock.advance_to(session.session - MTU)
    fail(town, key_of(session))
    run(town, session.session - MTU)

    refused(town, house.order(mtu=session.first_mtu), SessionNotOpen)


def test_opening__service_down_over_the_gate__waits_for_what_the_chain_says(town: Town) -> None:
    session = town.session

    run(town, session.session + 1)  # its request was never sent
    assert asked(town) == [key_of(session)]
    fail(town, key_of(session))
    run(town, session.session + 2)

    assert lapsed(town) == [SessionLapsed(MARKET, session.session, REASON)]
    assert asked(town) == [key_of(session)]


def test_opening__included_and_seen_after_the_gate__books_close(town: Town) -> None:
    session = town.session
    run(town, session.session + 1)

    town.include(key_of(session))
    run(town, session.session + 2)

    assert asked(town)[-1] == f"closeSession:{MARKET}:{session.session}"


def test_opening__somebody_else_opened_it__failure_changes_nothing(town: Town) -> None:
    session = town.session
    town.include(key_of(session))  # by the event, whoever sent the transaction
    fail(town, key_of(session))

    run(town, session.session)

    assert lapsed(town) == []
    assert len(town.record.entries(kinds=[BookClosed])) == 1


def test_opening__block_with_it_is_gone_for_good__lapses_with_its_closed_books(town: Town) -> None:
    session = town.session
    town.include(key_of(session))
    run(town, session.session)
    with town.record.begin() as tx:
        append_fact(tx, "chain.rewound", {"key": key_of(session)}, key="gone")
    fail(town, key_of(session))

    run(town, session.session + 10 * 86_400)

    assert lapsed(town) == [SessionLapsed(MARKET, session.session, REASON)]
    assert asked(town) == [key_of(session), f"closeSession:{MARKET}:{session.session}"]
    with town.record.begin() as tx:
        rebuild_views(tx)
        assert not queries.is_opened(tx.connection, session)


def test_lapsed__a_later_gate_of_the_same_mtus_stands_on_nothing_of_it(town: Town) -> None:
    session = town.session
    later = replace(session, session=session.session + 5 * 3_600)
    with town.record.read() as connection:
        before = [(registry.market(connection, MARKET), session)]
        assert earlier_positions(connection, before, mtus=later.mtus) is None
        assert [item for _, item in earlier_sessions(connection, later)] == [session]
    town.clock.advance_to(session.session)
    fail(town, key_of(session))
    run(town, session.session)

    with town.record.read() as connection:
        assert earlier_positions(connection, before, mtus=later.mtus) == ()
