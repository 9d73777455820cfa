"""The book of one MTU as columns, and the result of its clearing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.errors import DominoesError
from domain.units import MAX_LOTS, NO_CAP, NeurPerWh
from domain.words import OrderWord, Side

Ints = NDArray[np.int64]
Tags = NDArray[np.uint64]
_LOW_TAG = (1 << 64) - 1


class BookNotSorted(DominoesError):
    """Tags of a book do not ascend strictly."""

    code = "book-not-sorted"

    def __init__(self, *, position: int) -> None:
        self.position = position
        super().__init__(
            f"the order at position {position} has a tag not above the one before it; "
            "sort the book by tag and drop repeated orders"
        )


class BadColumn(DominoesError):
    """A column of a book has another length than the others, or a value outside its field."""

    code = "bad-book-column"

    def __init__(self, *, column: str, reason: str) -> None:
        self.column, self.reason = column, reason
        super().__init__(f"column {column} {reason}; correct it before clearing")


@dataclass(frozen=True, slots=True)
class Book:
    """Orders of one market and MTU, strictly ascending by tag (`tag_high`, `tag_low`: its two 64-bit halves).

    `is_ask` tells the side; `limit_neur_per_wh` int32 in nEUR/Wh; `quantity_lots` and `cap_lots` uint24 in lots, cap
    NO_CAP where no envelope limits the order. Raises BookNotSorted, BadColumn.
    """

    tag_high: Tags
    tag_low: Tags
    is_ask: NDArray[np.bool_]
    limit_neur_per_wh: Ints
    quantity_lots: Ints
    cap_lots: Ints

    def __post_init__(self) -> None:
        for name in ("tag_low", "is_ask", "limit_neur_per_wh", "quantity_lots", "cap_lots"):
            if len(getattr(self, name)) != len(self.tag_high):
                raise BadColumn(column=name, reason="is not as long as the tags")
        if len(self.tag_high) == 0:
            return
        _check_bounds("limit_neur_per_wh", self.limit_neur_per_wh, lowest=-(2**31) + 1, highest=2**31 - 1)
        _check_bounds("quantity_lots", self.quantity_lots, lowest=1, highest=MAX_LOTS)
        _check_bounds("cap_lots", self.cap_lots, lowest=0, highest=NO_CAP)
        high, low = self.tag_high, self.tag_low
        ascending = (high[1:] > high[:-1]) | ((high[1:] == high[:-1]) & (low[1:] > low[:-1]))
        if not ascending.all():
            raise BookNotSorted(position=int(np.argmin(ascending)) + 1)

    def __len__(self) -> int:
        return len(self.tag_high)

    @property
    def effective_lots(self) -> Ints:
        """What each order may trade: its quantity within its cap."""
        return np.minimum(self.quantity_lots, self.cap_lots)

    def tag(self, position: int) -> int:
        """The 128-bit tag of one order."""
        return int(self.tag_high[position]) << 64 | int(self.tag_low[position])

    def with_caps(self, cap_lots: Ints) -> Book:
        """The same orders under other caps."""
        return Book(self.tag_high, self.tag_low, self.is_ask, self.limit_neur_per_wh, self.quantity_lots, cap_lots)

    @classmethod
    def from_words(cls, words: Iterable[OrderWord]) -> Book:
        """A book of words in any order; accepted quantities are ignored. Raises BookNotSorted where a tag repeats."""
        ordered = sorted(words, key=lambda word: word.tag)
        return cls(
            tag_high=np.array([word.tag >> 64 for word in ordered], dtype=np.uint64),
            tag_low=np.array([word.tag & _LOW_TAG for word in ordered], dtype=np.uint64),
            is_ask=np.array([word.side == Side.ASK for word in ordered], dtype=np.bool_),
            limit_neur_per_wh=np.array([word.limit_neur_per_wh for word in ordered], dtype=np.int64),
            quantity_lots=np.array([word.quantity_lots for word in ordered], dtype=np.int64),
            cap_lots=np.array([word.cap_lots for word in ordered], dtype=np.int64),
        )

    def words(self, accepted_lots: Sequence[int] | Ints) -> tuple[OrderWord, ...]:
        """The complete words of this book under an allocation, ascending by tag."""
        return tuple(
            OrderWord(
                tag=self.tag(position),
                side=Side.ASK if ask else Side.BID,
                limit_neur_per_wh=limit,
                quantity_lots=quantity,
                cap_lots=cap,
                accepted_lots=int(accepted),
            )
            for position, (ask, limit, quantity, cap, accepted) in enumerate(
                zip(
                    self.is_ask.tolist(),
                    self.limit_neur_per_wh.tolist(),
                    self.quantity_lots.tolist(),
                    self.cap_lots.tolist(),
                    accepted_lots,
                    strict=True,
                )
            )
        )


def _check_bounds(column: str, values: Ints, *, lowest: int, highest: int) -> None:
    if values.dtype != np.int64:
        raise BadColumn(column=column, reason=f"has type {values.dtype}, not int64")
    if int(values.min()) < lowest or int(values.max()) > highest:
        raise BadColumn(column=column, reason=f"has a value outside [{lowest}, {highest}]")


@dataclass(frozen=True, slots=True, eq=False)
class Clearing:
    """What a book gives: lots accepted per order (in the book's order), the uniform price, the lots traded.

    `price_neur_per_wh` is None where nothing is traded: without a trade there is no price.
    """

    accepted_lots: Ints
    price_neur_per_wh: NeurPerWh | None
    traded_lots: int
