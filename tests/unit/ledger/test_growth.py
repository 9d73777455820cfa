"""What a gate costs intake's memory is what it closes, however many sessions are open beside it."""

from __future__ import annotations

from typing import Any

import pytest

from domain.facts import MarketDefined
from domain.hashing import to_hex
from domain.orders import Order
from domain.words import Side
from ledger_service.record import Entry
from ledger_service.trading import positions, state
from ledger_service.trading.state import TradingState
from tests.counting import instructions
from tests.integration.ledger.town import AREA, MARKET, market
from tests.journal import fact_of

pytestmark = pytest.mark.unit

MTUS_PER_SESSION, ORDERS_PER_SESSION = 4, 8


def entry(fact: Any) -> Entry:
    """A fact as the journal holds it, as far as intake's memory looks."""
    found = Entry(sequence=1, kind=fact.KIND, text="", salt=b"", payload_hash=b"", previous=b"", hash=b"")
    found.__dict__["fact"] = fact
    return found


def opened(sessions: int) -> TradingState:
    """So many sessions side by side, each with orders and a nomination."""
    known = TradingState()
    known.apply(entry(MarketDefined(market())))
    for gate in range(1, sessions + 1):
        first = gate * MTUS_PER_SESSION
        place = {"market": MARKET, "session": gate, "first_mtu": first}
        known.apply(entry(fact_of("session.opened", place | {"area": AREA, "count": MTUS_PER_SESSION})))
        known.apply(entry(fact_of("schedule.nominated", place | {"point": "P", "net_wh": [0] * MTUS_PER_SESSION})))
        for at in range(ORDERS_PER_SESSION):
            name = (gate * ORDERS_PER_SESSION + at).to_bytes(16, "big")
            mtu = first + at % MTUS_PER_SESSION
            order = Order(bytes(32), gate, mtu, Side.BID, 100, 1, name + bytes(4), name, 0, bytes(32))
            accepted = {"order": order.as_json(), "market": MARKET, "tag": to_hex(name)}
            known.apply(entry(fact_of("order.accepted", accepted)))
    return known


def closing(sessions: int) -> int:
    """The work of closing them all."""
    known = opened(sessions)
    closed = [entry(fact_of("book.closed", {"market": MARKET, "session": gate})) for gate in range(1, sessions + 1)]
    work = instructions(lambda: [known.apply(one) for one in closed], state, positions)
    assert not known.orders and not known.areas[AREA].mtus and not known.areas[AREA].schedules
    return work


def test_close__eight_times_the_sessions__eight_times_the_work() -> None:
    few, many = closing(5), closing(40)

    assert 7 * few < many < 9 * few
