"""The uniform-price double auction of one MTU, on integer columns (docs/protocol.md section 3).

Welfare is maximal first, volume second. Orders are summed to price levels, so the cost beyond one pass over the columns
is that of the levels; every step is exact and independent of the order in which orders came.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clearing.book import Book, Clearing, Ints
from domain.units import NeurPerWh

TIES_RULE = 1
"""Version of the rule that shares lots among ties and sets the price (docs/protocol.md section 3); programs name it."""

DENSE_LEVELS_PER_ORDER = 4
"""Limits are counted in a table of every tick between the extremes while it stays this many times the orders or less;
beyond that they are sorted. Both give the same levels."""

DENSE_LEVELS_FLOOR = 65_536
"""A table up to this size is always cheaper than sorting."""

_INT64_HIGHEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Levels:
    """Lots asked and bid per limit, limits ascending; only limits with a tradable order."""

    limit_neur_per_wh: Ints
    bid_lots: Ints
    ask_lots: Ints


@dataclass(frozen=True, slots=True)
class Margin:
    """Where one side of the book ends at a given volume.

    `last` is the worst accepted limit, `next` the best limit not accepted in full (None where there is none), and
    `left_lots` what is left of the volume for the orders at `last`.
    """

    last: int
    next: int | None
    left_lots: int


def levels_of(book: Book) -> Levels:
    """Sum the tradable lots of a book per limit; an order with an effective quantity of zero counts nowhere."""
    effective = book.effective_lots
    limits = book.limit_neur_per_wh
    if not effective.all():
        kept = effective > 0
        effective, limits, is_ask = effective[kept], limits[kept], book.is_ask[kept]
    else:
        is_ask = book.is_ask
    if len(limits) == 0:
        empty = np.zeros(0, dtype=np.int64)
        return Levels(empty, empty, empty)
    lowest, highest = int(limits.min()), int(limits.max())
    if highest - lowest <= max(DENSE_LEVELS_FLOOR, DENSE_LEVELS_PER_ORDER * len(limits)):
        position, size = limits - lowest, highest - lowest + 1
        present = None
    else:
        present, position = np.unique(limits, return_inverse=True)
        size = len(present)
    # float64 sums are exact here: whole numbers below 2^24, and fewer than 2^29 of them
    asks = np.bincount(position[is_ask], weights=effective[is_ask], minlength=size).astype(np.int64)
    bids = np.bincount(position, weights=effective, minlength=size).astype(np.int64) - asks
    if present is None:
        used = np.flatnonzero(asks + bids)
        return Levels(used + lowest, bids[used], asks[used])
    return Levels(present, bids, asks)


def volume_lots(levels: Levels) -> int:
    """The greatest volume among the allocations of greatest welfare: the crossing of the two curves."""
    if len(levels.limit_neur_per_wh) == 0:
        return 0
    supply = np.cumsum(levels.ask_lots)
    demand = np.cumsum(levels.bid_lots[::-1])[::-1]
    return int(np.minimum(supply, demand).max())


def margins(levels: Levels, volume: int) -> tuple[Margin, Margin]:
    """The bid side's and the ask side's margin at a volume above zero."""
    ascending = levels.limit_neur_per_wh
    return (
        _margin(limits=ascending[::-1], lots=levels.bid_lots[::-1], volume=volume),
        _margin(limits=ascending, lots=levels.ask_lots, volume=volume),
    )


def _margin(*, limits: Ints, lots: Ints, volume: int) -> Margin:
    """Walk one side best limit first until the volume is reached."""
    total = np.cumsum(lots)
    at = int(np.searchsorted(total, volume))
    left = volume - int(total[at]) + int(lots[at])
    unfilled = int(np.searchsorted(total, volume, side="right"))
    return Margin(
        last=int(limits[at]),
        next=int(limits[unfilled]) if unfilled < len(limits) else None,
        left_lots=left,
    )


def uniform_price(*, bids: Margin, asks: Margin) -> NeurPerWh:
    """lo + floor((hi - lo) / 2), lo = max(last ask, next bid), hi = min(last bid, next ask), in nEUR/Wh."""
    lowest = asks.last if bids.next is None else max(asks.last, bids.next)
    highest = bids.last if asks.next is None else min(bids.last, asks.next)
    return NeurPerWh(lowest + (highest - lowest) // 2)


def shares(*, effective_lots: Ints, left_lots: int) -> Ints:
    """Share lots pro rata by effective quantity, floors first, the rest one each in the order given (ascending tag).

    `left_lots` is at most the sum of `effective_lots`, each of which is above zero; so one more lot never exceeds one.
    """
    total = int(effective_lots.sum())
    if left_lots == total:
        return effective_lots
    if left_lots * int(effective_lots.max()) <= _INT64_HIGHEST:
        floors = effective_lots * left_lots // total
    else:
        exact = [lots * left_lots // total for lots in effective_lots.tolist()]
        floors = np.array(exact, dtype=np.int64)
    floors[: left_lots - int(floors.sum())] += 1
    return floors


def clear(book: Book) -> Clearing:
    """Clear one book: accepted lots per order, price and volume, the same bytes for the same set of orders."""
    levels = levels_of(book)
    volume = volume_lots(levels)
    if volume == 0:
        return Clearing(np.zeros(len(book), dtype=np.int64), None, 0)
    bids, asks = margins(levels, volume)
    return allocate(book, bids=bids, asks=asks, volume=volume)


def allocate(book: Book, *, bids: Margin, asks: Margin, volume: int) -> Clearing:
    """Split a volume over the orders: better than the margin in full, at the margin pro rata, beyond it nothing."""
    limits, effective = book.limit_neur_per_wh, book.effective_lots
    better = np.where(book.is_ask, limits < asks.last, limits > bids.last)
    accepted = np.where(better, effective, 0)
    for side, margin in ((book.is_ask, asks), (~book.is_ask, bids)):
        at_margin = np.flatnonzero(side & (limits == margin.last) & (effective > 0))
        accepted[at_margin] = shares(effective_lots=effective[at_margin], left_lots=margin.left_lots)
    return Clearing(accepted, uniform_price(bids=bids, asks=asks), volume)
