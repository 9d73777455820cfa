"""Order intake over two auctions of an area, or two sessions of one: what an account may buy and sell counts in all."""

from __future__ import annotations

import pytest

from domain.hashing import text_id
from domain.orders import tag_of
from domain.words import OrderWord, Side
from ledger_service.market import queries
from ledger_service.market.queries import Session
from ledger_service.record import Record
from ledger_service.registry import operations
from ledger_service.registry.errors import GatesTooClose
from ledger_service.trading import errors
from ledger_service.trading.submissions import SignedOrder
from tests.integration.ledger import town as towns_module
from tests.integration.ledger.town import (
    AREA,
    MARKET,
    MARKET_DOMAIN,
    Resident,
    Town,
    accepted,
    market,
    nominate,
    refused,
)
from tests.journal import append_fact

pytestmark = pytest.mark.integration

LATER = "TEST/DA2"


def sessions(town: Town) -> list[Session]:
    """The area's sessions over tomorrow, by gate."""
    with town.record.read() as connection:
        return queries.sessions_over(connection, area=AREA, first_mtu=town.session.first_mtu, count=1)


@pytest.fixture(params=["two markets", "two sessions"])
def towns(record: Record, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Town:
    """One area in which two gates are open for tomorrow."""
    if request.param == "two sessions":
        both = market(later_gates_local=("17:00",))
        monkeypatch.setattr(towns_module, "market", lambda: both)
    town = Town(record, households=2)
    if request.param == "two markets":
        with record.begin() as tx:
            operations.define_market(tx, market=market(market=LATER, gate_local="17:00"))
        town.include(f"createMarket:{LATER}")
    town.open_session()
    first, second = sessions(town)
    assert first.first_mtu == second.first_mtu and first.session < second.session
    return town


def close(town: Town) -> None:
    """Let the first gate come."""
    town.clock.advance_to(sessions(town)[0].session)
    town.gate.run(town.clock.now())


def decide(town: Town, *, mtu: int, order: SignedOrder, accepted_lots: int) -> None:
    """The chain cleared the first gate's MTU: so many lots of an order."""
    tag = tag_of(order.order.digest(MARKET_DOMAIN))
    word = OrderWord(
        tag=int.from_bytes(tag, "big"),
        side=order.order.side,
        limit_neur_per_wh=order.order.limit_neur_per_wh,
        quantity_lots=order.order.quantity_lots,
        accepted_lots=accepted_lots,
    )
    with town.record.begin() as tx:
        payload = {"market": MARKET, "session": order.order.session, "mtu": mtu, "price_neur_per_wh": 100_000}
        append_fact(tx, "mtu.cleared", payload | {"words": [f"0x{word.pack():064x}"]})


def later(town: Town, resident: Resident, *, mtu: int, side: Side, lots: int) -> SignedOrder:
    """An order for the later gate that no order of the first could meet."""
    session = sessions(town)[1]
    place = {"market": text_id(session.market), "session": session.session, "mtu": mtu}
    limit = 90_000 if side is Side.BID else 110_000
    return resident.order(**place, side=side, quantity_lots=lots, limit_neur_per_wh=limit)


def test_ask__of_what_the_first_market_sold_to_it__is_taken_once_that_is_decided(towns: Town) -> None:
    resident, mtu = towns.residents[0], towns.session.first_mtu
    bid = resident.order(mtu=mtu, quantity_lots=50)
    accepted(towns, bid)

    refused(towns, later(towns, resident, mtu=mtu, side=Side.ASK, lots=20), errors.BeyondSchedule)
    close(towns)
    refused(towns, later(towns, resident, mtu=mtu, side=Side.ASK, lots=20), errors.BeyondSchedule)
    decide(towns, mtu=mtu, order=bid, accepted_lots=30)

    accepted(towns, later(towns, resident, mtu=mtu, side=Side.ASK, lots=20))
    refused(towns, later(towns, resident, mtu=mtu, side=Side.ASK, lots=11), errors.BeyondSchedule)
    accepted(towns, later(towns, resident, mtu=mtu, side=Side.ASK, lots=10))


def test_ask__beyond_what_the_schedule_leaves_after_the_first_market__refused(towns: Town) -> None:
    resident, mtu = towns.residents[0], towns.session.first_mtu
    nominate(towns, resident, -1_000, session=sessions(towns)[0])
    ask = resident.order(mtu=mtu, side=Side.ASK, quantity_lots=60)
    accepted(towns, ask)

    refused(towns, later(towns, resident, mtu=mtu, side=Side.ASK, lots=41), errors.BeyondSchedule)
    close(towns)
    decide(towns, mtu=mtu, order=ask, accepted_lots=10)

    refused(towns, later(towns, resident, mtu=mtu, side=Side.ASK, lots=91), errors.BeyondSchedule)
    accepted(towns, later(towns, resident, mtu=mtu, side=Side.ASK, lots=90))


def test_bid__beyond_the_connection_over_both_markets__refused(towns: Town) -> None:
    resident, mtu = towns.residents[0], towns.session.first_mtu
    accepted(towns, resident.order(mtu=mtu, quantity_lots=300, limit_neur_per_wh=1_000))

    refused(towns, later(towns, resident, mtu=mtu, side=Side.BID, lots=126), errors.BeyondConnection)
    accepted(towns, later(towns, resident, mtu=mtu, side=Side.BID, lots=125))


def test_nomination__for_the_first_gate__covers_sales_of_the_later_one(towns: Town) -> None:
    resident, mtu = towns.residents[0], towns.session.first_mtu
    nominate(towns, resident, -500, session=sessions(towns)[0])
    close(towns)

    accepted(towns, later(towns, resident, mtu=mtu, side=Side.ASK, lots=50))
    less = resident.schedule(sessions(towns)[1], [-400] * towns.session.count)
    refused(towns, less, errors.BeyondSchedule)
    accepted(towns, resident.schedule(sessions(towns)[1], [-600] * towns.session.count))
    accepted(towns, later(towns, resident, mtu=mtu, side=Side.ASK, lots=10))


def test_intake__started_anew_between_the_gates__decides_alike(towns: Town) -> None:
    resident, mtu = towns.residents[0], towns.session.first_mtu
    bid = resident.order(mtu=mtu, quantity_lots=50)
    accepted(towns, bid)
    close(towns)
    towns.intake = towns.make_intake()
    refused(towns, later(towns, resident, mtu=mtu, side=Side.ASK, lots=1), errors.BeyondSchedule)
    decide(towns, mtu=mtu, order=bid, accepted_lots=30)

    towns.intake = towns.make_intake()

    refused(towns, later(towns, resident, mtu=mtu, side=Side.ASK, lots=31), errors.BeyondSchedule)
    accepted(towns, later(towns, resident, mtu=mtu, side=Side.ASK, lots=30))


def test_intake__started_anew_after_the_first_session_is_over__knows_what_it_sold_in_every_mtu(towns: Town) -> None:
    resident, first = towns.residents[0], sessions(towns)[0]
    mtus = [first.first_mtu, first.first_mtu + 1]
    nominate(towns, resident, -500, session=first)
    asks = [resident.order(mtu=mtu, side=Side.ASK, quantity_lots=50) for mtu in mtus]
    accepted(towns, *asks)
    close(towns)
    for mtu, ask in zip(mtus, asks, strict=True):
        decide(towns, mtu=mtu, order=ask, accepted_lots=30)
    with towns.record.begin() as tx:
        append_fact(tx, "session.done", {"market": MARKET, "session": first.session})

    towns.intake = towns.make_intake()

    for mtu in mtus:
        refused(towns, later(towns, resident, mtu=mtu, side=Side.ASK, lots=21), errors.BeyondSchedule)
        accepted(towns, later(towns, resident, mtu=mtu, side=Side.ASK, lots=20))


@pytest.mark.parametrize(("gate_local", "clear_seconds"), [("15:59", 10_800), ("08:30", 10_800), ("12:00", 10_800)])
def test_market__gate_too_near_another__refused(record: Record, gate_local: str, clear_seconds: int) -> None:
    Town(record, households=1)

    with record.begin() as tx, pytest.raises(GatesTooClose):
        changes = {"market": LATER, "gate_local": gate_local, "clear_seconds": clear_seconds}
        operations.define_market(tx, market=market(**changes))
