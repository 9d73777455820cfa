"""Volume and welfare against two published implementations that share nothing with ours.

pymarket (Kiedanski et al., "PyMarket", JOSS 2019) gives the crossing of the curves; it misses the crossing where a bid
and an ask stand exactly on it, and knows no negative prices. Volume depends only on which bid meets which ask, so books
with ties and negative prices are given to it with their limits moved: asks to even numbers above zero, bids one higher.
scipy's linear programming gives the greatest welfare with one variable per order, on any book.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pymarket
import pytest
from pymarket.bids.demand_curves import demand_curve_from_bids, intersect_stepwise, supply_curve_from_bids
from scipy.optimize import linprog

from clearing.auction import clear
from clearing.book import Book
from domain.units import NO_CAP

pytestmark = pytest.mark.property


def random_book(seed: int, *, size: int, parted: bool) -> Book:
    """A book of up to `size` orders; `parted`: no bid has the price of an ask."""
    random = np.random.default_rng(seed)
    count = int(random.integers(2, size))
    is_ask = random.random(count) < 0.5
    limits = random.integers(1, 60, count) * 2 if parted else random.integers(-40, 40, count)
    quantities = random.integers(1, 500, count)
    return Book(
        tag_high=np.zeros(count, dtype=np.uint64),
        tag_low=np.arange(count, dtype=np.uint64),
        is_ask=is_ask,
        limit_neur_per_wh=np.where(is_ask | (not parted), limits, limits + 1),
        quantity_lots=quantities,
        cap_lots=np.where(random.random(count) < 0.2, quantities // 2, NO_CAP),
    )


def moved(book: Book) -> Book:
    """The same book for a peer without ties and negative prices: a bid meets an ask where it did before."""
    raised = (book.limit_neur_per_wh - book.limit_neur_per_wh.min() + 1) * 2
    return replace(book, limit_neur_per_wh=np.where(book.is_ask, raised, raised + 1))


def pymarket_volume(book: Book) -> int:
    """Lots at which pymarket's demand and supply curves cross; 0 where they don't."""
    bids = pymarket.BidManager()
    for user, (lots, limit, is_ask) in enumerate(
        zip(book.effective_lots.tolist(), book.limit_neur_per_wh.tolist(), book.is_ask.tolist(), strict=True)
    ):
        if lots > 0:
            bids.add_bid(lots, limit, user, buying=not is_ask)
    table = bids.get_df()
    if table.empty or table.buying.nunique() < 2:
        return 0
    volume = intersect_stepwise(demand_curve_from_bids(table)[0], supply_curve_from_bids(table)[0])[0]
    return 0 if volume is None else round(volume)


@pytest.mark.parametrize("seed", range(60))
def test_clear__random_book__volume_equals_pymarket(seed: int) -> None:
    book = random_book(seed, size=60, parted=True)

    assert clear(book).traded_lots == pymarket_volume(book)


@pytest.mark.parametrize("seed", range(60))
def test_clear__random_book_with_ties_and_negative_prices__volume_equals_pymarket(seed: int) -> None:
    book = random_book(seed, size=60, parted=False)

    assert clear(book).traded_lots == pymarket_volume(moved(book))


@pytest.mark.parametrize("seed", range(60))
def test_clear__random_book_with_ties__welfare_and_volume_equal_linprog(seed: int) -> None:
    book = random_book(seed, size=60, parted=False)
    limits = book.limit_neur_per_wh.astype(np.float64)
    # half a nEUR/Wh for each lot bought: greatest volume among the greatest welfare
    costs = np.where(book.is_ask, limits, -limits - 0.5)
    balance = np.where(book.is_ask, -1.0, 1.0)[None, :]
    bounds = [(0, lots) for lots in book.effective_lots.tolist()]
    solution = linprog(costs, A_eq=balance, b_eq=[0.0], bounds=bounds, method="highs")

    result = clear(book)

    bought = float(solution.x[~book.is_ask].sum())
    assert result.traded_lots == round(bought)
    signs = np.where(book.is_ask, -1, 1)
    welfare = int((book.limit_neur_per_wh * signs * result.accepted_lots).sum())
    assert welfare == round(-solution.fun - bought / 2)
