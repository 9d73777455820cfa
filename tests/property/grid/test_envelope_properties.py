"""Whatever is scheduled on a street that is clean without flow: caps keep within schedules, AC power flow is clean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.book import Book, Clearing
from clearing.caps import NO_POINT, apply_caps
from clearing.exact_check import check_clearing
from clearing.program import MtuBook
from clearing.validation import validate_program
from domain.words import OrderWord, Side
from grid.envelope import Envelope
from grid.model import Bus, GridModel, Line, Point, Transformer
from grid.powerflow import PowerFlow
from tests.effort import examples

pytestmark = pytest.mark.property

LOT_WH = 10
POINTS = 5
STREET = GridModel(
    code="street",
    source_bus="mv",
    source_micro_pu=1_025_000,
    buses=(Bus("mv", 20_000), Bus("a", 400), Bus("b", 400), Bus("c", 400)),
    lines=(
        Line("ab", "a", "b", 100_000_000, 40_000_000, 100_000, 80_000),
        Line("ac", "a", "c", 300_000_000, 120_000_000, 200_000, 140_000),
    ),
    transformers=(Transformer("trafo", "mv", "a", 20_000, 400, 60_000, 60_000, 700_000, 3_000, 200_000, 5),),
    points=tuple(Point(f"P{n}", bus, 40_000, 80_000) for n, bus in enumerate(("a", "b", "b", "c", "c"))),
)
POWER_FLOW = PowerFlow(STREET)

schedules = st.lists(st.integers(-12_000, 6_000) | st.integers(-90_000, 30_000), min_size=POINTS, max_size=POINTS)
"""Up to what the street's connections allow, and far beyond what has a power-flow solution."""
orders = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(-50, 50), st.integers(1, 900), st.integers(NO_POINT, POINTS - 1)),
    max_size=12,
)


@given(schedules, orders)
@settings(max_examples=examples(60), deadline=None)
def test_validate_program__any_schedule__clean_within_caps_and_never_given_up(
    scheduled: list[int], drawn: list[tuple[Side, int, int, int]]
) -> None:
    book = MtuBook.from_orders(
        (OrderWord(tag=tag, side=side, limit_neur_per_wh=limit, quantity_lots=lots), point)
        for tag, (side, limit, lots, point) in enumerate(drawn)
    )

    result = validate_program(
        books=[book],
        schedules_wh=np.array(scheduled)[:, None],
        first_mtu=0,
        lot_wh=LOT_WH,
        power_flow=POWER_FLOW,
    )

    (mtu,) = result.results
    assert not mtu.given_up
    capped = apply_caps(book.book, points=book.points, envelopes=mtu.envelopes, lot_wh=LOT_WH)
    accepted = np.array([word.accepted_lots for word in mtu.words], dtype=np.int64)
    assert np.array_equal(capped.cap_lots, Book.from_words(mtu.words).cap_lots)
    assert check_clearing(capped, Clearing(accepted, mtu.price_neur_per_wh, mtu.traded_lots)) == []
    sold_wh = np.zeros(POINTS, dtype=np.int64)
    for lots, point, is_ask in zip(accepted, book.points, capped.is_ask, strict=True):
        if is_ask and point != NO_POINT:
            sold_wh[point] += lots * LOT_WH
    flows = []
    for point, net in enumerate(scheduled):
        envelope = mtu.envelopes.get(point, Envelope())
        flow = min(net, -int(sold_wh[point])) if sold_wh[point] else net
        flow = flow if envelope.import_wh is None else min(flow, envelope.import_wh)
        flows.append(flow if envelope.export_wh is None else max(flow, -envelope.export_wh))
    assert POWER_FLOW.broken_limits(POWER_FLOW.run(np.array([flows]))) == {}
