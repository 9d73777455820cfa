"""Import and export envelopes for MTUs whose schedules break a limit: least welfare lost, on the linearised grid.

A linear program picks what each point may no longer draw or feed; sensitivities of voltages and loadings come from the
AC power flow itself, at the schedules at hand, and the AC power flow checks what the program picked. Where a limit is
still broken, the grid is linearised again at the capped schedules with a larger margin. Caps only ever fall.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clearing.caps import Envelope
from clearing.lp import Minimise, SolverFailed
from clearing.powerflow import LOADING_LIMIT_MICRO, Flow, PowerFlow, Violation
from domain.units import MTUS_PER_HOUR

PROBE_W = 200
"""Step of the finite differences: far above the power flow's tolerance, far below where a grid bends."""

LINEAR_ROUNDS = 6
"""How often one MTU is linearised, capped and checked by AC power flow before it is given up."""

LOADING_MARGIN_MICRO = 2_000
VOLTAGE_MARGIN_MICRO = 100
"""Kept free of each limit in the first linear round; each further round adds as much again."""

NEAR_LOADING_MICRO = 900_000
NEAR_VOLTAGE_MICRO = 10_000
"""Elements loaded above this, or this near to their voltage limit, also get a row, so that no remedy breaks them."""

SMALLEST_SHARE = 0.02
"""A point that helps an element less than this share of the most helpful one is not asked: it would lose for little."""

UNTRADED_COST = 1.0
"""Cost of capping a Wh of export that nobody bought: small, so that it always goes first."""

UNTRADED_STEPS = 4
UNTRADED_STEP_COST = 0.01
"""Untraded export is given up in equal parts whose cost rises a little, so that neighbours share the loss."""

FAIRNESS_COST = 0.02
"""Weight of the largest share a point gives up, in parts of all untraded export: sharing may cost 2 % more energy."""

TRADED_COST = 1_000.0
"""Cost of capping a Wh of traded export, before its lost surplus."""

IMPORT_COST = 1_000_000.0
"""Cost of capping a Wh of import, before its lost surplus: only where no export can help."""

NEUR_PER_COST = 1_000
"""Lost surplus in nEUR/Wh is divided by this, so that none outweighs the order of the three kinds."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trade:
    """Energy of one accepted order of a point, and the surplus per Wh its holder loses without it."""

    energy_wh: int
    surplus_neur_per_wh: int


@dataclass(frozen=True, slots=True)
class Situation:
    """One MTU as it would flow: net energy per point (Wh, + = import), and what of it is sold and bought."""

    net_wh: Ints
    sold: Mapping[int, Sequence[Trade]]
    bought: Mapping[int, Sequence[Trade]]


@dataclass(frozen=True, slots=True)
class Plan:
    """Envelopes by point index, the elements that bind, and the linear rounds taken; None where no caps help."""

    envelopes: Mapping[int, Envelope] | None
    binding: tuple[Violation, ...]
    rounds: int


@dataclass(frozen=True, slots=True)
class _Row:
    """One element at or near a limit: by how much it must fall (in 1e-6), and how much each point's Wh lowers it."""

    violation: Violation
    needed: float
    lowered_per_wh: Floats


@dataclass(frozen=True, slots=True)
class _Part:
    """Energy of a point that may be capped at one cost."""

    point: int
    energy_wh: float
    cost: float
    untraded: bool


def plan_envelopes(*, power_flow: PowerFlow, situations: Mapping[int, Situation]) -> dict[int, Plan]:
    """Plan envelopes for each MTU (key) that breaks a limit; the MTUs are linearised and checked in common batches."""
    plans: dict[int, Plan] = {}
    binding: dict[int, set[Violation]] = {mtu: set() for mtu in situations}
    net = {mtu: situation.net_wh.copy() for mtu, situation in situations.items()}
    for number in range(1, LINEAR_ROUNDS + 1):
        todo = [mtu for mtu in situations if mtu not in plans]
        if not todo:
            break
        rows_of = _linearise(power_flow, {mtu: net[mtu] for mtu in todo}, margin=number)
        for mtu in todo:
            rows = rows_of[mtu]
            shed = _solve(situations[mtu], net[mtu], rows) if rows is not None else None
            if rows is None or shed is None:
                plans[mtu] = Plan(None, tuple(_broken(rows)), number)
                continue
            net[mtu] = _capped(net[mtu], shed)
            binding[mtu] |= set(_binding(rows, shed))
        _settle(power_flow, situations, net, binding, plans, number)
    for mtu in situations.keys() - plans.keys():
        plans[mtu] = Plan(None, _ordered(binding[mtu]), LINEAR_ROUNDS)
    return plans


def _settle(
    power_flow: PowerFlow,
    situations: Mapping[int, Situation],
    net: Mapping[int, Ints],
    binding: Mapping[int, set[Violation]],
    plans: dict[int, Plan],
    number: int,
) -> None:
    """Check the capped schedules by AC power flow and finish the MTUs that are clean."""
    todo = [mtu for mtu in situations if mtu not in plans]
    if not todo:
        return
    flow = power_flow.run(np.stack([net[mtu] for mtu in todo]))
    broken = {violation.mtu for violation in power_flow.violations(flow)}
    for at, mtu in enumerate(todo):
        if at not in broken:
            envelopes = _envelopes(situations[mtu].net_wh, net[mtu])
            plans[mtu] = Plan(envelopes, _ordered(binding[mtu]), number)


def _envelopes(before: Ints, after: Ints) -> dict[int, Envelope]:
    """An envelope for each point that may no longer do all it scheduled, in the direction it is limited."""
    return {
        point: Envelope(import_wh=int(after[point])) if before[point] > 0 else Envelope(export_wh=int(-after[point]))
        for point in np.flatnonzero(before != after).tolist()
    }


def _capped(net: Ints, shed: Floats) -> Ints:
    """Net energy after shedding: what remains is rounded down to whole Wh, in either direction."""
    remaining = np.floor(np.maximum(np.abs(net) - shed, 0) + 1e-6).astype(np.int64)
    return np.sign(net) * np.minimum(remaining, np.abs(net))


def _ordered(found: Iterable[Violation]) -> tuple[Violation, ...]:
    """One entry per element, its first (worst) value kept, in a fixed order."""
    worst: dict[tuple[str, str, str], Violation] = {}
    for violation in sorted(found, key=lambda v: -abs(v.value_micro - v.limit_micro)):
        worst.setdefault((violation.kind, violation.code, violation.quantity), violation)
    return tuple(worst[key] for key in sorted(worst))


def _broken(rows: Sequence[_Row] | None) -> tuple[Violation, ...]:
    return _ordered(row.violation for row in rows or () if row.needed > 0)


def _binding(rows: Sequence[_Row], shed: Floats) -> list[Violation]:
    """The broken elements that decided what had to be shed: those without slack."""
    return [
        row.violation
        for row in rows
        if row.needed > 0 and float(row.lowered_per_wh @ shed) - row.needed <= 1e-4 * row.needed
    ]


def _linearise(power_flow: PowerFlow, net: Mapping[int, Ints], *, margin: int) -> dict[int, list[_Row] | None]:
    """Rows of each MTU at its net energies; None where the power flow has no solution there."""
    scenarios, owners = [], []
    bus_of = power_flow.point_bus
    for net_wh in net.values():
        power_w = net_wh * MTUS_PER_HOUR
        probes = _probe_points(net_wh, bus_of)
        batch = np.repeat(power_w[None, :].astype(np.float64), len(probes) + 1, axis=0)
        for at, point in enumerate(probes, start=1):
            batch[at, point] -= np.sign(power_w[point]) * min(PROBE_W, abs(int(power_w[point])))
        scenarios.append(batch)
        owners.append(probes)
    flow = power_flow.run_watts(np.concatenate(scenarios))
    rows: dict[int, list[_Row] | None] = {}
    start = 0
    for (mtu, net_wh), batch, probes in zip(net.items(), scenarios, owners, strict=True):
        part = slice(start, start + len(batch))
        start += len(batch)
        own = Flow(flow.voltage_pu[part], flow.loading[part], flow.solved[part])
        rows[mtu] = _rows(power_flow, own, batch, probes, net_wh, mtu, margin) if own.solved.all() else None
    return rows


def _probe_points(net_wh: Ints, bus_of: Ints) -> list[int]:
    """One point per bus and direction: the one with most energy stands for its neighbours on the bus."""
    chosen: dict[tuple[int, bool], int] = {}
    for point in np.argsort(-np.abs(net_wh), kind="stable").tolist():
        if net_wh[point] != 0:
            chosen.setdefault((int(bus_of[point]), bool(net_wh[point] > 0)), point)
    return sorted(chosen.values())


def _rows(
    power_flow: PowerFlow, flow: Flow, batch: Floats, probes: list[int], net_wh: Ints, mtu: int, margin: int
) -> list[_Row]:
    """The elements at or near a limit with their sensitivities to a Wh shed at each point."""
    bus_of, energy = power_flow.point_bus, np.abs(net_wh)
    probe_of = {(int(bus_of[point]), bool(net_wh[point] > 0)): at for at, point in enumerate(probes)}
    owner = np.array([probe_of.get((int(b), bool(n > 0)), -1) for b, n in zip(bus_of, net_wh, strict=True)])
    probed_wh = np.abs(batch[0] - batch[1:]).sum(axis=1) / MTUS_PER_HOUR
    voltage, loading = flow.voltage_pu * 1e6, flow.loading * 1e6
    rows = []
    for violation, values, sign in _near(power_flow, voltage, loading, mtu):
        size = LOADING_MARGIN_MICRO if violation.quantity == "loading" else VOLTAGE_MARGIN_MICRO
        needed = sign * (values[0] - violation.limit_micro)
        needed += margin * size if violation_broken(violation) else 0.0
        lowered = sign * (values[0] - values[1:]) / probed_wh
        per_point = np.where(energy > 0, np.append(lowered, 0.0)[owner], 0.0)
        most = np.abs(per_point).max(initial=0.0)
        rows.append(_Row(violation, float(needed), np.where(np.abs(per_point) < SMALLEST_SHARE * most, 0.0, per_point)))
    return rows


def violation_broken(violation: Violation) -> bool:
    """Whether the value is beyond the limit (and not only near it)."""
    over = violation.value_micro - violation.limit_micro
    return over < 0 if violation.quantity == "undervoltage" else over > 0


def _near(
    power_flow: PowerFlow, voltage: Floats, loading: Floats, mtu: int
) -> Iterable[tuple[Violation, Floats, float]]:
    """(element, its values in 1e-6 over base and probes, sign that makes a fall an improvement)."""
    grid = power_flow.grid
    for at, bus in enumerate(grid.buses):
        value = round(voltage[0, at])
        if value > bus.highest_micro_pu - NEAR_VOLTAGE_MICRO:
            yield Violation(mtu, "bus", bus.code, "overvoltage", value, bus.highest_micro_pu), voltage[:, at], 1.0
        if value < bus.lowest_micro_pu + NEAR_VOLTAGE_MICRO:
            yield Violation(mtu, "bus", bus.code, "undervoltage", value, bus.lowest_micro_pu), voltage[:, at], -1.0
    for at in np.flatnonzero(loading[0] > NEAR_LOADING_MICRO).tolist():
        kind = "line" if at < len(grid.lines) else "transformer"
        value = round(loading[0, at])
        code = power_flow.branch_codes[at]
        yield Violation(mtu, kind, code, "loading", value, LOADING_LIMIT_MICRO), loading[:, at], 1.0


def _parts(situation: Situation, net_wh: Ints) -> list[_Part]:
    """What may still be capped: by point, cheapest first, less what earlier rounds already took."""
    parts: list[_Part] = []
    for point in np.flatnonzero(net_wh).tolist():
        scheduled, left = float(abs(situation.net_wh[point])), float(abs(net_wh[point]))
        taken = scheduled - left
        for part in _all_parts(situation, point, scheduled=scheduled, exports=bool(net_wh[point] < 0)):
            energy = min(max(part.energy_wh - taken, 0.0), left)
            taken = max(taken - part.energy_wh, 0.0)
            left -= energy
            if energy > 0:
                parts.append(replace(part, energy_wh=energy))
    return parts


def _all_parts(situation: Situation, point: int, *, scheduled: float, exports: bool) -> list[_Part]:
    """A point's energy of one direction, cheapest first: untraded in steps, then each trade, least surplus first."""
    trades = sorted(
        (situation.sold if exports else situation.bought).get(point, ()), key=lambda trade: trade.surplus_neur_per_wh
    )
    untraded = max(scheduled - sum(trade.energy_wh for trade in trades), 0.0)
    first, base = (UNTRADED_COST, TRADED_COST) if exports else (IMPORT_COST, 2 * IMPORT_COST)
    steps = [
        _Part(point, untraded / UNTRADED_STEPS, first * (1 + UNTRADED_STEP_COST * number), True)
        for number in range(UNTRADED_STEPS)
    ]
    return steps + [
        _Part(point, float(trade.energy_wh), base + max(trade.surplus_neur_per_wh, 0) / NEUR_PER_COST, False)
        for trade in trades
    ]


def _solve(situation: Situation, net_wh: Ints, rows: Sequence[_Row]) -> Floats | None:
    """Wh to shed per point at least cost so that every row falls as needed; None where that is impossible."""
    parts = _parts(situation, net_wh)
    program = Minimise("envelopes")
    numbers = [program.variable(highest=part.energy_wh, cost=part.cost) for part in parts]
    untraded: dict[int, list[int]] = {}
    for number, part in zip(numbers, parts, strict=True):
        if part.untraded and net_wh[part.point] < 0:
            untraded.setdefault(part.point, []).append(number)
    total = sum(part.energy_wh for part in parts if part.untraded and net_wh[part.point] < 0)
    largest = program.variable(highest=1.0, cost=FAIRNESS_COST * total)
    for own in untraded.values():
        energy = sum(parts[number].energy_wh for number in own)
        program.at_least([(largest, energy), *((number, -1.0) for number in own)], 0.0)
    for row in rows:
        scale = float(np.abs(row.lowered_per_wh).max(initial=0.0))
        if scale == 0.0 and row.needed <= 0:
            continue
        factors = [
            (number, float(row.lowered_per_wh[part.point]) / (scale or 1.0))
            for number, part in zip(numbers, parts, strict=True)
        ]
        program.at_least([pair for pair in factors if pair[1] != 0.0] or [(largest, 0.0)], row.needed / (scale or 1.0))
    try:
        values = program.solve()
    except SolverFailed:
        return None
    shed = np.zeros(len(net_wh))
    for number, part in zip(numbers, parts, strict=True):
        shed[part.point] += values[number]
    return shed
