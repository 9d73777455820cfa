"""Import and export envelopes for MTUs whose schedules break a limit: least welfare lost, on the linearised grid.

A linear program picks what each point may no longer draw or feed; sensitivities of voltages and loadings come from the
AC power flow itself, at the schedules at hand, and the AC power flow checks what the program picked. Where a limit is
still broken, the grid is linearised again at the capped schedules with a larger margin; where there is nothing to
linearise (no power-flow solution) at half of them. Last, the AC power flow alone is asked for the largest common share
that all may keep. So a MTU is given up only where the grid breaks a limit without any of the energy that may be capped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from domain.units import MTUS_PER_HOUR
from grid.envelope import Envelope
from grid.linear_program import Minimise, SolverFailed
from grid.model import MICRO
from grid.powerflow import LOADING_LIMIT_MICRO, Flow, PowerFlow, Violation

PROBE_W = 200
"""Step of the finite differences: far above the power flow's tolerance, far below where a grid bends."""

LINEAR_ROUNDS = 10
"""How often one MTU is linearised, capped and checked by AC power flow at most."""

CLEAN_ROUNDS = 2
"""Clean proposals after which the cheapest counts: the second is linearised near the limits, where it is exact."""

SOLVER_TRIES = 2
"""How often the solver is asked for one MTU alone, once a program over all MTUs failed."""

FACTOR_STEPS = 1_000
"""Parts in which the common share is sought that all points may keep where no linear model leads to a clean state."""

BINDING_LOADING_MICRO = 5_000
BINDING_VOLTAGE_MICRO = 500
"""An element this near to the limit it broke binds, under the envelopes that were found."""

LOADING_MARGIN_MICRO = 2_000
VOLTAGE_MARGIN_MICRO = 100
"""Kept free of each limit; each proposal that the AC power flow refuses adds as much again."""

NEAR_LOADING_MICRO = 900_000
NEAR_VOLTAGE_MICRO = 10_000
"""Elements loaded above this, or this near to their voltage limit, also get a row, so that no remedy breaks them."""

SMALLEST_SHARE = 0.02
"""A point that helps an element less than this share of the most helpful one is not asked: it would lose for little."""

UNTRADED_COST = 0.001
"""Cost of capping a Wh that nobody traded: so far below any trade that it always goes first (a point that helps an
element is at most 1 / SMALLEST_SHARE times as helpful as another)."""

UNTRADED_STEPS = 3
UNTRADED_STEP_COST = 0.01
"""Untraded export is given up in equal parts whose cost rises a little, so that neighbours share the loss."""

FAIRNESS_COST = 0.02
"""Weight of the largest share a point gives up, in parts of all untraded export: sharing may cost 2 % more energy."""

TRADED_COST = 1.0
"""Cost of capping a traded Wh before its lost surplus: that of one tick, so that the surplus decides."""

SHORTFALL_COST = 100_000_000.0
"""Cost of each Wh that the linear model cannot find: beyond any other, so that it comes last."""

DAMPING = 0.5
"""Part of a step that is taken where the linear model fell short: far beyond the limits it underrates what helps."""

SHORTFALL_LEAST_WH = 0.5
SHED_LEAST_WH = 0.5
"""What is below half a Wh is nothing."""

SOLVER_GAVE_UP = "the solver gave no envelopes; what all may keep was shared out by AC power flow"
"""What is reported of a MTU whose linear program failed, alone and again."""

NEUR_PER_COST = 100
"""Lost surplus in nEUR/Wh is divided by this: one unit of cost is about a tick."""

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

    needed: float
    lowered_per_wh: Floats


@dataclass(frozen=True, slots=True)
class _Part:
    """Energy of a point in one direction that may be capped at one cost per Wh; `traded` as part of an order."""

    point: int
    energy_wh: float
    cost: float
    exports: bool
    traded: bool


Cost = tuple[float, float]
"""What a proposal costs: of import capped, then of export. Import counts first: it is capped only where it must be."""


@dataclass(slots=True)
class _Search:
    """One MTU while its envelopes are sought: the net energies at hand, and the cheapest clean ones so far.

    `imports`: whether import may be capped too; export alone is tried first. `proposed`: whether the net energies at
    hand are those of a linear model.
    """

    situation: Situation
    parts: Sequence[_Part]
    net_wh: Ints
    imports: bool
    failure: str | None = None
    margin: int = 1
    clean: int = 0
    rounds: int = 0
    over: bool = False
    proposed: bool = False
    cost: Cost = (float("inf"), float("inf"))
    best_wh: Ints | None = None
    watched: dict[tuple[str, str], Violation] = field(default_factory=dict)


def plan_envelopes(*, power_flow: PowerFlow, situations: Mapping[int, Situation]) -> dict[int, Plan]:
    """Plan envelopes for each MTU (key) that breaks a limit; the MTUs are linearised, solved and checked together."""
    searches = {mtu: _begin(situation) for mtu, situation in situations.items()}
    for _ in range(LINEAR_ROUNDS):
        todo = [search for search in searches.values() if not search.over]
        if todo:
            _propose(todo, _linearise(power_flow, todo))
            _check(power_flow, [search for search in todo if not search.over])
    for search in searches.values():
        if search.best_wh is None:
            _share_out(power_flow, search)
    return _plans(power_flow, searches)


def _plans(power_flow: PowerFlow, searches: Mapping[int, _Search]) -> dict[int, Plan]:
    """The outcome of each search; what binds is seen from the state its envelopes leave, or from no flow at all."""
    nothing = [np.zeros_like(search.net_wh) for search in searches.values()]
    best = [none if one.best_wh is None else one.best_wh for one, none in zip(searches.values(), nothing, strict=True)]
    elements = list(_elements(power_flow, power_flow.run(np.stack(best)))) if best else []
    plans = {}
    for at, (mtu, search) in enumerate(searches.items()):
        scheduled, after = search.situation.net_wh, search.best_wh
        envelopes = None if after is None else _envelopes(scheduled, after)
        plans[mtu] = Plan(envelopes, _binding(elements, at, search), search.rounds, search.failure)
    return plans


def _begin(situation: Situation) -> _Search:
    imports = not bool((situation.net_wh < 0).any())
    return _Search(situation, _parts(situation), situation.net_wh.copy(), imports)


def _propose(searches: Sequence[_Search], rows: Sequence[list[_Row] | None]) -> None:
    """Solve the linear models, and move to what they propose; to half of what is at hand where there is no model."""
    modelled = []
    for search, own in zip(searches, rows, strict=True):
        search.rounds += 1
        search.proposed = own is not None
        if own is not None:
            modelled.append((search, own))
        elif search.net_wh.any():
            search.net_wh = np.sign(search.net_wh) * (np.abs(search.net_wh) // 2)
        else:
            search.over = True
    for (search, _), shed in zip(modelled, _solve(modelled), strict=True):
        if shed is None:
            search.failure, search.over = SOLVER_GAVE_UP, True
        elif shed.wh.max(initial=0.0) < SHED_LEAST_WH:
            # nothing left that export can do: the next round also asks those who draw
            search.proposed, search.over, search.imports = False, search.imports, True
        else:
            search.net_wh = _capped(search.situation.net_wh, shed.wh)
            search.imports |= shed.short


def _check(power_flow: PowerFlow, searches: Sequence[_Search]) -> None:
    """Check what was proposed by AC power flow: keep the cheapest clean proposal, widen the margin of the others."""
    if not searches:
        return
    flow = power_flow.run(np.stack([search.net_wh for search in searches]))
    broken = {violation.mtu for violation in power_flow.violations(flow)}
    for at, search in enumerate(searches):
        if at in broken:
            search.margin += search.proposed
            continue
        search.clean += search.proposed
        search.over = search.clean >= CLEAN_ROUNDS
        cost = _cost(search)
        if cost < search.cost:
            search.cost, search.best_wh = cost, search.net_wh


def _share_out(power_flow: PowerFlow, search: _Search) -> None:
    """Find the largest common share by AC power flow: of all export where that is enough, else of everything."""
    scheduled = search.situation.net_wh
    for chosen in (scheduled < 0, scheduled != 0):

        def kept(steps: int, chosen: NDArray[np.bool_] = chosen) -> Ints:
            shared = np.sign(scheduled) * (np.abs(scheduled) * steps // FACTOR_STEPS)
            return np.where(chosen, shared, scheduled)

        if power_flow.violations(power_flow.run(kept(0)[None, :])):
            continue
        low, high = 0, FACTOR_STEPS
        while high - low > 1:
            middle = (low + high) // 2
            clean = not power_flow.violations(power_flow.run(kept(middle)[None, :]))
            low, high = (middle, high) if clean else (low, middle)
        search.best_wh = kept(low)
        return


def _cost(search: _Search) -> Cost:
    """Cost of what a proposal sheds, by the same measure as the linear model."""
    shed = np.abs(search.situation.net_wh - search.net_wh).astype(float).tolist()
    imported = exported = 0.0
    for part in search.parts:
        taken = min(part.energy_wh, shed[part.point])
        shed[part.point] -= taken
        if part.exports:
            exported += taken * part.cost
        else:
            imported += taken * part.cost
    return imported, exported


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


def _binding(elements: Iterable[_Element], at: int, search: _Search) -> tuple[Violation, ...]:
    """What keeps the energy of state `at` from being more, in a fixed order: the elements at the limit that they broke
    before, else the one nearest to its limit. Each with the value it had when it was first looked at."""
    found: dict[tuple[str, str], Violation] = {}
    room: dict[tuple[str, str], float] = {}
    for element in elements:
        value = float(element.values[at])
        if not isfinite(value):
            return ()
        near = BINDING_LOADING_MICRO if element.quantity == "loading" else BINDING_VOLTAGE_MICRO
        found[element.name] = search.watched.get(element.name) or element.violation(value)
        room[element.name] = element.sign * (element.limit_micro - value) / near
    broken = [name for name, first in search.watched.items() if _beyond(first)] or list(room)
    reach = max(1.0, min(room[name] for name in broken))
    tight = [found[name] for name in broken if room[name] <= reach]
    return tuple(sorted(tight, key=lambda one: (one.kind, one.code, one.quantity)))


def _beyond(violation: Violation) -> bool:
    """Whether the value is on the wrong side of its limit."""
    above = violation.value_micro - violation.limit_micro
    return above < 0 if violation.quantity == "undervoltage" else above > 0


@dataclass(slots=True)
class _Element:
    """One limit of one element over all states: values in 1e-6, and the sign that makes a fall an improvement."""

    kind: str
    code: str
    quantity: str
    limit_micro: int
    near_micro: int
    values: Floats
    sign: float

    @property
    def name(self) -> tuple[str, str]:
        """Code and quantity: what tells it from all others."""
        return self.code, self.quantity

    def violation(self, value_micro: float) -> Violation:
        """The element with one of its values."""
        return Violation(0, self.kind, self.code, self.quantity, round(value_micro), self.limit_micro)


def _elements(power_flow: PowerFlow, flow: Flow) -> Iterable[_Element]:
    """Every limit of the grid: both ends of each bus's band, then each branch."""
    grid, voltage, loading = power_flow.grid, flow.voltage_pu * MICRO, flow.loading * MICRO
    for at, bus in enumerate(grid.buses):
        high, low, values = bus.highest_micro_pu, bus.lowest_micro_pu, voltage[:, at]
        yield _Element("bus", bus.code, "overvoltage", high, high - NEAR_VOLTAGE_MICRO, values, 1.0)
        yield _Element("bus", bus.code, "undervoltage", low, low + NEAR_VOLTAGE_MICRO, values, -1.0)
    for at, code in enumerate(power_flow.branch_codes):
        kind = "line" if at < len(grid.lines) else "transformer"
        yield _Element(kind, code, "loading", LOADING_LIMIT_MICRO, NEAR_LOADING_MICRO, loading[:, at], 1.0)


def _linearise(power_flow: PowerFlow, searches: Sequence[_Search]) -> list[list[_Row] | None]:
    """Rows of each MTU at its net energies at hand; None where the power flow has no solution there.

    One scenario per bus and direction tells what a little more of it does; points of one bus share it.
    """
    scenarios, owners = [], []
    for search in searches:
        scheduled = search.situation.net_wh
        probes = _probe_points(scheduled, power_flow.point_bus, imports=search.imports)
        batch = np.repeat(search.net_wh[None, :] * float(MTUS_PER_HOUR), len(probes) + 1, axis=0)
        for at, point in enumerate(probes, start=1):
            batch[at, point] += np.sign(scheduled[point]) * PROBE_W
        scenarios.append(batch)
        owners.append(probes)
    flow = power_flow.run_watts(np.concatenate(scenarios))
    rows: list[list[_Row] | None] = []
    start = 0
    for search, probes in zip(searches, owners, strict=True):
        part = slice(start, start + len(probes) + 1)
        start = part.stop
        own = Flow(flow.voltage_pu[part], flow.loading[part], flow.solved[part])
        rows.append(_rows(power_flow, own, search, probes) if own.solved.all() else None)
    return rows


def _probe_points(net_wh: Ints, bus_of: Ints, *, imports: bool) -> list[int]:
    """One point per bus and direction that may be capped: the one with most energy stands for its neighbours there."""
    chosen: dict[tuple[int, bool], int] = {}
    for point in np.argsort(-np.abs(net_wh), kind="stable").tolist():
        if net_wh[point] < 0 or (imports and net_wh[point] > 0):
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
    for element in _near(power_flow, flow, search.watched):
        values, sign = element.values, element.sign
        lowered = sign * (values[1:] - values[0]) * MTUS_PER_HOUR / PROBE_W
        per_point = np.append(lowered, 0.0)[owner]
        most = np.abs(per_point).max(initial=0.0)
        per_point[np.abs(per_point) < SMALLEST_SHARE * most] = 0.0
        size = LOADING_MARGIN_MICRO if element.quantity == "loading" else VOLTAGE_MARGIN_MICRO
        needed = sign * (float(values[0]) - element.limit_micro) + float(per_point @ shed)
        rows.append(_Row(needed + search.margin * size, per_point))
    return rows


def _near(power_flow: PowerFlow, flow: Flow, watched: dict[tuple[str, str], Violation]) -> Iterable[_Element]:
    """Elements that are, or once were, at or near a limit; their values begin with the base, the probes follow.

    `watched` keeps each with the value it had when first seen: before any envelope.
    """
    for element in _elements(power_flow, flow):
        value = float(element.values[0])
        if element.sign * (value - element.near_micro) > 0:
            watched.setdefault(element.name, element.violation(value))
        if element.name in watched:
            yield element


def _parts(situation: Situation) -> list[_Part]:
    """What may be capped, by point, cheapest first; together no more than the point's net energy."""
    parts: list[_Part] = []
    for point in np.flatnonzero(situation.net_wh).tolist():
        scheduled = left = float(abs(situation.net_wh[point]))
        for part in _all_parts(situation, point, scheduled=scheduled, exports=bool(situation.net_wh[point] < 0)):
            energy = min(part.energy_wh, left)
            left -= energy
            if energy > 0:
                parts.append(part if energy == part.energy_wh else replace(part, energy_wh=energy))
    return parts


def _all_parts(situation: Situation, point: int, *, scheduled: float, exports: bool) -> list[_Part]:
    """A point's energy of one direction, cheapest first: untraded in steps, then each trade, least surplus first."""
    trades = sorted(
        (situation.sold if exports else situation.bought).get(point, ()), key=lambda trade: trade.surplus_neur_per_wh
    )
    untraded = max(scheduled - sum(trade.energy_wh for trade in trades), 0.0)
    steps = [
        _Part(point, untraded / UNTRADED_STEPS, UNTRADED_COST * (1 + UNTRADED_STEP_COST * number), exports, False)
        for number in range(UNTRADED_STEPS)
    ]
    costs = [TRADED_COST + max(trade.surplus_neur_per_wh, 0) / NEUR_PER_COST for trade in trades]
    return steps + [
        _Part(point, float(trade.energy_wh), cost, exports, True) for trade, cost in zip(trades, costs, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Model:
    """The linear model of one MTU: what has to fall by how much, and what may be shed for it."""

    rows: Sequence[_Row]
    parts: Sequence[_Part]
    points: int

    def of(self, *, exports: bool, shed: Floats) -> _Model:
        """What is left to do, by the parts of one direction, once `shed` is given up."""
        rows = [replace(row, needed=row.needed - float(row.lowered_per_wh @ shed)) for row in self.rows]
        return replace(self, rows=rows, parts=[part for part in self.parts if part.exports == exports])


@dataclass(frozen=True, slots=True)
class _Shed:
    """Wh to shed per point; `short`: the linear model needs more than there is to shed."""

    wh: Floats
    short: bool


def _solve(modelled: Sequence[tuple[_Search, list[_Row]]]) -> list[_Shed | None]:
    """Wh to shed per point of each MTU at least cost so that every row falls as needed; half of it where that is out of
    reach. Import is asked only for what export can't do. None where the solver failed."""
    models = [_Model(rows, search.parts, len(search.net_wh)) for search, rows in modelled]
    sheds = _least_cost([model.of(exports=True, shed=np.zeros(model.points)) for model in models])
    for at, ((search, _), model) in enumerate(zip(modelled, models, strict=True)):
        first = sheds[at]
        if first is not None and first.short and search.imports:
            (more,) = _least_cost([model.of(exports=False, shed=first.wh)])
            sheds[at] = None if more is None else _Shed(first.wh + more.wh, more.short)
    return [replace(one, wh=one.wh * DAMPING) if one is not None and one.short else one for one in sheds]


def _least_cost(models: Sequence[_Model]) -> list[_Shed | None]:
    """Solve all models as one program; each alone where that fails. None where the solver fails for one alone too."""
    try:
        return list(_program(models))
    except SolverFailed:
        return [_alone(model) for model in models]


def _alone(model: _Model) -> _Shed | None:
    for _ in range(SOLVER_TRIES):
        try:
            return _program([model])[0]
        except SolverFailed:
            continue
    return None


def _program(models: Sequence[_Model]) -> list[_Shed]:
    """One linear program over MTUs that have nothing in common: cheaper than one each. Raises SolverFailed."""
    program, added = Minimise("envelopes"), []
    for model in models:
        parts = _helpful(model)
        numbers = [program.variable(highest=part.energy_wh, cost=part.cost) for part in parts]
        untraded = [(n, part) for n, part in zip(numbers, parts, strict=True) if part.exports and not part.traded]
        _share_fairly(program, untraded)
        added.append((parts, numbers, _add_rows(program, model, list(zip(numbers, parts, strict=True)))))
    values = program.solve()
    sheds = []
    for model, (parts, numbers, short) in zip(models, added, strict=True):
        shed = np.zeros(model.points)
        for number, part in zip(numbers, parts, strict=True):
            shed[part.point] += values[number]
        sheds.append(_Shed(shed, any(values[number] > SHORTFALL_LEAST_WH for number in short)))
    return sheds


def _helpful(model: _Model) -> list[_Part]:
    """The parts of points that lower something that has to fall."""
    helps = np.zeros(model.points, dtype=np.bool_)
    for row in model.rows:
        if row.needed > 0:
            helps |= row.lowered_per_wh > 0
    return [part for part in model.parts if helps[part.point]]


def _add_rows(program: Minimise, model: _Model, shed: Sequence[tuple[int, _Part]]) -> list[int]:
    """A row for each element that has to fall, or that what is shed would raise; the numbers of their shortfalls."""
    points = sorted({part.point for _, part in shed})
    short = []
    for row in model.rows:
        if row.needed <= 0 and not bool((row.lowered_per_wh[points] < 0).any()):
            continue
        scale = float(np.abs(row.lowered_per_wh).max(initial=0.0)) or 1.0
        factors = (row.lowered_per_wh / scale).tolist()
        short.append(program.variable(highest=None, cost=SHORTFALL_COST))
        terms = [(number, factors[part.point]) for number, part in shed if factors[part.point] != 0.0]
        program.at_least([(short[-1], 1.0), *terms], row.needed / scale)
    return short


def _share_fairly(program: Minimise, parts: Sequence[tuple[int, _Part]]) -> None:
    """Let the largest share that any point gives up of its untraded export cost a little."""
    own: dict[int, list[tuple[int, float]]] = {}
    for number, part in parts:
        own.setdefault(part.point, []).append((number, part.energy_wh))
    total = sum(part.energy_wh for _, part in parts)
    largest = program.variable(highest=1.0, cost=FAIRNESS_COST * UNTRADED_COST * total)
    for terms in own.values():
        energy = sum(wh for _, wh in terms)
        program.at_least([(largest, energy), *((number, -1.0) for number, _ in terms)], 0.0)
