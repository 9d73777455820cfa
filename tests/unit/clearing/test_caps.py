"""How an envelope becomes the cap fields of a point's orders."""

from __future__ import annotations

import numpy as np
import pytest

from clearing.book import Book
from clearing.caps import NO_POINT, apply_caps
from domain.units import NO_CAP
from domain.words import OrderWord, Side
from grid.envelope import Envelope

pytestmark = pytest.mark.unit


def capped(orders: list[tuple[Side, int, int, int]], envelopes: dict[int, Envelope], lot_wh: int = 10) -> list[int]:
    book = Book.from_words(
        OrderWord(tag=tag, side=side, limit_neur_per_wh=limit, quantity_lots=lots)
        for tag, (side, limit, lots, _) in enumerate(orders)
    )
    points = np.array([point for _, _, _, point in orders], dtype=np.int64)
    caps: list[int] = apply_caps(book, points=points, envelopes=envelopes, lot_wh=lot_wh).cap_lots.tolist()
    return caps


def test_apply_caps__export_cap__best_ask_first_then_tag() -> None:
    orders = [(Side.ASK, 9, 5, 0), (Side.ASK, 7, 5, 0), (Side.ASK, 9, 5, 0)]

    assert capped(orders, {0: Envelope(export_wh=120)}) == [5, 5, 2]


def test_apply_caps__import_cap__best_bid_first() -> None:
    orders = [(Side.BID, 7, 5, 0), (Side.BID, 9, 5, 0)]

    assert capped(orders, {0: Envelope(import_wh=60)}) == [1, 5]


def test_apply_caps__sides__are_never_netted() -> None:
    orders = [(Side.BID, 9, 5, 0), (Side.ASK, 7, 5, 0)]

    assert capped(orders, {0: Envelope(export_wh=0)}) == [NO_CAP, 0]


def test_apply_caps__part_lot__is_rounded_down() -> None:
    assert capped([(Side.ASK, 7, 5, 0)], {0: Envelope(export_wh=19)}) == [1]


def test_apply_caps__other_points_and_the_transformer__keep_no_cap() -> None:
    orders = [(Side.ASK, 7, 5, 1), (Side.ASK, 7, 5, NO_POINT)]

    assert capped(orders, {0: Envelope(export_wh=0, import_wh=0)}) == [NO_CAP, NO_CAP]


def test_envelope__within_another__takes_the_tighter_per_direction() -> None:
    assert Envelope(import_wh=5).within(Envelope(import_wh=7, export_wh=3)) == Envelope(import_wh=5, export_wh=3)
