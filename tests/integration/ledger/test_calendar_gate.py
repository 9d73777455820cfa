"""The calendar stage and the gate stage: local days, inclusion first, once per session, also after a restart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from domain.facts import FACTS
from domain.hashing import ZERO_HASH, from_hex, keccak, text_id, to_hex
from domain.merkle import places_root
from domain.words import book_hash, mask_word
from ledger_service.market import CalendarStage, queries
from ledger_service.market.queries import declared_key
from ledger_service.market.views import rebuild_views
from ledger_service.record import Record
from ledger_service.stage import run_until_quiet
from ledger_service.trading import GateStage
from tests.integration.ledger.told import period_declared
from tests.integration.ledger.town import AREA, MARKET, MARKET_DOMAIN, Town
from tests.journal import append_fact, content_of

pytestmark = pytest.mark.integration


def at(text: str) -> int:
    """Unix seconds of a UTC time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def facts(record: Record, kind: str) -> list[dict[str, Any]]:
    return [content_of(entry) for entry in record.entries(kinds=[FACTS[kind]], limit=10_000)]


def requests(record: Record, function: str) -> list[dict[str, Any]]:
    return [request for request in facts(record, "chain.requested") if request["function"] == function]


def run(stage: CalendarStage, now: int, town: Town, period: int) -> None:
    """Let the stage declare, the chain include, and the stage open."""
    run_until_quiet([stage], now)
    town.include(f"declarePeriod:{AREA}:{period}")
    run_until_quiet([stage], now)


@pytest.fixture
def bare(make_town: Callable[..., Town]) -> Town:
    return make_town(households=1)


def test_calendar__market_not_on_chain_yet__waits(bare: Town, record: Record) -> None:
    assert run_until_quiet([bare.calendar], bare.clock.now()) == 0
    assert facts(record, "period.declared") == []


def test_calendar__before_the_gate__declares_tomorrow_then_opens_it_once_included(bare: Town, record: Record) -> None:
    bare.include(f"createMarket:{MARKET}")
    run_until_quiet([bare.calendar], bare.clock.now())

    first_mtu = at("2016-06-15T22:00:00") // 900
    assert facts(record, "period.declared") == [{"area": AREA, "period": 1, "first_mtu": first_mtu, "count": 96}]
    (declare,) = requests(record, "declarePeriod")
    assert declare["args"] == [to_hex(text_id(AREA)), first_mtu, 96]
    assert (declare["role"], declare["contract"]) == ("operator", "Calendar")
    assert facts(record, "session.opened") == []

    bare.include(f"declarePeriod:{AREA}:1")
    run_until_quiet([bare.calendar], bare.clock.now())
    gate = at("2016-06-15T10:00:00")
    (program,) = facts(record, "session.opened")
    assert program == {
        "market": MARKET,
        "area": AREA,
        "session": gate,
        "period": 1,
        "first_mtu": first_mtu,
        "count": 96,
    }
    (opened,) = requests(record, "openSession")
    assert opened["args"] == [to_hex(text_id(MARKET)), gate, 1, first_mtu, 96]


def test_calendar__run_again_and_restarted__does_nothing_twice(bare: Town, record: Record) -> None:
    bare.open_session()
    head = record.head()

    assert run_until_quiet([bare.calendar, CalendarStage(record)], bare.clock.now()) == 0
    assert record.head() == head


def test_calendar__after_the_gate__begins_with_the_day_after_tomorrow_at_its_midnight(
    bare: Town, record: Record
) -> None:
    bare.include(f"createMarket:{MARKET}")
    stage = CalendarStage(record)
    run_until_quiet([stage], at("2016-06-15T10:00:00"))
    assert facts(record, "period.declared") == []

    run_until_quiet([stage], at("2016-06-15T21:59:59"))
    assert facts(record, "period.declared") == []
    run_until_quiet([stage], at("2016-06-15T22:00:00"))
    assert [item["first_mtu"] for item in facts(record, "period.declared")] == [at("2016-06-16T22:00:00") // 900]


@pytest.mark.parametrize(
    ("day", "midnight_before", "count", "gate"),
    [
        (date(2016, 3, 27), "2016-03-25T23:00:00", 92, "2016-03-26T11:00:00"),
        (date(2016, 10, 30), "2016-10-28T22:00:00", 100, "2016-10-29T10:00:00"),
    ],
    ids=["spring", "autumn"],
)
def test_calendar__clock_change__day_has_its_mtus(
    bare: Town, record: Record, day: date, midnight_before: str, count: int, gate: str
) -> None:
    bare.include(f"createMarket:{MARKET}")
    stage = CalendarStage(record, first_day=day)
    run(stage, at(midnight_before), bare, 1)
    run(stage, at(midnight_before) + 86_400, bare, 2)

    first, second = facts(record, "period.declared")
    assert first["count"] == count
    assert second["first_mtu"] == first["first_mtu"] + count
    assert facts(record, "session.opened")[0]["session"] == at(gate)


def test_calendar__service_down_for_days__periods_without_a_gap_but_no_program_past_its_gate(
    bare: Town, record: Record
) -> None:
    bare.open_session()
    stage = CalendarStage(record)
    now = at("2016-06-18T12:00:00")
    run_until_quiet([stage], now)
    for period in (2, 3, 4):
        bare.include(f"declarePeriod:{AREA}:{period}")
    run_until_quiet([stage], now)

    declared = facts(record, "period.declared")
    assert [item["period"] for item in declared] == [1, 2, 3, 4]
    ends = [item["first_mtu"] + item["count"] for item in declared]
    assert [item["first_mtu"] for item in declared[1:]] == ends[:-1]
    # The gate of the 19th was at 10:00 UTC on the 18th.
    assert [item["period"] for item in facts(record, "session.opened")] == [1]
    run(stage, at("2016-06-18T22:00:00"), bare, 5)
    gates = {1: at("2016-06-15T10:00:00"), 5: at("2016-06-19T10:00:00")}
    assert {item["period"]: item["session"] for item in facts(record, "session.opened")} == gates


@pytest.mark.parametrize("area", [AREA, "ELSEWHERE"])
def test_calendar__declared_by_somebody_else__is_followed(bare: Town, record: Record, area: str) -> None:
    session = bare.open_session()
    end = session.first_mtu + session.count
    places = [{"first_mtu": end + 96 * number, "count": 96} for number in range(2)]

    with record.begin() as tx:
        events = [period_declared(area, number, **place) for number, place in enumerate(places, 2)]
        append_fact(tx, "chain.observed", {"events": events})
    run_until_quiet([CalendarStage(record)], at("2016-06-15T12:00:00"))
    with record.begin() as tx:
        followed = [queries.is_included(tx.connection, declared_key(AREA, number)) for number in (2, 3)]
        rebuild_views(tx)
        rebuilt = [queries.is_included(tx.connection, declared_key(AREA, number)) for number in (2, 3)]

    declared = facts(record, "period.declared")
    ours = area == AREA
    assert followed == rebuilt == [ours, ours]
    assert declared[1:] == [
        {"area": AREA, "period": number, **place} for number, place in enumerate(places if ours else [], 2)
    ]


@pytest.mark.parametrize(("seconds", "counts"), [(-1, [96, 100]), (0, [96, 96, 4])])
def test_calendar__late_on_a_long_day__as_long_as_before_once_others_may_declare(
    bare: Town, record: Record, seconds: int, counts: list[int]
) -> None:
    bare.include(f"createMarket:{MARKET}")
    stage = CalendarStage(record, first_day=date(2016, 10, 29))
    run(stage, at("2016-10-27T22:00:00"), bare, 1)

    run_until_quiet([stage], at("2016-10-30T21:45:00") + seconds)

    assert [item["count"] for item in facts(record, "period.declared")][: len(counts)] == counts


def test_calendar__last_day__nothing_is_declared_beyond(bare: Town, record: Record) -> None:
    bare.open_session()
    run_until_quiet([bare.calendar], at("2016-06-30T00:00:00"))

    assert [item["period"] for item in facts(record, "period.declared")] == [1, 2]


def test_calendar__other_inclusions__are_passed_over(bare: Town, record: Record) -> None:
    for number in range(3):
        bare.include(f"clear:{number}")
    bare.include(f"createMarket:{MARKET}")
    stage = CalendarStage(record)
    run_until_quiet([stage], bare.clock.now())

    assert len(facts(record, "period.declared")) == 1


def test_gate__before_its_time__nothing(town: Town) -> None:
    assert not town.gate.run(town.session.session - 1)
    assert facts(town.record, "book.closed") == []


def test_gate__orders_changed_cancelled_and_live__books_hold_the_last_live_revisions(town: Town) -> None:
    program, (one, other, third) = town.session, town.residents
    mtu = program.first_mtu + 3
    live = [resident.order(mtu=mtu) for resident in town.residents for _ in range(3)]
    gone = other.order(mtu=mtu)
    alone = third.order(mtu=program.first_mtu)
    outcomes = town.send(*live, gone, alone, other.cancel(gone.order, revision=1))
    assert all(not isinstance(outcome, Exception) for outcome in outcomes)

    assert town.gate.run(program.session)
    (closed,) = facts(town.record, "book.closed")
    assert [book["mtu"] for book in closed["books"]] == list(program.mtus)
    words = sorted(mask_word(item.order.word(tag=item.order.digest(MARKET_DOMAIN)[:16]).pack()) for item in live)
    book = closed["books"][3]
    assert book["tags"] == [to_hex((word >> 128).to_bytes(16, "big")) for word in words]
    names = {"market": text_id(MARKET), "session": program.session, "mtu": mtu}
    assert book["book_hash"] == to_hex(book_hash(**names, words=words))
    page = keccak(b"".join(word.to_bytes(32, "big") for word in words))
    assert book["chain"] == to_hex(keccak(ZERO_HASH + page))
    empty = closed["books"][5]
    assert (empty["tags"], empty["chain"]) == ([], to_hex(ZERO_HASH))
    (request,) = requests(town.record, "closeSession")
    root = places_root([from_hex(item["book_hash"]) for item in closed["books"]])
    assert request["args"] == [to_hex(text_id(MARKET)), program.session, to_hex(root)]
    assert [len(item["tags"]) for item in closed["books"]] == [1, 0, 0, 9, *[0] * 92]
    assert one.account_hex != other.account_hex


def test_gate__run_again_by_another_process__closes_once(town: Town, record: Record) -> None:
    gate = town.session.session
    other = GateStage(record)

    assert town.gate.run(gate)
    assert not other.run(gate)
    assert not town.gate.run(gate + 900)
    assert len(facts(record, "book.closed")) == 1
    with record.read() as connection:
        assert queries.sessions(connection, closed=False) == []
        assert queries.session(connection, market=MARKET, session=gate) == town.session
        last = town.session.first_mtu + 95
        assert queries.sessions_over(connection, area=AREA, first_mtu=last, count=2) == [town.session]
        assert queries.sessions_over(connection, area=AREA, first_mtu=last + 1, count=1) == []
        assert queries.period_of(connection, area=AREA, mtu=town.session.first_mtu - 1) is None
        found = queries.period_of(connection, area=AREA, mtu=town.session.first_mtu)
    assert found is not None and found.number == 1


@pytest.mark.parametrize(("seconds_before", "opened"), [(1, 1), (0, 0)])
def test_calendar__period_included_at_the_gate__session_only_before_it(
    bare: Town, record: Record, seconds_before: int, opened: int
) -> None:
    bare.include(f"createMarket:{MARKET}")
    run_until_quiet([bare.calendar], bare.clock.now())
    bare.include(f"declarePeriod:{AREA}:1")
    run_until_quiet([bare.calendar], at("2016-06-15T10:00:00") - seconds_before)

    assert len(facts(record, "session.opened")) == opened
