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
from domain.orders import envelopes_hash
from grid.envelope import Envelope
from grid.model import GridModel
from grid.powerflow import Flow, PowerFlow, Violation

REPORT_FORMAT = "dominoes-report/1"
"""Version of the report's shape; part of what is signed."""

FINDINGS_LISTED = 10
"""Broken limits listed per MTU, the worst; `findings_count` says how many there were without caps."""

MICRO_PER_PERMILLE = 1_000


@dataclass(frozen=True, slots=True)
class MtuReport:
    """What the report says of one MTU beside the state of its flow."""

    mtu: int
    rounds: int
    given_up: bool
    findings: Sequence[Violation]
    binding: Sequence[Violation]
    envelopes: Mapping[int, Envelope]
    scheduled_wh: NDArray[np.int64]


def schedule_hash(net_wh: Sequence[int]) -> bytes:
    """`valuesHash` of one point: keccak of its net energies, int32 big-endian Wh each, + = import."""
    return keccak(b"".join(int(value).to_bytes(4, "big", signed=True) for value in net_wh))


def schedules_hash(schedules_wh: NDArray[np.int64]) -> bytes:
    """keccak of the `valuesHash` of each point, in the order of the grid model's points."""
    return keccak(b"".join(schedule_hash(row) for row in schedules_wh.tolist()))


def build_report(
    *,
    power_flow: PowerFlow,
    flow: Flow,
    mtus: Sequence[MtuReport],
    schedules_wh: NDArray[np.int64],
    envelopes: Mapping[int, Mapping[int, Envelope]],
    lot_wh: int,
    rounds_max: int,
    fallbacks: Sequence[tuple[int, str]],
) -> dict[str, Any]:
    """The report as JSON values. `flow` is the state per MTU after all caps; `fallbacks` (mtu, reason) in MTU order."""
    grid = power_flow.grid
    codes = [point.code for point in grid.points]
    return {
        "format": REPORT_FORMAT,
        "grid": grid.code,
        "grid_model_hash": to_hex(grid.grid_model_hash),
        "schedules_hash": to_hex(schedules_hash(schedules_wh)),
        "first_mtu": mtus[0].mtu if mtus else 0,
        "count": len(mtus),
        "envelopes_hash": to_hex(envelopes_hash(codes, envelope_entries(grid, envelopes))),
        "lot_wh": lot_wh,
        "rounds_max": rounds_max,
        "fallbacks": [{"mtu": mtu, "reason": reason} for mtu, reason in fallbacks],
        "mtus": [_mtu_entry(power_flow, flow, at, entry) for at, entry in enumerate(mtus)],
    }


def _mtu_entry(power_flow: PowerFlow, flow: Flow, at: int, entry: MtuReport) -> dict[str, Any]:
    grid = power_flow.grid
    loading, voltage = flow.loading_micro[at], flow.voltage_micro[at]
    branch, low, high = int(loading.argmax()), int(voltage.argmin()), int(voltage.argmax())
    capped_import, capped_export = _capped_wh(entry)
    return {
        "mtu": entry.mtu,
        "loading_permille": -(-int(loading[branch]) // MICRO_PER_PERMILLE),
        "loading_element": power_flow.branch_codes[branch],
        "voltage_lowest_micro_pu": int(voltage[low]),
        "voltage_lowest_bus": grid.buses[low].code,
        "voltage_highest_micro_pu": int(voltage[high]),
        "voltage_highest_bus": grid.buses[high].code,
        "rounds": entry.rounds,
        "given_up": entry.given_up,
        "findings_count": len(entry.findings),
        "findings": [_violation_entry(violation) for violation in _worst(entry.findings)],
        "binding": [_violation_entry(violation) for violation in entry.binding],
        "capped_points": len(entry.envelopes),
        "capped_import_wh": capped_import,
        "capped_export_wh": capped_export,
    }


def _worst(findings: Sequence[Violation]) -> list[Violation]:
    """The findings furthest beyond their limit, worst first; equal ones by name."""

    def rank(found: Violation) -> tuple[int, str, str, str]:
        return -abs(found.value_micro - found.limit_micro), found.kind, found.code, found.quantity

    return sorted(findings, key=rank)[:FINDINGS_LISTED]


def envelope_entries(grid: GridModel, envelopes: Mapping[int, Mapping[int, Envelope]]) -> list[dict[str, Any]]:
    """Envelopes {point index: {mtu: Envelope}} as JSON, by MTU then point index; null where nothing limits."""
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


def _violation_entry(violation: Violation) -> dict[str, Any]:
    return {
        "kind": violation.kind,
        "code": violation.code,
        "quantity": violation.quantity,
        "value_micro": violation.value_micro,
        "limit_micro": violation.limit_micro,
    }


def _capped_wh(entry: MtuReport) -> tuple[int, int]:
    """Scheduled energy that the envelopes do not let flow: import, export."""
    capped_import = capped_export = 0
    for point, envelope in entry.envelopes.items():
        net = int(entry.scheduled_wh[point])
        if envelope.import_wh is not None:
            capped_import += max(net - envelope.import_wh, 0)
        if envelope.export_wh is not None:
            capped_export += max(-net - envelope.export_wh, 0)
    return capped_import, capped_export
