"""Import and export envelopes for MTUs whose schedules break a limit: least welfare lost, on the linearised grid.

A linear program picks what each point may no longer draw or feed; sensitivities of voltages and loadings come from the
AC power flow itself, at the schedules at hand, and the AC power flow checks what the program picked. Where a limit is
still broken, the grid is linearised again at the capped schedules with a larger margin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from clearing.caps import Envelope
from clearing.grid import MICRO
from clearing.lp import Minimise, SolverFailed
from clearing.powerflow import LOADING_LIMIT_MICRO, Flow, PowerFlow, Violation
from domain.units import MTUS_PER_HOUR

PROBE_W = 200
"""Step of the finite differences: far above the power flow's tolerance, far below where a grid bends."""

LINEAR_ROUNDS = 10
"""How often one MTU is linearised, capped and checked by AC power flow at most."""

CLEAN_ROUNDS = 2
"""Clean proposals after which the cheapest counts: the second is linearised near the limits, where it is exact."""

SLACK_SHARE = 1e-4
"""A row met with less than this share to spare is binding."""

LOADING_MARGIN_MICRO = 2_000
VOLTAGE_MARGIN_MICRO = 100
"""Kept free of each limit; each proposal that the AC power flow refuses adds as much again."""

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

SHORTFALL_COST = 100_000_000.0
"""Cost of each Wh that the linear model cannot find: beyond any other, so that it comes last."""

DAMPING = 0.5
"""Part of a step that is taken where the linear model fell short: far beyond the limits it underrates what helps."""

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
    """Envelopes by point index (None where no caps help), the elements that bind, and the linear rounds taken.

    `failure` says why the solver failed, where it did.
    """

    envelopes: Mapping[int, Envelope] | None
    binding: tuple[Violation, ...]
    rounds: int
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    """One element at or near a limit: by how much it must fall from its value without any envelope (in 1e-6, as the
    linear model has it), and how much each Wh shed at each point lowers it."""

    violation: Violation
    needed: float
    lowered_per_wh: Floats


@dataclass(frozen=True, slots=True)
class _Part:
    """Energy of a point that may be capped at one cost; `fair`: untraded export, which is given up in like shares."""

    point: int
    energy_wh: float
    cost: float
    fair: bool


@dataclass(slots=True)
class _Search:
    """One MTU while its envelopes are sought: the net energies at hand, and the cheapest clean ones so far."""

    situation: Situation
    parts: Sequence[_Part]
    net_wh: Ints
    failure: str | None = None
    margin: int = 1
    clean: int = 0
    rounds: int = 0
    over: bool = False
    cost: float = float("inf")
    best_wh: Ints | None = None
    binding: tuple[Violation, ...] = ()
    candidate: tuple[Violation, ...] = ()
    watched: dict[tuple[str, str], Violation] = field(default_factory=dict)

    def plan(self) -> Plan:
        """The outcome of the search."""
        if self.best_wh is None:
            return Plan(None, self.candidate, self.rounds, self.failure)
        return Plan(_envelopes(self.situation.net_wh, self.best_wh), self.binding, self.rounds, self.failure)


def plan_envelopes(*, power_flow: PowerFlow, situations: Mapping[int, Situation]) -> dict[int, Plan]:
    """Plan envelopes for each MTU (key) that breaks a limit; the MTUs are linearised and checked in common batches."""
    searches = {
        mtu: _Search(situation, _parts(situation), situation.net_wh.copy()) for mtu, situation in situations.items()
    }
    for _ in range(LINEAR_ROUNDS):
        todo = {mtu: search for mtu, search in searches.items() if not search.over}
        if todo:
            rows = _linearise(power_flow, todo)
            for mtu, search in todo.items():
                _step(search, rows[mtu])
            _check(power_flow, [search for search in todo.values() if not search.over])
    return {mtu: search.plan() for mtu, search in searches.items()}


def _step(search: _Search, rows: Sequence[_Row] | None) -> None:
    """Solve the linear model at the net energies at hand, and move to what it proposes."""
    search.rounds += 1
    shed = None
    try:
        shed = _solve(search.situation, search.parts, rows) if rows is not None else None
    except SolverFailed as error:
        search.failure = str(error)
    if rows is None or shed is None:
        search.over = True
        return
    search.net_wh = _capped(search.situation.net_wh, shed)
    search.candidate = _binding(rows, shed)


def _check(power_flow: PowerFlow, searches: Sequence[_Search]) -> None:
    """Check what was proposed by AC power flow: keep the cheapest clean proposal, widen the margin of the others."""
    if not searches:
        return
    flow = power_flow.run(np.stack([search.net_wh for search in searches]))
    broken = {violation.mtu for violation in power_flow.violations(flow)}
    for at, search in enumerate(searches):
        if at in broken:
            search.margin += 1
            continue
        search.clean += 1
        search.over = search.clean >= CLEAN_ROUNDS
        cost = _cost(search)
        if cost < search.cost:
            search.cost, search.best_wh, search.binding = cost, search.net_wh, search.candidate


def _cost(search: _Search) -> float:
    """Cost of what a proposal sheds, by the same measure as the linear model."""
    shed, cost = np.abs(search.situation.net_wh - search.net_wh).astype(float).tolist(), 0.0
    for part in search.parts:
        taken = min(part.energy_wh, shed[part.point])
        shed[part.point] -= taken
        cost += taken * part.cost
    return cost


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


def _binding(rows: Sequence[_Row], shed: Floats) -> tuple[Violation, ...]:
    """The broken elements that decided what had to be shed: those without slack, in a fixed order."""
    tight = [
        row.violation
        for row in rows
        if row.needed > 0 and float(row.lowered_per_wh @ shed) - row.needed <= SLACK_SHARE * row.needed
    ]
    return tuple(sorted(tight, key=lambda found: (found.kind, found.code, found.quantity)))


def _linearise(power_flow: PowerFlow, searches: Mapping[int, _Search]) -> dict[int, list[_Row] | None]:
    """Rows of each MTU at its net energies at hand; None where the power flow has no solution there.

    One scenario per bus and direction tells what a little more of it does; points of one bus share it.
    """
    scenarios, owners = [], []
    for search in searches.values():
        scheduled = search.situation.net_wh
        probes = _probe_points(scheduled, power_flow.point_bus)
        batch = np.repeat(search.net_wh[None, :] * float(MTUS_PER_HOUR), len(probes) + 1, axis=0)
        for at, point in enumerate(probes, start=1):
            batch[at, point] += np.sign(scheduled[point]) * PROBE_W
        scenarios.append(batch)
        owners.append(probes)
    flow = power_flow.run_watts(np.concatenate(scenarios))
    rows: dict[int, list[_Row] | None] = {}
    start = 0
    for (mtu, search), probes in zip(searches.items(), owners, strict=True):
        part = slice(start, start + len(probes) + 1)
        start = part.stop
        own = Flow(flow.voltage_pu[part], flow.loading[part], flow.solved[part])
        rows[mtu] = _rows(power_flow, own, search, probes) if own.solved.all() else None
    return rows


def _probe_points(net_wh: Ints, bus_of: Ints) -> list[int]:
    """One point per bus and direction: the one with most energy stands for its neighbours on the bus."""
    chosen: dict[tuple[int, bool], int] = {}
    for point in np.argsort(-np.abs(net_wh), kind="stable").tolist():
        if net_wh[point] != 0:
            chosen.setdefault((int(bus_of[point]), bool(net_wh[point] > 0)), point)
    return sorted(chosen.values())


def _rows(power_flow: PowerFlow, flow: Flow, search: _Search, probes: list[int]) -> list[_Row]:
    """The elements at or near a limit with their sensitivities to a Wh shed at each point."""
    scheduled, bus_of = search.situation.net_wh, power_flow.point_bus
    shed = np.abs(scheduled - search.net_wh).astype(np.float64)
    probe_of = {(int(bus_of[point]), bool(scheduled[point] > 0)): at for at, point in enumerate(probes)}
    owner = np.array(
        [probe_of.get((int(bus), bool(net > 0)), -1) if net else -1 for bus, net in zip(bus_of, scheduled, strict=True)]
    )
    rows = []
    for violation, values, sign in _near(power_flow, flow, search.watched):
        lowered = sign * (values[1:] - values[0]) * MTUS_PER_HOUR / PROBE_W
        per_point = np.append(lowered, 0.0)[owner]
        most = np.abs(per_point).max(initial=0.0)
        per_point[np.abs(per_point) < SMALLEST_SHARE * most] = 0.0
        size = LOADING_MARGIN_MICRO if violation.quantity == "loading" else VOLTAGE_MARGIN_MICRO
        needed = sign * (float(values[0]) - violation.limit_micro) + float(per_point @ shed)
        rows.append(_Row(violation, needed + search.margin * size, per_point))
    return rows


def _near(
    power_flow: PowerFlow, flow: Flow, watched: dict[tuple[str, str], Violation]
) -> Iterable[tuple[Violation, Floats, float]]:
    """Elements that are, or once were, at or near a limit: (element, its values in 1e-6 over base and probes, sign that
    makes a fall an improvement). `watched` keeps each with the value it had when first seen: before any envelope."""
    grid, voltage, loading = power_flow.grid, flow.voltage_pu * MICRO, flow.loading * MICRO
    candidates: list[tuple[str, str, str, int, int, Floats, float]] = []
    for at, bus in enumerate(grid.buses):
        high, low = bus.highest_micro_pu, bus.lowest_micro_pu
        candidates.append(("bus", bus.code, "overvoltage", high, high - NEAR_VOLTAGE_MICRO, voltage[:, at], 1.0))
        candidates.append(("bus", bus.code, "undervoltage", low, low + NEAR_VOLTAGE_MICRO, voltage[:, at], -1.0))
    for at, code in enumerate(power_flow.branch_codes):
        kind = "line" if at < len(grid.lines) else "transformer"
        candidates.append((kind, code, "loading", LOADING_LIMIT_MICRO, NEAR_LOADING_MICRO, loading[:, at], 1.0))
    for kind, code, quantity, limit, near, values, sign in candidates:
        if sign * (values[0] - near) > 0:
            watched.setdefault((code, quantity), Violation(0, kind, code, quantity, round(values[0]), limit))
        if (code, quantity) in watched:
            yield watched[code, quantity], values, sign


def _parts(situation: Situation) -> list[_Part]:
    """What may be capped, by point, cheapest first; together no more than the point's net energy."""
    parts: list[_Part] = []
    for point in np.flatnonzero(situation.net_wh).tolist():
        scheduled = left = float(abs(situation.net_wh[point]))
        for part in _all_parts(situation, point, scheduled=scheduled, exports=bool(situation.net_wh[point] < 0)):
            energy = min(part.energy_wh, left)
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
        _Part(point, untraded / UNTRADED_STEPS, first * (1 + UNTRADED_STEP_COST * number), exports)
        for number in range(UNTRADED_STEPS)
    ]
    return steps + [
        _Part(point, float(trade.energy_wh), base + max(trade.surplus_neur_per_wh, 0) / NEUR_PER_COST, False)
        for trade in trades
    ]


def _solve(situation: Situation, all_parts: Sequence[_Part], all_rows: Sequence[_Row]) -> Floats | None:
    """Wh to shed per point at least cost so that every row falls as needed, half of it where that is out of reach.

    None where nothing can be shed. Raises SolverFailed.
    """
    helps = np.zeros(len(situation.net_wh), dtype=np.bool_)
    for row in all_rows:
        if row.needed > 0:
            helps |= row.lowered_per_wh > 0
    parts = [part for part in all_parts if helps[part.point]]
    rows = [row for row in all_rows if row.needed > 0 or bool((row.lowered_per_wh[helps] < 0).any())]
    program = Minimise("envelopes")
    numbers = [program.variable(highest=part.energy_wh, cost=part.cost) for part in parts]
    _share_fairly(program, [(number, part) for number, part in zip(numbers, parts, strict=True) if part.fair])
    short: list[int] = []
    for row in rows:
        scale = float(np.abs(row.lowered_per_wh).max(initial=0.0)) or 1.0
        factors = (row.lowered_per_wh / scale).tolist()
        short.append(program.variable(highest=None, cost=SHORTFALL_COST))
        terms = [(number, factors[part.point]) for number, part in zip(numbers, parts, strict=True)]
        program.at_least([(short[-1], 1.0), *(term for term in terms if term[1] != 0.0)], row.needed / scale)
    values = program.solve()
    shed = np.zeros(len(situation.net_wh))
    for number, part in zip(numbers, parts, strict=True):
        shed[part.point] += values[number]
    if any(values[number] > 0.5 for number in short):
        shed *= DAMPING
    return shed if shed.max(initial=0.0) >= 0.5 else None


def _share_fairly(program: Minimise, parts: Sequence[tuple[int, _Part]]) -> None:
    """Let the largest share that any point gives up of its untraded export cost a little."""
    own: dict[int, list[tuple[int, float]]] = {}
    for number, part in parts:
        own.setdefault(part.point, []).append((number, part.energy_wh))
    total = sum(part.energy_wh for _, part in parts)
    largest = program.variable(highest=1.0, cost=FAIRNESS_COST * total)
    for terms in own.values():
        energy = sum(wh for _, wh in terms)
        program.at_least([(largest, energy), *((number, -1.0) for number, _ in terms)], 0.0)
