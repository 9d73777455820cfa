"""Exact check of a proposed clearing, whoever proposed it: what the contract checks, and the shares among ties.

It shares no step with `clearing.auction`: it looks at the allocation order by order, as the contract does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from clearing.book import Book, Clearing, Ints


class Rule(StrEnum):
    """A rule of the market that a proposed clearing can break, in the order in which they are looked at."""

    LENGTH = "length"
    """one accepted quantity per order"""
    ACCEPTED = "accepted"
    """0 <= accepted <= min(quantity, cap)"""
    BALANCE = "balance"
    """lots bought = lots sold = the volume stated"""
    OPTIMUM = "optimum"
    """no unfilled bid meets an unfilled ask, and no one is served before a better order: lo <= hi"""
    PRICE = "price"
    """the price of the rule; none without a trade"""
    LIMIT = "limit"
    """nobody trades beyond their limit"""
    SHARES = "shares"
    """better orders in full, ties pro rata, last lots in ascending tag"""


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """One broken rule: `position` of the order concerned in the book (None where it is the whole book), what was
    expected and what was found."""

    rule: Rule
    position: int | None
    expected: str
    found: str


def check_clearing(book: Book, proposed: Clearing) -> list[BrokenRule]:
    """All broken rules of a proposed clearing of a book; an empty list means it is the one correct result."""
    accepted = proposed.accepted_lots
    if len(accepted) != len(book):
        return [BrokenRule(Rule.LENGTH, None, str(len(book)), str(len(accepted)))]
    broken = _check_quantities(book, proposed)
    if broken:
        return broken
    broken = _check_optimum(book, proposed)
    return broken or _check_shares(book, accepted)


def _check_quantities(book: Book, proposed: Clearing) -> list[BrokenRule]:
    accepted, effective = proposed.accepted_lots, np.minimum(book.quantity_lots, book.cap_lots)
    broken = [
        BrokenRule(Rule.ACCEPTED, position, f"0..{effective[position]}", str(accepted[position]))
        for position in np.flatnonzero((accepted < 0) | (accepted > effective)).tolist()
    ]
    sold, bought = int(accepted[book.is_ask].sum()), int(accepted[~book.is_ask].sum())
    if not sold == bought == proposed.traded_lots:
        broken.append(BrokenRule(Rule.BALANCE, None, f"volume {proposed.traded_lots}", f"{bought} bought, {sold} sold"))
    return broken


def _extreme(limits: Ints, *, highest: bool) -> int | None:
    if len(limits) == 0:
        return None
    return int(limits.max() if highest else limits.min())


def _check_optimum(book: Book, proposed: Clearing) -> list[BrokenRule]:
    """B*, A*, a and b of the protocol, and what must hold between them."""
    limits, asks, accepted = book.limit_neur_per_wh, book.is_ask, proposed.accepted_lots
    unfilled, served = accepted < np.minimum(book.quantity_lots, book.cap_lots), accepted > 0
    best_bid = _extreme(limits[~asks & unfilled], highest=True)
    best_ask = _extreme(limits[asks & unfilled], highest=False)
    if best_bid is not None and best_ask is not None and best_bid >= best_ask:
        return [BrokenRule(Rule.OPTIMUM, None, "unfilled bid below unfilled ask", f"bid {best_bid}, ask {best_ask}")]
    price = proposed.price_neur_per_wh
    if proposed.traded_lots == 0:
        return [] if price is None else [BrokenRule(Rule.PRICE, None, "no price without a trade", str(price))]
    last_ask = _extreme(limits[asks & served], highest=True)
    last_bid = _extreme(limits[~asks & served], highest=False)
    lowest = max(limit for limit in (last_ask, best_bid) if limit is not None)
    highest = min(limit for limit in (last_bid, best_ask) if limit is not None)
    if lowest > highest:
        return [BrokenRule(Rule.OPTIMUM, None, "lo <= hi", f"lo {lowest}, hi {highest}")]
    expected = lowest + (highest - lowest) // 2
    if price != expected:
        return [BrokenRule(Rule.PRICE, None, str(expected), str(price))]
    beyond = served & np.where(asks, limits > expected, limits < expected)
    return [
        BrokenRule(Rule.LIMIT, position, str(int(limits[position])), str(expected))
        for position in np.flatnonzero(beyond).tolist()
    ]


def _check_shares(book: Book, accepted: Ints) -> list[BrokenRule]:
    broken = []
    effective = np.minimum(book.quantity_lots, book.cap_lots)
    for side, worst in ((book.is_ask, max), (~book.is_ask, min)):
        served = np.flatnonzero(side & (accepted > 0))
        if len(served) == 0:
            continue
        last = worst(book.limit_neur_per_wh[served].tolist())
        tied = np.flatnonzero(side & (book.limit_neur_per_wh == last) & (effective > 0)).tolist()
        total, volume = int(effective[tied].sum()), int(accepted[tied].sum())
        expected = [volume * int(lots) // total for lots in effective[tied]]
        for rank in range(volume - sum(expected)):
            expected[rank] += 1
        broken += [
            BrokenRule(Rule.SHARES, position, str(share), str(int(accepted[position])))
            for position, share in zip(tied, expected, strict=True)
            if share != accepted[position]
        ]
    return broken
