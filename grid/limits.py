"""The limits of a grid, element by element, and values held against them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from grid.model import MICRO, GridModel

LOADING_LIMIT_MICRO = MICRO
"""Branches may be loaded up to their thermal limit or rated power, not beyond."""


class ElementKind(StrEnum):
    """What a limit belongs to."""

    BUS = "bus"
    LINE = "line"
    TRANSFORMER = "transformer"
    GRID = "grid"


class Quantity(StrEnum):
    """What is limited."""

    UNDERVOLTAGE = "undervoltage"
    OVERVOLTAGE = "overvoltage"
    LOADING = "loading"
    NO_SOLUTION = "no_solution"
    """the power flow has no solution: of the whole grid, with neither value nor limit"""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of one element: `limit_micro` in 1e-6 pu of nominal voltage or 1e-6 of the rating."""

    kind: ElementKind
    code: str
    quantity: Quantity
    limit_micro: int

    @property
    def sign(self) -> int:
        """+1 where values must not rise above the limit, −1 where they must not fall below it."""
        return -1 if self.quantity is Quantity.UNDERVOLTAGE else 1


@dataclass(frozen=True, slots=True)
class LimitValue:
    """A limit and a value of what it limits, in the same unit (0 where there is no solution)."""

    limit: Limit
    value_micro: int

    @property
    def beyond_micro(self) -> int:
        """How far the value lies beyond its limit; negative within it."""
        return self.limit.sign * (self.value_micro - self.limit.limit_micro)

    def to_json(self) -> dict[str, str | int]:
        """As reports tell it."""
        return {
            "kind": self.limit.kind.value,
            "code": self.limit.code,
            "quantity": self.limit.quantity.value,
            "value_micro": self.value_micro,
            "limit_micro": self.limit.limit_micro,
        }


def bus_limits(grid: GridModel) -> Iterator[tuple[Limit, Limit]]:
    """The highest and the lowest voltage of each bus, in the model's order."""
    for bus in grid.buses:
        yield (
            Limit(ElementKind.BUS, bus.code, Quantity.OVERVOLTAGE, bus.highest_micro_pu),
            Limit(ElementKind.BUS, bus.code, Quantity.UNDERVOLTAGE, bus.lowest_micro_pu),
        )


def branch_limits(grid: GridModel) -> Iterator[Limit]:
    """The loading limit of each line, then of each transformer, in the model's order."""
    for line in grid.lines:
        yield Limit(ElementKind.LINE, line.code, Quantity.LOADING, LOADING_LIMIT_MICRO)
    for transformer in grid.transformers:
        yield Limit(ElementKind.TRANSFORMER, transformer.code, Quantity.LOADING, LOADING_LIMIT_MICRO)


def no_solution(grid: GridModel) -> LimitValue:
    """What is found where the power flow has no solution."""
    return LimitValue(Limit(ElementKind.GRID, grid.code, Quantity.NO_SOLUTION, 0), 0)
