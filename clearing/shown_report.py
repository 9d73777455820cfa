"""The power-flow report of a program as the DSO is shown it, read strictly: its hash is that of what was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from domain.hashing import hash_json
from domain.members import EnergyWh, Hash, LotWh, MeteredWh, Mtu, Natural, Uint32, noun_json
from grid.limits import ElementKind, Quantity

Name = Annotated[str, Field(pattern=r"^\P{C}*$")]
"""The code of an element of the grid: a screen shows it, so it holds no control characters."""


@dataclass(frozen=True, slots=True)
class ShownLimit:
    """A limit of an element and the value it had, in 1e-6 pu of nominal voltage or 1e-6 of the rating."""

    kind: ElementKind
    code: Name
    quantity: Quantity
    value_micro: EnergyWh
    limit_micro: EnergyWh


@dataclass(frozen=True, slots=True)
class ShownFallback:
    """An MTU in which the solver failed, and why."""

    mtu: Mtu
    reason: str


@dataclass(frozen=True, slots=True)
class ShownGridState:
    """The grid in one MTU after all caps: loading in 1/1000 of the rating, voltages in 1e-6 pu, energies in Wh."""

    mtu: Mtu
    loading_permille: Natural
    loading_element: Name
    voltage_lowest_micro_pu: Natural
    voltage_lowest_bus: Name
    voltage_highest_micro_pu: Natural
    voltage_highest_bus: Name
    rounds: Natural
    given_up: bool
    findings_count: Natural
    findings: tuple[ShownLimit, ...]
    binding: tuple[ShownLimit, ...]
    capped_points: Natural
    capped_import_wh: MeteredWh
    capped_export_wh: MeteredWh


@dataclass(frozen=True, slots=True)
class ShownReport:
    """All that a report says, as `grid.report` writes it; hashes are of what stands beside it in the program."""

    format: Literal["dominoes-report/2"]
    grid: Name
    grid_model_hash: Hash
    schedules_hash: Hash
    earlier_hash: Hash
    policy_hash: Hash | None
    first_mtu: Mtu
    count: Uint32
    envelopes_hash: Hash
    lot_wh: LotWh
    rounds_max: Natural
    fallbacks: tuple[ShownFallback, ...]
    mtus: tuple[ShownGridState, ...]

    def as_json(self) -> dict[str, Any]:
        """The JSON object whose hash is signed."""
        return noun_json(self)

    def hash(self) -> bytes:
        """keccak of its canonical JSON."""
        return hash_json(self.as_json())
