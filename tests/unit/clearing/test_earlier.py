"""A program that stands on what markets with earlier gates left: their trades and caps hold."""

from __future__ import annotations

import numpy as np
import pytest

from clearing.book import Book
from clearing.caps import apply_caps
from clearing.earlier import Earlier, earlier_by_mtu, earlier_hash
from clearing.program import MtuBook, ValidatedProgram
from clearing.validation import validate_program
from domain.facts.programs import EarlierPosition
from domain.hashing import to_hex
from domain.mtu import MtuRange
from domain.units import NO_CAP
from domain.words import OrderWord, Side
from grid.envelope import Envelope
from grid.model import GridModel
from grid.powerflow import PowerFlow

pytestmark = pytest.mark.unit

LOT_WH, FIRST_MTU = 10, 1_000


def word(tag: int, side: Side, limit: int, lots: int) -> OrderWord:
    return OrderWord(tag=tag, side=side, limit_neur_per_wh=limit, quantity_lots=lots)


def validate(
    grid: GridModel, schedule: list[int], earlier: Earlier, orders: list[tuple[OrderWord, int]] | None = None
) -> ValidatedProgram:
    return validate_program(
        books=[MtuBook.from_orders(orders or [])],
        schedules_wh=np.array([[net_wh] for net_wh in schedule], dtype=np.int64),
        power_flow=PowerFlow(grid),
        first_mtu=FIRST_MTU,
        lot_wh=LOT_WH,
        earlier=[earlier],
    )


def test_report__stands_on_earlier_positions__names_them_by_their_hash(street: GridModel) -> None:
    codes = [point.code for point in street.points]
    found = [
        EarlierPosition(codes[0], FIRST_MTU, -300, None, 500),
        EarlierPosition(codes[2], FIRST_MTU, 40, None, None),
    ]
    (earlier,) = earlier_by_mtu(found, points=codes, mtus=MtuRange(first=FIRST_MTU, count=1))

    report = validate(street, [0, 0, 0], earlier).report

    assert report["earlier_hash"] == to_hex(earlier_hash(found))
    assert report["earlier_hash"] != validate(street, [0, 0, 0], Earlier.none(3)).report["earlier_hash"]


@pytest.mark.parametrize(
    ("earlier_wh", "lots"),
    [(0, 12), (-70, 5), (-115, 0), (-200, 0), (30, 15)],
    ids=["nothing", "sold", "sold_all_but_half_a_lot", "sold_more", "bought"],
)
def test_apply_caps__traded_before__leaves_the_rest_of_the_export_cap(earlier_wh: int, lots: int) -> None:
    book = Book.from_words([word(1, Side.ASK, 7, 30)])

    capped = apply_caps(
        book,
        points=np.array([0]),
        envelopes={0: Envelope(export_wh=120)},
        lot_wh=LOT_WH,
        earlier_wh=np.array([earlier_wh]),
    )

    assert capped.cap_lots.tolist() == [lots]


def test_apply_caps__bought_before__leaves_the_rest_of_the_import_cap() -> None:
    book = Book.from_words([word(1, Side.BID, 7, 30)])

    capped = apply_caps(
        book,
        points=np.array([0]),
        envelopes={0: Envelope(import_wh=120)},
        lot_wh=LOT_WH,
        earlier_wh=np.array([50]),
    )

    assert capped.cap_lots.tolist() == [7]


def test_validate__sold_before__is_capped_after_all_others(street: GridModel) -> None:
    # 2 x 9 kWh are 72 kW on 50 kVA; point 0 sold all of it in a market that closed before
    sold = Earlier(np.array([-9_000, 0, 0]), {})

    result = validate(street, [-9_000, -9_000, 0], sold)

    assert list(result.envelopes) == [1]
    assert not result.results[0].given_up


def test_validate__sold_before_beyond_the_schedule__flows_all_the_same(street: GridModel) -> None:
    sold = Earlier(np.array([-9_000, -9_000, 0]), {})

    result = validate(street, [0, 0, 0], sold)

    assert result.report["mtus"][0]["rounds"] > 1


def test_validate__no_cap_below_what_was_sold__so_the_mtu_is_given_up(street: GridModel) -> None:
    sold = Earlier(np.array([-9_000, -9_000, 0]), {})

    result = validate(street, [-9_000, -9_000, 0], sold)

    assert result.results[0].given_up
    assert result.envelopes == {}


def test_validate__cap_of_an_earlier_gate__stays_in_force(street: GridModel) -> None:
    capped = Earlier(np.array([-100, 0, 0]), {0: Envelope(export_wh=250)})
    orders = [(word(1, Side.ASK, 80, 30), 0), (word(2, Side.BID, 120, 30), 1)]

    result = validate(street, [-400, 300, 0], capped, orders)

    assert result.envelopes == {0: {FIRST_MTU: Envelope(export_wh=250)}}
    assert [(one.accepted_lots, one.cap_lots) for one in result.results[0].words] == [(15, 15), (15, NO_CAP)]


def test_spared__envelope_below_a_position__is_lifted_to_it() -> None:
    earlier = Earlier(np.array([-300, 200]), {})

    assert earlier.spared(0, Envelope(import_wh=10, export_wh=100)) == Envelope(import_wh=10, export_wh=300)
    assert earlier.spared(1, Envelope(import_wh=10, export_wh=100)) == Envelope(import_wh=200, export_wh=100)


def test_earlier_by_mtu__positions_and_caps__at_their_points_and_mtus() -> None:
    found = [EarlierPosition("B", FIRST_MTU + 1, -30, None, 50), EarlierPosition("A", FIRST_MTU, 20, None, None)]

    first, second = earlier_by_mtu(found, points=["A", "B"], mtus=MtuRange(first=FIRST_MTU, count=2))

    assert (first.net_wh.tolist(), first.envelopes) == ([20, 0], {})
    assert (second.net_wh.tolist(), second.envelopes) == ([0, -30], {1: Envelope(export_wh=50)})
