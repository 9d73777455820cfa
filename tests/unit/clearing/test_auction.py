"""The auction rule on hand-made books: one row per book, the expected result beside it."""

from __future__ import annotations

import numpy as np
import pytest

from clearing.auction import clear
from clearing.book import BadColumn, Book, BookNotSorted
from clearing.exact_check import check_clearing
from domain.units import MAX_LOTS, NO_CAP
from domain.words import OrderWord, Side

pytestmark = pytest.mark.unit


def book_of(*orders: tuple[str, int, int] | tuple[str, int, int, int]) -> Book:
    """A book of (side, limit, quantity[, cap]) with tags 1, 2, … in the order written."""
    return Book.from_words(
        OrderWord(
            tag=tag,
            side=Side.BID if order[0] == "bid" else Side.ASK,
            limit_neur_per_wh=order[1],
            quantity_lots=order[2],
            cap_lots=order[3] if len(order) == 4 else NO_CAP,
        )
        for tag, order in enumerate(orders, start=1)
    )


CASES = [
    ("empty", [], [], None),
    ("bids_only", [("bid", 10, 5)], [0], None),
    ("asks_only", [("ask", 10, 5)], [0], None),
    ("no_overlap", [("bid", 9, 5), ("ask", 10, 5)], [0, 0], None),
    ("full_match_splits_the_surplus", [("bid", 11, 5), ("ask", 10, 5)], [5, 5], 10),
    ("meeting_at_one_price", [("bid", 10, 5), ("ask", 10, 5)], [5, 5], 10),
    ("volume_at_zero_surplus", [("bid", 10, 5), ("bid", 12, 1), ("ask", 10, 4), ("ask", 10, 4)], [5, 1, 3, 3], 10),
    ("rationed_bids_set_the_price", [("bid", 20, 3), ("bid", 20, 5), ("ask", 5, 4)], [2, 2, 4], 20),
    ("rationed_asks_set_the_price", [("bid", 20, 3), ("ask", 5, 4), ("ask", 5, 4)], [3, 2, 1], 5),
    ("last_lots_by_tag", [("ask", 5, 1), ("ask", 5, 1), ("ask", 5, 1), ("bid", 5, 2)], [1, 1, 0, 2], 5),
    ("negative_prices_floor_down", [("bid", -4, 2), ("ask", -9, 2)], [2, 2], -7),
    ("next_bid_raises_the_price", [("bid", 20, 2), ("bid", 9, 2), ("ask", 5, 2)], [2, 0, 2], 14),
    ("next_ask_lowers_the_price", [("bid", 20, 2), ("ask", 5, 2), ("ask", 10, 2)], [2, 2, 0], 7),
    ("cap_limits_a_sale", [("bid", 20, 4), ("ask", 5, 4, 1), ("ask", 10, 4)], [4, 1, 3], 10),
    ("order_capped_to_zero_counts_nowhere", [("bid", 20, 4), ("ask", 5, 4, 0), ("ask", 10, 4)], [4, 0, 4], 15),
    ("pro_rata_uses_capped_quantities", [("bid", 9, 6), ("ask", 9, 10, 4), ("ask", 9, 8)], [6, 2, 4], 9),
    ("all_capped_to_zero", [("bid", 9, 6, 0), ("ask", 9, 10)], [0, 0], None),
]


@pytest.mark.parametrize(("orders", "accepted", "price"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_clear__written_book__gives_the_written_result(
    orders: list[tuple[str, int, int]], accepted: list[int], price: int | None
) -> None:
    book = book_of(*orders)

    result = clear(book)

    assert result.accepted_lots.tolist() == accepted
    assert result.price_neur_per_wh == price
    assert check_clearing(book, result) == []


def test_clear__limits_too_far_apart_for_a_table__same_rule() -> None:
    book = book_of(("bid", 2**31 - 1, 5), ("ask", -(2**31) + 1, 3))

    result = clear(book)

    assert result.price_neur_per_wh == 2**31 - 1
    assert result.accepted_lots.tolist() == [3, 3]


def test_clear__product_of_volume_and_quantity_beyond_64_bits__is_exact() -> None:
    most = MAX_LOTS
    size = 70_000
    tags = np.arange(2 * size, dtype=np.uint64)
    book = Book(
        tag_high=np.zeros(2 * size, dtype=np.uint64),
        tag_low=tags,
        is_ask=tags < size,
        limit_neur_per_wh=np.zeros(2 * size, dtype=np.int64),
        quantity_lots=np.where(tags < size, most, most - 7).astype(np.int64),
        cap_lots=np.full(2 * size, NO_CAP, dtype=np.int64),
    )

    result = clear(book)

    assert result.traded_lots == size * (most - 7)
    assert check_clearing(book, result) == []


def test_book__repeated_tag__is_refused_with_its_position() -> None:
    word = OrderWord(tag=7, side=Side.BID, limit_neur_per_wh=1, quantity_lots=1)

    with pytest.raises(BookNotSorted) as caught:
        Book.from_words([word, word])

    assert caught.value.position == 1


@pytest.mark.parametrize("quantity", [0, -1, MAX_LOTS + 1])
def test_book__quantity_outside_its_field__is_refused(quantity: int) -> None:
    with pytest.raises(BadColumn):
        book_of(("bid", 1, quantity))


def test_words__round_trip__keeps_every_field() -> None:
    book = book_of(("bid", -5, 4), ("ask", 9, 3, 2))

    words = book.words([1, 2])

    assert [word.accepted_lots for word in words] == [1, 2]
    assert [OrderWord.unpack(word.pack()) for word in words] == list(words)
    assert np.array_equal(Book.from_words(words).cap_lots, book.cap_lots)
