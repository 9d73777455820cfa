"""Two areas: what can't be validated, or has to wait, in one of them holds up nothing in the other."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from domain.facts import BookClosed, ProgramValidated
from ledger_service.market.views import rebuild_views
from ledger_service.programs import EndStage, ValidationStage
from ledger_service.record import Record
from ledger_service.record.follow import read_cursor
from ledger_service.registry import operations
from ledger_service.stage import run_until_quiet
from tests.integration.ledger.town import Town, area, define_area, market
from tests.journal import append_fact, content_of

pytestmark = pytest.mark.integration

OTHER_AREA, OTHER_MARKET = "OTHER", "OTHER/DA"


@pytest.fixture
def town(record: Record) -> Town:
    """A town with a session open for tomorrow, and another area beside it."""
    town = Town(record, households=1)
    with record.begin() as tx:
        define_area(tx, area(area=OTHER_AREA))
        operations.define_market(tx, market=market(market=OTHER_MARKET, area=OTHER_AREA))
    town.open_session()
    return town


def open_elsewhere(town: Town, gate: int) -> dict[str, Any]:
    """A session of the other area, for the same MTUs; its place."""
    place = {"market": OTHER_MARKET, "session": gate, "first_mtu": town.session.first_mtu, "count": town.session.count}
    with town.record.begin() as tx:
        append_fact(tx, "session.opened", place | {"area": OTHER_AREA, "period": town.session.period})
        rebuild_views(tx)
    town.opened()
    return place


def close_strangely(town: Town, place: dict[str, Any]) -> None:
    """The other area's books commit to an order that nobody sent."""
    books = [{"mtu": place["first_mtu"] + at, "tags": []} for at in range(place["count"])]
    books[0]["tags"] = ["0x" + "11" * 16]
    with town.record.begin() as tx:
        append_fact(tx, "book.closed", place | {"books": books})
        rebuild_views(tx)


def close(town: Town) -> None:
    """Let the town's gate come."""
    town.clock.advance_to(town.session.session)
    town.gate.run(town.clock.now())


def validated(town: Town) -> list[str]:
    """The markets whose programs were validated."""
    return [entry.as_a(ProgramValidated).market for entry in town.record.entries(kinds=[ProgramValidated])]


def test_validation__program_of_one_area_that_cannot_be_made__the_other_goes_on_and_it_is_said_once(
    town: Town,
) -> None:
    place = open_elsewhere(town, town.session.session - 60)
    close_strangely(town, place)
    close(town)
    stage = ValidationStage(town.record, metered=lambda connection, point, mtus: {})

    with capture_logs() as logs:
        for _ in range(3):
            run_until_quiet([stage], town.clock.now())

    assert validated(town) == [town.session.market]
    assert [(log["event"], log["market"]) for log in logs] == [("validation.stuck", OTHER_MARKET)]
    with town.record.read() as connection:
        at = read_cursor(connection, "validation")
    assert not [item for item in town.record.entries(kinds=[BookClosed], limit=1) if item.sequence <= at]


def test_validation__program_that_cannot_be_made__ends_at_its_deadline_and_is_left(town: Town) -> None:
    place = open_elsewhere(town, town.session.session - 60)
    close_strangely(town, place)
    stage = ValidationStage(town.record, metered=lambda connection, point, mtus: {})
    stage.run(town.clock.now())
    end = EndStage(town.record)

    end.run(place["session"] + market().sign_seconds + 1)
    with town.record.begin() as tx:
        append_fact(tx, "session.done", {"market": OTHER_MARKET, "session": place["session"]})
    close(town)
    with capture_logs() as logs:
        run_until_quiet([ValidationStage(town.record, metered=lambda connection, point, mtus: {})], town.clock.now())

    asked = [content_of(entry)["key"] for entry in town.record.entries(limit=1_000) if entry.kind == "chain.requested"]
    assert f"endSession:{OTHER_MARKET}:{place['session']}" in asked
    assert logs == [] and validated(town) == [town.session.market]


def test_validation__one_area_waits_for_its_earlier_gate__the_other_does_not(town: Town) -> None:
    gates = [town.session.session - 120, town.session.session - 60]
    for gate in gates:
        place = open_elsewhere(town, gate)
        books = [{"mtu": place["first_mtu"] + at, "tags": []} for at in range(place["count"])]
        with town.record.begin() as tx:
            append_fact(tx, "book.closed", place | {"books": books})
            rebuild_views(tx)
    close(town)
    stage = ValidationStage(town.record, metered=lambda connection, point, mtus: {})

    run_until_quiet([stage], town.clock.now())
    assert validated(town) == [OTHER_MARKET, town.session.market]

    with town.record.begin() as tx:
        append_fact(tx, "session.done", {"market": OTHER_MARKET, "session": gates[0]})
    run_until_quiet([ValidationStage(town.record, metered=lambda connection, point, mtus: {})], town.clock.now())
    assert validated(town) == [OTHER_MARKET, town.session.market, OTHER_MARKET]
