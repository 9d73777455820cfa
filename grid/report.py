"""The power-flow report of a program: what the DSO signs beside the results. Whole numbers and text only.

It is public, so it names elements of the grid but no connection point; schedules and envelopes stand in it as hashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.hashing import keccak, to_hex
from domain.orders import envelopes_hash, schedule_hash
from grid.envelope import Envelope
from grid.limits import LimitValue
from grid.model import GridModel
from grid.powerflow import GridStates, PowerFlow

REPORT_FORMAT = "dominoes-report/2"
"""Version of the report's shape; part of what is signed."""

FINDINGS_LISTED = 10
"""Broken limits listed per MTU, the worst; `findings_count` says how many there were without caps."""

MICRO_PER_PERMILLE = 1_000

EnvelopesByPoint = Mapping[int, Mapping[int, Envelope]]
"""{point index: {mtu: Envelope}}, of points and MTUs that are limited."""


@dataclass(frozen=True, slots=True)
class MtuReport:
    """What the report says of one MTU beside the state of its grid.

    `findings`: the limits its schedules broke before any cap; `binding`: those at which its envelopes stand.
    """

    mtu: int
    rounds: int
    given_up: bool
    findings: Sequence[LimitValue]
    binding: Sequence[LimitValue]
    envelopes: Mapping[int, Envelope]
    scheduled_wh: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SolverFallback:
    """An MTU in which the solver failed, and why: another way decided, with the same rules."""

    mtu: int
    reason: str


@dataclass(frozen=True, slots=True)
class PowerFlowReport:
    """All that is reported of a program. `states`: the grid in each MTU of `mtus`, after all caps.

    `schedules_wh`: point × MTU, Wh net, + = import; `earlier_hash` of what markets with earlier gates left;
    `policy_hash` of the DSO's signing policy in force, None where there is none; `fallbacks` in MTU order.
    """

    power_flow: PowerFlow
    states: GridStates
    mtus: Sequence[MtuReport]
    schedules_wh: NDArray[np.int64]
    earlier_hash: bytes
    policy_hash: bytes | None
    envelopes: EnvelopesByPoint
    lot_wh: int
    rounds_max: int
    fallbacks: Sequence[SolverFallback]

    def to_json(self) -> dict[str, Any]:
        """The report as the JSON object whose hash is signed (docs/protocol.md)."""
        grid = self.power_flow.grid
        codes = [point.code for point in grid.points]
        return {
            "format": REPORT_FORMAT,
            "grid": grid.code,
            "grid_model_hash": to_hex(grid.grid_model_hash),
            "schedules_hash": to_hex(schedules_hash(self.schedules_wh)),
            "earlier_hash": to_hex(self.earlier_hash),
            "policy_hash": None if self.policy_hash is None else to_hex(self.policy_hash),
            "first_mtu": self.mtus[0].mtu if self.mtus else 0,
            "count": len(self.mtus),
            "envelopes_hash": to_hex(envelopes_hash(codes, envelopes_json(grid, self.envelopes))),
            "lot_wh": self.lot_wh,
            "rounds_max": self.rounds_max,
            "fallbacks": [{"mtu": fallback.mtu, "reason": fallback.reason} for fallback in self.fallbacks],
            "mtus": [self._mtu_json(at, entry) for at, entry in enumerate(self.mtus)],
        }

    def _mtu_json(self, at: int, entry: MtuReport) -> dict[str, Any]:
        buses = self.power_flow.grid.buses
        loading, voltage = self.states.loading_micro[at], self.states.voltage_micro[at]
        branch, low, high = int(loading.argmax()), int(voltage.argmin()), int(voltage.argmax())
        capped_import, capped_export = _capped_wh(entry)
        return {
            "mtu": entry.mtu,
            "loading_permille": -(-int(loading[branch]) // MICRO_PER_PERMILLE),
            "loading_element": self.power_flow.branch_codes[branch],
            "voltage_lowest_micro_pu": int(voltage[low]),
            "voltage_lowest_bus": buses[low].code,
            "voltage_highest_micro_pu": int(voltage[high]),
            "voltage_highest_bus": buses[high].code,
            "rounds": entry.rounds,
            "given_up": entry.given_up,
            "findings_count": len(entry.findings),
            "findings": [found.to_json() for found in _worst(entry.findings)],
            "binding": [bound.to_json() for bound in entry.binding],
            "capped_points": len(entry.envelopes),
            "capped_import_wh": capped_import,
            "capped_export_wh": capped_export,
        }


def schedules_hash(schedules_wh: NDArray[np.int64]) -> bytes:
    """keccak of the `valuesHash` of each point, in the order of the grid model's points."""
    return keccak(b"".join(schedule_hash(row) for row in schedules_wh.tolist()))


def envelopes_json(grid: GridModel, envelopes: EnvelopesByPoint) -> list[dict[str, Any]]:
    """Envelopes as the journal keeps them, by MTU then point index; null where nothing limits."""
    flat = [(mtu, point, envelope) for point, of in envelopes.items() for mtu, envelope in of.items()]
    return [
        {
            "point": grid.points[point].code,
            "mtu": mtu,
            "import_cap_wh": envelope.import_wh,
            "export_cap_wh": envelope.export_wh,
        }
        for mtu, point, envelope in sorted(flat, key=lambda item: item[:2])
    ]


def _worst(findings: Sequence[LimitValue]) -> list[LimitValue]:
    """The findings furthest beyond their limit, worst first; equal ones by name."""

    def rank(found: LimitValue) -> tuple[int, str, str, str]:
        return -abs(found.beyond_micro), found.limit.kind, found.limit.code, found.limit.quantity

    return sorted(findings, key=rank)[:FINDINGS_LISTED]


def _capped_wh(entry: MtuReport) -> tuple[int, int]:
    """Scheduled energy that the envelopes do not let flow: import, export."""
    capped_import = capped_export = 0
    for point, envelope in entry.envelopes.items():
        net_wh = int(entry.scheduled_wh[point])
        if envelope.import_wh is not None:
            capped_import += max(net_wh - envelope.import_wh, 0)
        if envelope.export_wh is not None:
            capped_export += max(-net_wh - envelope.export_wh, 0)
    return capped_import, capped_export
