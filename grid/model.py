"""A grid area as data, in whole numbers so that its hash is well defined.

Power-flow parameters are scaled integers: the last place kept (nΩ, pF, mA, 1e-6) moves no voltage by 1e-7 pu.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from domain.errors import DominoesError
from domain.hashing import canonical_json, keccak

SCHEMA = "dominoes-grid-1"
"""Version of the JSON form; it is part of the hash."""

MICRO = 1_000_000
"""Per-unit values and ratios are stored in millionths."""

NANO = 1_000_000_000
"""Impedances are stored in billionths of an ohm."""

VOLTAGE_LOWEST_MICRO = 900_000
VOLTAGE_HIGHEST_MICRO = 1_100_000
"""Voltage band where a bus states none: ±10 % of nominal (EN 50160)."""

IMPORT_TAN_PHI_PERMILLE = 329
"""Reactive over active power of what is drawn, in thousandths: cos φ = 0.95 inductive; what is fed in has cos φ = 1."""


class BadGrid(DominoesError):
    """A grid model names something that is not there, or names one thing twice."""

    code = "bad-grid"

    def __init__(self, *, element: str, reason: str) -> None:
        self.element, self.reason = element, reason
        super().__init__(f"grid element {element}: {reason}; correct the grid model before validating with it")


@dataclass(frozen=True, slots=True)
class Bus:
    """A node: nominal voltage in V (line to line), allowed band in 1e-6 pu."""

    code: str
    nominal_v: int
    lowest_micro_pu: int = VOLTAGE_LOWEST_MICRO
    highest_micro_pu: int = VOLTAGE_HIGHEST_MICRO


@dataclass(frozen=True, slots=True)
class Line:
    """A line: totals of resistance and reactance in nΩ, capacitance in pF, thermal limit in mA."""

    code: str
    from_bus: str
    to_bus: str
    resistance_nohm: int
    reactance_nohm: int
    capacitance_pf: int
    limit_ma: int
    from_closed: bool = True
    to_closed: bool = True


@dataclass(frozen=True, slots=True)
class Transformer:
    """A transformer: rated VA, short-circuit voltage in 1e-6 of nominal, losses in mW, tap at the upper side."""

    code: str
    upper_bus: str
    lower_bus: str
    upper_v: int
    lower_v: int
    rated_va: int
    short_circuit_micro: int
    copper_loss_mw: int
    no_load_micro: int
    iron_loss_mw: int
    clock: int
    tap_position: int = 0
    tap_size_v: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """A connection point: its bus, and the power agreed for import and export in W."""

    code: str
    bus: str
    import_w: int
    export_w: int


@dataclass(frozen=True, slots=True)
class GridModel:
    """One area's grid. The order of `points` is the point index used by books and schedules."""

    code: str
    source_bus: str
    source_micro_pu: int
    buses: tuple[Bus, ...]
    lines: tuple[Line, ...]
    transformers: tuple[Transformer, ...]
    points: tuple[Point, ...]
    import_tan_phi_permille: int = IMPORT_TAN_PHI_PERMILLE
    frequency_hz: int = 50
    point_index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        buses = _unique([bus.code for bus in self.buses])
        _unique([line.code for line in self.lines] + [trafo.code for trafo in self.transformers])
        ends = [(line.code, bus) for line in self.lines for bus in (line.from_bus, line.to_bus)]
        ends += [(trafo.code, bus) for trafo in self.transformers for bus in (trafo.upper_bus, trafo.lower_bus)]
        ends += [(point.code, point.bus) for point in self.points] + [("source", self.source_bus)]
        for element, bus in ends:
            if bus not in buses:
                raise BadGrid(element=element, reason=f"bus {bus} does not exist")
        object.__setattr__(self, "point_index", _unique([point.code for point in self.points]))

    def to_json(self) -> bytes:
        """Canonical JSON; the same model gives the same bytes."""
        body = asdict(self)
        del body["point_index"]
        return canonical_json({"schema": SCHEMA, **body})

    @classmethod
    def from_json(cls, text: bytes) -> GridModel:
        """Read canonical JSON. Raises BadGrid where it is not a grid model."""
        try:
            body: dict[str, Any] = json.loads(text)
            if body.pop("schema") != SCHEMA:
                raise BadGrid(element="schema", reason=f"is not {SCHEMA}")
            return cls(
                buses=tuple(Bus(**item) for item in body.pop("buses")),
                lines=tuple(Line(**item) for item in body.pop("lines")),
                transformers=tuple(Transformer(**item) for item in body.pop("transformers")),
                points=tuple(Point(**item) for item in body.pop("points")),
                **body,
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadGrid(element="JSON", reason=str(error)) from error

    @property
    def grid_model_hash(self) -> bytes:
        """What the DSO signs of the grid: keccak of the canonical JSON."""
        return keccak(self.to_json())


def _unique(codes: list[str]) -> dict[str, int]:
    index: dict[str, int] = {}
    for code in codes:
        if code in index:
            raise BadGrid(element=code, reason="is named twice")
        index[code] = len(index)
    return index
