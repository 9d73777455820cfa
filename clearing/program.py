"""What the validation of a program is given and what it gives: books with their points, results, envelopes, report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from clearing.book import Book, Ints
from domain.hashing import hash_json
from domain.units import NeurPerWh
from domain.words import OrderWord
from grid.envelope import Envelope
from grid.model import GridModel
from grid.report import EnvelopesByPoint, PowerFlowReport, SolverFallback, envelopes_json


@dataclass(frozen=True, slots=True, eq=False)
class MtuBook:
    """A book with the point index of each order (`points`, in the book's order); NO_POINT stands outside the grid."""

    book: Book
    points: Ints

    @classmethod
    def from_orders(cls, orders: Iterable[tuple[OrderWord, int]]) -> MtuBook:
        """From (word, point index) pairs in any order. Raises BookNotSorted where a tag repeats."""
        ordered = sorted(orders, key=lambda order: order[0].tag)
        points = np.array([point for _, point in ordered], dtype=np.int64)
        return cls(Book.from_words(word for word, _ in ordered), points)


@dataclass(frozen=True, slots=True)
class ValidatedMtu:
    """Result of one MTU: complete words, price (None without a trade), lots traded. `given_up`: empty by validation.

    `rounds`: clearings it took. `envelopes` by point index.
    """

    mtu: int
    words: tuple[OrderWord, ...]
    price_neur_per_wh: NeurPerWh | None
    traded_lots: int
    given_up: bool
    rounds: int
    envelopes: Mapping[int, Envelope]


@dataclass(frozen=True)
class ValidatedProgram:
    """A validated program: results in MTU order, and the power-flow report that the DSO signs."""

    results: tuple[ValidatedMtu, ...]
    power_flow_report: PowerFlowReport

    @property
    def grid(self) -> GridModel:
        """The grid it was validated on."""
        return self.power_flow_report.power_flow.grid

    @property
    def envelopes(self) -> EnvelopesByPoint:
        """The caps, of points and MTUs that have any."""
        return self.power_flow_report.envelopes

    @property
    def fallbacks(self) -> tuple[SolverFallback, ...]:
        """MTUs in which the solver failed: the numeric path cleared instead, with the same result, or what all may keep
        was shared out by AC power flow."""
        return tuple(self.power_flow_report.fallbacks)

    @cached_property
    def report(self) -> Mapping[str, Any]:
        """The report as the JSON object that is published."""
        return self.power_flow_report.to_json()

    @cached_property
    def report_hash(self) -> bytes:
        """What the DSO signs of the report: keccak of its canonical JSON."""
        return hash_json(self.report)

    def envelopes_json(self) -> list[dict[str, Any]]:
        """Envelopes as journalled, by MTU then point index: null where a direction is not limited."""
        return envelopes_json(self.grid, self.envelopes)
