"""A program's power-flow report: what the DSO signs beside the results, and what it must say to agree with them.

Sources: docs/protocol.md section 3 ("Report"), docs/evidence.md section 3 ("program"). The power flow itself
is computed again where `--grid` asks for it (powerflow.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verifier.form import Json, as_json, record
from verifier.hashes import hash_json
from verifier.verdict import Report

FORMAT = "dominoes-report/2"

LOADING_LIMIT_PERMILLE, LOADING_LIMIT_MICRO = 1_000, 1_000_000
VOLTAGE_LOWEST_MICRO, VOLTAGE_HIGHEST_MICRO = 900_000, 1_100_000
"""The band of a bus that states none (EN 50160)."""

FINDINGS_LISTED = 10
"""Broken limits that are listed of an MTU."""


@dataclass(frozen=True, slots=True)
class ReportedLimit:
    """A limit of the grid, and the value that was held against it."""

    kind: str
    code: str
    quantity: str
    value_micro: int
    limit_micro: int


@dataclass(frozen=True, slots=True)
class ReportedMtu:
    """What is said of an MTU: the state of its grid under all caps, the limits that its schedules broke before, those
    at which its envelopes stand, and what these hold back."""

    mtu: int
    loading_permille: int
    loading_element: str
    voltage_lowest_micro_pu: int
    voltage_lowest_bus: str
    voltage_highest_micro_pu: int
    voltage_highest_bus: str
    rounds: int
    given_up: bool
    findings_count: int
    findings: tuple[ReportedLimit, ...]
    binding: tuple[ReportedLimit, ...]
    capped_points: int
    capped_import_wh: int
    capped_export_wh: int


@dataclass(frozen=True, slots=True)
class Fallback:
    """An MTU in which the solver failed, and why."""

    mtu: int
    reason: str


@dataclass(frozen=True, slots=True)
class ProgramReport:
    """All that is reported of a program."""

    format: str
    grid: str
    grid_model_hash: str
    schedules_hash: str
    earlier_hash: str
    policy_hash: str | None
    first_mtu: int
    count: int
    envelopes_hash: str
    lot_wh: int
    rounds_max: int
    fallbacks: tuple[Fallback, ...]
    mtus: tuple[ReportedMtu, ...]

    @classmethod
    def read(cls, told: Json) -> ProgramReport:
        """From its JSON. Raises ValueError."""
        return record(cls, told)

    @property
    def hash(self) -> str:
        """What the DSO signs of it."""
        return hash_json(as_json(self))


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a grid model by element."""

    bands: Mapping[str, tuple[int, int]]
    """Lowest and highest voltage by bus, 1e-6 of nominal."""
    branches: Mapping[str, str]
    """Kind of each line and transformer."""

    @classmethod
    def of(cls, grid_model: Json) -> Limits:
        """From the model's JSON. Raises KeyError."""
        bands = {
            bus["code"]: (
                bus.get("lowest_micro_pu", VOLTAGE_LOWEST_MICRO),
                bus.get("highest_micro_pu", VOLTAGE_HIGHEST_MICRO),
            )
            for bus in grid_model["buses"]
        }
        lines = {line["code"]: "line" for line in grid_model["lines"]}
        return cls(bands, lines | {item["code"]: "transformer" for item in grid_model["transformers"]})

    def is_broken(self, limit: ReportedLimit) -> bool:
        """Whether a value lies beyond its limit, which is one of the grid's."""
        if limit.quantity == "no_solution":
            return limit.kind == "grid"
        if limit.quantity == "loading":
            known = self.branches[limit.code] == limit.kind and limit.limit_micro == LOADING_LIMIT_MICRO
            return known and limit.value_micro > limit.limit_micro
        lowest, highest = self.bands[limit.code]
        if limit.quantity == "undervoltage":
            return limit.limit_micro == lowest and limit.value_micro < lowest
        return limit.quantity == "overvoltage" and limit.limit_micro == highest and limit.value_micro > highest


def check_place(report: Report, told: ProgramReport, mtus: range, *, grid_model: Json, lot_wh: int | None) -> None:
    """It is of this program: its grid, its MTUs, its market's lot (None: a personal bundle does not show it)."""
    report.same("report.format", told.format, FORMAT, "docs/protocol.md gives")
    report.same("report.grid", told.grid, grid_model["code"], "the grid model holds")
    report.same("report.grid_model_hash", told.grid_model_hash, hash_json(grid_model), "the grid model gives")
    span = (told.first_mtu, told.count, [item.mtu for item in told.mtus])
    report.same("MTUs of the report", span, (mtus.start, len(mtus), list(mtus)), "the session has")
    if lot_wh is not None:
        report.same("report.lot_wh", told.lot_wh, lot_wh, "the market has")
    limits = Limits.of(grid_model)
    for item in told.mtus:
        with report.part(f"report of MTU {item.mtu}"):
            _check_state(report, item, limits, rounds_max=told.rounds_max)


def _check_state(report: Report, told: ReportedMtu, limits: Limits, *, rounds_max: int) -> None:
    """Under the caps every limit holds, unless no caps could; the limits that were broken are the grid's."""
    low, high = limits.bands[told.voltage_lowest_bus][0], limits.bands[told.voltage_highest_bus][1]
    beyond = {
        "loading_permille": told.loading_permille > LOADING_LIMIT_PERMILLE,
        "voltage_lowest_micro_pu": told.voltage_lowest_micro_pu < low,
        "voltage_highest_micro_pu": told.voltage_highest_micro_pu > high,
    }
    if not told.given_up:
        report.none("limits broken under the caps", [name for name, is_broken in beyond.items() if is_broken])
    report.none("findings that break no limit of the grid", [x for x in told.findings if not limits.is_broken(x)])
    listed = min(told.findings_count, FINDINGS_LISTED)
    report.same("findings listed", len(told.findings), listed, "findings_count gives")
    report.none("rounds beyond rounds_max", [told.rounds] if told.rounds > rounds_max else [])


def check_capped(
    report: Report,
    told: ProgramReport,
    caps: Mapping[tuple[int, str], tuple[int | None, int | None]],
    net_wh: Mapping[tuple[int, str], int],
) -> None:
    """What the caps (import, export) of each MTU and point hold back of the scheduled net Wh is what it says."""
    for item in told.mtus:
        mine = [(place, cap) for place, cap in caps.items() if place[0] == item.mtu]
        held_back = (
            len(mine),
            _sum_beyond([(net_wh[place], cap[0]) for place, cap in mine]),
            _sum_beyond([(-net_wh[place], cap[1]) for place, cap in mine]),
        )
        with report.part(f"report of MTU {item.mtu}"):
            capped = (item.capped_points, item.capped_import_wh, item.capped_export_wh)
            report.same("points and Wh capped", capped, held_back, "envelopes and schedules give")


def _sum_beyond(flows: Sequence[tuple[int, int | None]]) -> int:
    return sum(max(wh - cap, 0) for wh, cap in flows if cap is not None)
