"""Validation against its bounds: the bare power-flow call, pandapower, and a PuLP LinDistFlow model of a day.

Every ratio is of two figures of the same run on the same machine (performance.md, tables (b) and (c)). The grid is
read once into a cache folder, which is not measured.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pulp

from clearing.program import MtuBook
from clearing.validation import validate_program
from grid.envelopes import MtuFlows, TradedEnergy, plan_envelopes
from grid.model import GridModel
from grid.powerflow import PowerFlow
from scripts.community.grids import PROFILE_ROWS, Community, load_community

GRID = "1-LV-semiurb4--2-sw"
BINDING_PV_PERMILLE = 5_000
"""PV factor at which many MTUs of the day break limits."""

TRADED_PERCENT = 80
"""Share of each point's export that is sold in the traded path."""

DAY = date(2016, 6, 21)
REPEATS = 3
PANDAPOWER_STEPS = 12
"""Steps given to pandapower; one takes about 10 ms."""

SINGLE_STEPS = 200
"""Calls of one step each."""


def _best(*functions: Callable[[], Any]) -> list[float]:
    """Best seconds of each, interleaved."""
    best = [float("inf")] * len(functions)
    for _ in range(REPEATS):
        for at, function in enumerate(functions):
            start = time.perf_counter()
            function()
            best[at] = min(best[at], time.perf_counter() - start)
    return best


def _net_year_wh(community: Community) -> np.ndarray:
    load = np.load(community.folder / "load.npy").astype(np.int64)
    generation = np.load(community.folder / "generation.npy").astype(np.int64)
    return (load - generation * community.pv_permille // 1000) // 1000


def _raw_batch(power_flow: PowerFlow, net_wh: np.ndarray) -> Callable[[], Any]:
    """The bound: power-grid-model's own call on arrays that are ready, all results, no limits compared."""
    import power_grid_model as pgm

    buses, at = np.unique(power_flow.point_bus, return_inverse=True)
    power = np.zeros((len(buses), len(net_wh)))
    np.add.at(power, at, net_wh.T * 4.0)
    update = pgm.initialize_array(pgm.DatasetType.update, pgm.ComponentType.sym_load, (len(net_wh), len(buses)))
    update["id"] = power_flow._load_ids
    update["p_specified"], update["q_specified"] = power.T, 0.329 * np.maximum(power.T, 0)
    wanted = [pgm.ComponentType.node, pgm.ComponentType.line, pgm.ComponentType.transformer]
    return lambda: power_flow._model.calculate_power_flow(
        update_data={pgm.ComponentType.sym_load: update},
        error_tolerance=1e-9,
        threading=-1,
        output_component_types=wanted,
    )


def _pandapower_step_s(community: Community, net_wh: np.ndarray) -> float:
    """Seconds per step of pandapower's fastest mode: recycled matrices, starting from the last result."""
    import pandapower
    import simbench

    net = simbench.get_simbench_net(community.grid.code)
    for kind in ("sgen", "storage"):
        getattr(net, kind).drop(getattr(net, kind).index, inplace=True)
    net.load.q_mvar = 0.0
    points = min(len(net.load), net_wh.shape[1])
    pandapower.runpp(net)
    recycle = {"bus_pq": True, "gen": False, "trafo": False}
    best = float("inf")
    for step in range(PANDAPOWER_STEPS):
        net.load.iloc[:points, net.load.columns.get_loc("p_mw")] = net_wh[step * 8, :points] * 4e-6
        start = time.perf_counter()
        pandapower.runpp(net, recycle=recycle, init="results")
        best = min(best, time.perf_counter() - start)
    return best


def _tree(grid: GridModel) -> list[tuple[str, str, float, float, float]]:
    """(parent bus, child bus, resistance ohm, reactance ohm, limit W) from the source outwards; the grid is radial."""
    edges = [
        (line.from_bus, line.to_bus, line.resistance_nohm / 1e9, line.reactance_nohm / 1e9, line.limit_ma * 0.693)
        for line in grid.lines
        if line.from_closed and line.to_closed
    ]
    edges += [(t.upper_bus, t.lower_bus, 0.0, 0.0, float(t.rated_va)) for t in grid.transformers]
    seen, ordered, todo = {grid.source_bus}, [], list(edges)
    while todo:
        ready = [edge for edge in todo if edge[0] in seen or edge[1] in seen]
        if not ready:
            break
        for edge in ready:
            todo.remove(edge)
            ends = edge[:2] if edge[0] in seen else edge[1::-1]
            if ends[1] not in seen:
                seen.add(ends[1])
                ordered.append((*ends, *edge[2:]))
    return ordered


def _tree_model(grid: GridModel, nets_wh: np.ndarray) -> float:
    """PuLP tree model of many MTUs in one LP (LinDistFlow, active power): least energy shed; objective in kW."""
    edges = _tree(grid)
    problem = pulp.LpProblem("tree", pulp.LpMinimize)
    shed_all = []
    for mtu, net_wh in enumerate(nets_wh):
        draw: dict[str, list[Any]] = {bus.code: [] for bus in grid.buses}
        for at, (point, net) in enumerate(zip(grid.points, net_wh.tolist(), strict=True)):
            kw = net * 4 / 1000
            shed = problem.add_variable(f"s{mtu}_{at}", 0, abs(kw))
            shed_all.append(shed)
            draw[point.bus].append(kw + (shed if kw < 0 else -shed))
        flows = [problem.add_variable(f"f{mtu}_{n}", -e[4] / 1000, e[4] / 1000) for n, e in enumerate(edges)]
        square = {
            bus.code: problem.add_variable(
                f"v{mtu}_{n}", (bus.lowest_micro_pu / 1e6) ** 2, (bus.highest_micro_pu / 1e6) ** 2
            )
            for n, bus in enumerate(grid.buses)
        }
        problem += square[grid.source_bus] == (grid.source_micro_pu / 1e6) ** 2
        for number, (parent, child, resistance, _, _) in enumerate(edges):
            onward = pulp.lpSum(flows[n] for n, edge in enumerate(edges) if edge[0] == child)
            problem += flows[number] == onward + pulp.lpSum(draw[child])
            problem += square[child] == square[parent] - 2 * resistance * 1000 / 160_000 * flows[number]
    problem += pulp.lpSum(shed_all)
    problem.solve(pulp.HiGHS(msg=False, threads=1))
    return float(pulp.value(problem.objective))


def _traded(flows: MtuFlows) -> MtuFlows:
    """The same flows with most of each point's export sold in two orders of different surplus."""
    sold = {
        int(point): [
            TradedEnergy(int(-flows.net_wh[point]) * TRADED_PERCENT // 200, 1_000 * (int(point) % 7 + 100 * order))
            for order in (0, 1)
        ]
        for point in np.flatnonzero(flows.net_wh < 0)
    }
    return MtuFlows(flows.net_wh, sold, {})


def _envelope_ratio(community: Community, seconds: dict[str, float]) -> dict[str, Any]:
    """Envelopes of the binding MTUs of a day, AC checks included, against one PuLP tree LP of the same MTUs."""
    profile = community.day_profile(DAY)
    net_wh = (profile.load_wh - profile.generation_wh).T
    power_flow = PowerFlow(community.grid)
    broken = list(power_flow.broken_limits(power_flow.run(net_wh)))
    scheduled = {mtu: MtuFlows(net_wh[mtu], {}, {}) for mtu in broken}
    plans = plan_envelopes(power_flow=power_flow, flows=scheduled)
    ours, tree = _best(
        lambda: plan_envelopes(power_flow=power_flow, flows=scheduled),
        lambda: _tree_model(community.grid, net_wh[broken]),
    )
    seconds[f"plan_envelopes, {len(broken)} MTUs"], seconds["PuLP tree LP of the same"] = ours, tree
    traded = {mtu: _traded(flows) for mtu, flows in scheduled.items()}
    with_trade, again = _best(
        lambda: plan_envelopes(power_flow=power_flow, flows=traded),
        lambda: _tree_model(community.grid, net_wh[broken]),
    )
    seconds[f"plan_envelopes of the same, {TRADED_PERCENT} % traded"] = with_trade
    capped = net_wh.copy()
    for mtu, plan in plans.items():
        for point, envelope in (plan.envelopes or {}).items():
            capped[mtu, point] = max(capped[mtu, point], -(envelope.export_wh or 0))
    left = power_flow.broken_limits(power_flow.run(capped))
    return {
        "plan_envelopes with AC checks / PuLP tree LP": {"value": round(ours / tree, 3), "at_most": 1.2},
        "plan_envelopes of traded export / PuLP tree LP": {"value": round(with_trade / again, 3), "at_most": 1.2},
        "AC violations after correction": {"value": sum(map(len, left.values())), "at_most": 0},
    }


def run() -> dict[str, Any]:
    """Measure; seconds, and ratios with their bounds."""
    with tempfile.TemporaryDirectory() as folder:
        community = load_community(grid_code=GRID, cache=Path(folder))
        binding = load_community(grid_code=GRID, cache=Path(folder), pv_permille=BINDING_PV_PERMILLE)
        year_wh = _net_year_wh(community)
        seconds: dict[str, float] = {}
        ratios: dict[str, Any] = {}
        power_flow = PowerFlow(community.grid)
        ours, raw = _best(lambda: power_flow.broken_limits(power_flow.run(year_wh)), _raw_batch(power_flow, year_wh))
        seconds["year, with violations"], seconds["year, bare batch call"] = ours, raw
        ratios["year with violations / bare batch call"] = {"value": round(ours / raw, 3), "at_most": 1.5}
        step = _pandapower_step_s(community, year_wh)
        seconds["pandapower recycle, one step"] = step
        ratios["pandapower recycle, scaled to a year / ours"] = {
            "value": round(step * PROFILE_ROWS / ours, 1),
            "at_least": 100.0,
        }
        raw_one = _raw_batch(power_flow, year_wh[:1])
        one = year_wh[:1]
        single, bare = _best(
            lambda: [power_flow.broken_limits(power_flow.run(one)) for _ in range(SINGLE_STEPS)],
            lambda: [raw_one() for _ in range(SINGLE_STEPS)],
        )
        seconds["one step a call, with violations"], seconds["one step a bare call"] = (
            single / SINGLE_STEPS,
            bare / SINGLE_STEPS,
        )
        ratios["one step with violations / bare call"] = {"value": round(single / bare, 3), "at_most": 2.0}
        ratios |= _envelope_ratio(binding, seconds)
        seconds["validate_program, a day without orders"] = _program_s(binding)
    return {
        "name": "validation",
        "seconds": {name: round(value, 6) for name, value in seconds.items()},
        "ratios": ratios,
    }


def _program_s(community: Community) -> float:
    profile = community.day_profile(DAY)
    empty = [MtuBook.from_orders([]) for _ in profile.mtus]
    (best,) = _best(
        lambda: validate_program(
            books=empty,
            schedules_wh=profile.load_wh - profile.generation_wh,
            power_flow=PowerFlow(community.grid),
            first_mtu=profile.mtus.first,
            lot_wh=10,
        )
    )
    return best


if __name__ == "__main__":
    import json

    print(json.dumps(run(), indent=2))
