"""The numeric path, the model of record and a unit-by-unit reference agree on every book."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.auction import clear, levels_of
from clearing.book import Book
from clearing.exact_check import check_clearing
from clearing.model_of_record import SolverRefused, clear_by_model, solve_levels
from domain.units import NO_CAP
from domain.words import OrderWord, Side
from tests.clearings import same
from tests.effort import examples

pytestmark = pytest.mark.property

limits = st.one_of(st.integers(-4, 4), st.integers(-3_000, 3_000), st.integers(-(2**31) + 1, 2**31 - 1))
quantities = st.one_of(st.integers(1, 6), st.integers(1, 5_000))
caps = st.one_of(st.just(NO_CAP), st.integers(0, 6))
words = st.builds(
    OrderWord,
    tag=st.integers(0, 2**128 - 1),
    side=st.sampled_from(Side),
    limit_neur_per_wh=limits,
    quantity_lots=quantities,
    cap_lots=caps,
)
books = st.lists(words, max_size=24, unique_by=lambda word: word.tag)


def reference(orders: list[OrderWord]) -> tuple[int, int]:
    """(greatest welfare, greatest volume at it), lot by lot: the k best bids against the k best asks."""
    bids = sorted(w.limit_neur_per_wh for w in orders if w.side == Side.BID for _ in range(w.effective_lots))[::-1]
    asks = sorted(w.limit_neur_per_wh for w in orders if w.side == Side.ASK for _ in range(w.effective_lots))
    welfare = best = volume = 0
    for lots, (bid, ask) in enumerate(zip(bids, asks, strict=False), start=1):
        welfare += bid - ask
        if welfare >= best:
            best, volume = welfare, lots
    return best, volume


@given(books)
@settings(max_examples=examples(200), deadline=None)
def test_clear__any_book__equals_the_model_of_record_and_the_reference(orders: list[OrderWord]) -> None:
    book = Book.from_words(orders)

    result = clear(book)

    assert same(result, clear_by_model(book))
    assert check_clearing(book, result) == []
    welfare, volume = reference(orders)
    signs = np.where(book.is_ask, -1, 1)
    assert result.traded_lots == volume
    assert int((book.limit_neur_per_wh * signs * result.accepted_lots).sum()) == welfare


KEEN = [
    OrderWord(tag=2**128 - 1, side=Side.BID, limit_neur_per_wh=2**31 - 1, quantity_lots=3),
    OrderWord(tag=2**128 - 2, side=Side.ASK, limit_neur_per_wh=-(2**31) + 1, quantity_lots=3),
]
"""Two orders that always trade."""


@given(books, st.data())
@settings(max_examples=examples(100), deadline=None)
def test_clear_by_model__one_lot_moved_between_levels__is_refused(orders: list[OrderWord], data: st.DataObject) -> None:
    book = Book.from_words([word for word in orders if word.tag < KEEN[1].tag] + KEEN)
    proposal = solve_levels(levels_of(book))
    side = proposal[data.draw(st.integers(0, 1))]
    giver = data.draw(st.sampled_from([level for level, lots in enumerate(side) if lots >= 1]))
    taker = data.draw(st.sampled_from([level for level in range(len(side)) if level != giver]))
    side[giver] -= 1
    side[taker] += 1

    with pytest.raises(SolverRefused):
        clear_by_model(book, solve=lambda _: proposal)


@given(books, st.randoms(use_true_random=False))
@settings(max_examples=examples(50), deadline=None)
def test_clear__orders_come_in_another_order__same_words(orders: list[OrderWord], random: object) -> None:
    shuffled = list(orders)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    one, other = Book.from_words(orders), Book.from_words(shuffled)

    assert one.words(clear(one).accepted_lots) == other.words(clear(other).accepted_lots)


@pytest.mark.parametrize("spread", [3_001, 400_000_000])
def test_clear__hundred_thousand_orders__equals_the_model_of_record(spread: int) -> None:
    random = np.random.default_rng(spread)
    size = 100_000
    quantities_lots = random.integers(1, 2_000, size)
    # a wide spread on a coarse grid: many levels, few ties; a narrow one: many ties
    limit = random.integers(-spread // 2, spread // 2, size) // (spread // 3_000) * (spread // 3_000)
    book = Book(
        tag_high=np.zeros(size, dtype=np.uint64),
        tag_low=np.arange(size, dtype=np.uint64),
        is_ask=random.random(size) < 0.5,
        limit_neur_per_wh=limit,
        quantity_lots=quantities_lots,
        cap_lots=np.where(random.random(size) < 0.2, quantities_lots // 3, NO_CAP),
    )

    result = clear(book)

    assert result.traded_lots > 0
    assert check_clearing(book, result) == []
    assert same(result, clear_by_model(book))
