"""A grid area as data, in whole numbers so that its hash is well defined.

Power-flow parameters are scaled integers: the last place kept (nΩ, pF, mA, 1e-6) moves no voltage by 1e-7 pu.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from domain.hashing import canonical_json, keccak
from grid.checks import BadGrid, check_least, check_most, check_types, read_element, unique

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

TAN_PHI_HIGHEST_PERMILLE = 10_000
"""More than ten times as much reactive as active power is no household."""

CLOCK_HIGHEST = 11
"""Vector groups are the hours of a clock."""

TAP_HIGHEST = 99
"""Tap positions further from the middle do not exist."""

CONNECTION_HIGHEST_W = 10**9
"""Largest connection power: a gigawatt, so that the energy of an MTU is an int32 of Wh."""


@dataclass(frozen=True, slots=True)
class Bus:
    """A node: nominal voltage in V (line to line), allowed band in 1e-6 pu."""

    code: str
    nominal_v: int
    lowest_micro_pu: int = VOLTAGE_LOWEST_MICRO
    highest_micro_pu: int = VOLTAGE_HIGHEST_MICRO

    def __post_init__(self) -> None:
        check_types(self)
        check_least(self, 1, "nominal_v", "lowest_micro_pu")
        check_least(self, self.lowest_micro_pu + 1, "highest_micro_pu")


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

    def __post_init__(self) -> None:
        check_types(self)
        check_least(self, 0, "resistance_nohm", "reactance_nohm", "capacitance_pf")
        check_least(self, 1, "limit_ma")
        if self.resistance_nohm == self.reactance_nohm == 0:
            raise BadGrid(element=self.code, reason="has no impedance; join its buses instead")
        if self.from_bus == self.to_bus:
            raise BadGrid(element=self.code, reason=f"both ends are at bus {self.from_bus}")


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

    def __post_init__(self) -> None:
        check_types(self)
        check_least(self, 1, "upper_v", "lower_v", "rated_va", "short_circuit_micro")
        check_least(self, 0, "copper_loss_mw", "no_load_micro", "iron_loss_mw", "clock", "tap_size_v")
        check_most(self, MICRO, "short_circuit_micro", "no_load_micro")
        check_most(self, CLOCK_HIGHEST, "clock")
        check_most(self, TAP_HIGHEST, "tap_position")
        if self.upper_bus == self.lower_bus:
            raise BadGrid(element=self.code, reason=f"both sides are at bus {self.upper_bus}")
        if self.upper_v + self.tap_position * self.tap_size_v <= 0:
            raise BadGrid(element=self.code, reason="its tap leaves no voltage at the upper side")
        # the copper loss is the part of the short-circuit voltage that is in phase: it can't be more than the whole
        if self.copper_loss_mw * 1_000 > self.short_circuit_micro * self.rated_va:
            raise BadGrid(element=self.code, reason="copper_loss_mw is more than short_circuit_micro allows")


@dataclass(frozen=True, slots=True)
class Point:
    """A connection point: its bus, and the power agreed for import and export in W."""

    code: str
    bus: str
    import_w: int
    export_w: int

    def __post_init__(self) -> None:
        check_types(self)
        check_least(self, 0, "import_w", "export_w")
        check_most(self, CONNECTION_HIGHEST_W, "import_w", "export_w")


@dataclass(frozen=True, slots=True)
class GridModel:
    """One area's grid. The order of `points` is the point index used by books and schedules.

    Raises BadGrid for a grid whose power flow could not be calculated: a name that is not there or there twice, a value
    no grid has, a bus that nothing connects to the source. What only the calculation itself can tell, PowerFlow does.
    """

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
        check_types(self)
        check_least(self, 1, "source_micro_pu", "frequency_hz")
        check_least(self, 0, "import_tan_phi_permille")
        check_most(self, TAN_PHI_HIGHEST_PERMILLE, "import_tan_phi_permille")
        self._check_names()
        self._check_voltages()
        self._check_connected()
        object.__setattr__(self, "point_index", unique(point.code for point in self.points))

    def _check_names(self) -> None:
        buses = unique(bus.code for bus in self.buses)
        if not self.lines and not self.transformers:
            raise BadGrid(element=self.code, reason="has neither a line nor a transformer")
        unique([line.code for line in self.lines] + [trafo.code for trafo in self.transformers])
        ends = [(line.code, bus) for line in self.lines for bus in (line.from_bus, line.to_bus)]
        ends += [(trafo.code, bus) for trafo in self.transformers for bus in (trafo.upper_bus, trafo.lower_bus)]
        ends += [(point.code, point.bus) for point in self.points] + [("source", self.source_bus)]
        for element, bus in ends:
            if bus not in buses:
                raise BadGrid(element=element, reason=f"bus {bus} does not exist")

    def _check_voltages(self) -> None:
        """A line has one nominal voltage: what changes it is a transformer."""
        nominal_v = {bus.code: bus.nominal_v for bus in self.buses}
        for line in self.lines:
            if nominal_v[line.from_bus] != nominal_v[line.to_bus]:
                raise BadGrid(element=line.code, reason="joins buses of different nominal voltage")

    def _check_connected(self) -> None:
        """Every bus has its voltage from the source, over closed lines and transformers."""
        neighbours: dict[str, list[str]] = {bus.code: [] for bus in self.buses}
        edges = [(line.from_bus, line.to_bus) for line in self.lines if line.from_closed and line.to_closed]
        edges += [(trafo.upper_bus, trafo.lower_bus) for trafo in self.transformers]
        for one, other in edges:
            neighbours[one].append(other)
            neighbours[other].append(one)
        reached, todo = {self.source_bus}, [self.source_bus]
        while todo:
            new = [bus for bus in neighbours[todo.pop()] if bus not in reached]
            reached.update(new)
            todo += new
        for bus in self.buses:
            if bus.code not in reached:
                raise BadGrid(element=bus.code, reason="nothing closed connects this bus to the source")

    def to_json(self) -> bytes:
        """Canonical JSON; the same model gives the same bytes."""
        body = asdict(self)
        del body["point_index"]
        return canonical_json({"schema": SCHEMA, **body})

    @classmethod
    def from_json(cls, text: bytes) -> GridModel:
        """Read the JSON form. Raises BadGrid where it is not a grid model."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadGrid(element="JSON", reason=str(error)) from error
        return cls.from_document(document)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> GridModel:
        """Read the JSON form as it was parsed. Raises BadGrid where it is not a grid model."""
        if not isinstance(document, Mapping):
            raise BadGrid(element="JSON", reason=f"is {document!r}, not a JSON object")
        body = dict(document)
        if body.pop("schema", None) != SCHEMA:
            raise BadGrid(element="schema", reason=f"is not {SCHEMA}")
        for member, kind in _LISTS.items():
            if not isinstance(items := body.get(member), list):
                raise BadGrid(element=member, reason=f"is {items!r}, not a list")
            body[member] = tuple(read_element(kind, item) for item in items)
        return read_element(cls, body)

    @property
    def grid_model_hash(self) -> bytes:
        """What the DSO signs of the grid: keccak of the canonical JSON."""
        return keccak(self.to_json())


_LISTS: dict[str, type[Bus | Line | Transformer | Point]] = {
    "buses": Bus,
    "lines": Line,
    "transformers": Transformer,
    "points": Point,
}
"""The members of the JSON form that are lists, and what they list."""
