"""How elements near their limits answer to a Wh less at each point: sensitivities of the AC power flow itself.

One scenario per bus and direction tells what a little more of it does; points of one bus share it. No topology is
assumed, and losses and reactive power are in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from domain.units import MTUS_PER_HOUR
from grid.envelopes.elements import LimitColumn, limit_columns, of_quantity
from grid.envelopes.flows import Floats, Ints
from grid.envelopes.parameters import (
    LOADING_MARGIN_MICRO,
    NEAR_LOADING_MICRO,
    NEAR_VOLTAGE_MICRO,
    PROBE_W,
    SMALLEST_SHARE,
    VOLTAGE_MARGIN_MICRO,
)
from grid.limits import Limit, LimitValue
from grid.powerflow import GridStates, PowerFlow

Watched = dict[Limit, LimitValue]
"""Limits that are, or once were, near: each with the value it had when it was first seen, before any envelope."""


@dataclass(frozen=True, slots=True)
class LinearRow:
    """One element at or near a limit: by how much it must fall from its value without any envelope (in 1e-6, as the
    linear model has it), and how much each Wh shed at each point lowers it."""

    needed: float
    lowered_per_wh: Floats


@dataclass(slots=True)
class WorkingPoint:
    """Where one MTU is linearised: what was scheduled, and the net energies at hand (Wh, + = import).

    `imports`: whether import may be shed too. `margin`: how many times the margin is kept free of each limit.
    """

    scheduled_wh: Ints
    net_wh: Ints
    imports: bool
    margin: int = 1
    watched: Watched = field(default_factory=dict)


def linearise(power_flow: PowerFlow, points: Sequence[WorkingPoint]) -> list[list[LinearRow] | None]:
    """Rows of each MTU at its net energies at hand; None where the power flow has no solution there."""
    probes = [_probe_points(at.scheduled_wh, power_flow.point_bus, imports=at.imports) for at in points]
    scenarios = [_scenarios(at, probed) for at, probed in zip(points, probes, strict=True)]
    states = power_flow.run_watts(np.concatenate(scenarios))
    rows: list[list[LinearRow] | None] = []
    start = 0
    for at, probed in zip(points, probes, strict=True):
        own = states.part(slice(start, start + len(probed) + 1))
        start += len(probed) + 1
        rows.append(_rows(power_flow, own, at, probed) if own.solved.all() else None)
    return rows


def _probe_points(scheduled_wh: Ints, bus_of: Ints, *, imports: bool) -> list[int]:
    """One point per bus and direction that may be shed: the one with most energy stands for its neighbours there."""
    chosen: dict[tuple[int, bool], int] = {}
    for point in np.argsort(-np.abs(scheduled_wh), kind="stable").tolist():
        if scheduled_wh[point] < 0 or (imports and scheduled_wh[point] > 0):
            chosen.setdefault((int(bus_of[point]), bool(scheduled_wh[point] > 0)), point)
    return sorted(chosen.values())


def _scenarios(at: WorkingPoint, probes: Sequence[int]) -> Floats:
    """Net powers in W: as they are, then with a little more at each probe, in the direction it was scheduled."""
    batch: Floats = np.repeat(at.net_wh[None, :] * float(MTUS_PER_HOUR), len(probes) + 1, axis=0)
    for row, point in enumerate(probes, start=1):
        batch[row, point] += np.sign(at.scheduled_wh[point]) * PROBE_W
    return batch


def _rows(power_flow: PowerFlow, states: GridStates, at: WorkingPoint, probes: Sequence[int]) -> list[LinearRow]:
    """The elements at or near a limit with their sensitivities to a Wh shed at each point."""
    shed_wh = np.abs(at.scheduled_wh - at.net_wh).astype(np.float64)
    owner = _probe_of_each_point(at.scheduled_wh, power_flow.point_bus, probes)
    rows = []
    for column in _near(power_flow, states, at.watched):
        lowered = column.limit.sign * (column.values[1:] - column.values[0]) * MTUS_PER_HOUR / PROBE_W
        per_point = np.append(lowered, 0.0)[owner]
        most = np.abs(per_point).max(initial=0.0)
        per_point[np.abs(per_point) < SMALLEST_SHARE * most] = 0.0
        margin = at.margin * of_quantity(column.limit, loading=LOADING_MARGIN_MICRO, voltage=VOLTAGE_MARGIN_MICRO)
        needed = column.beyond_micro(0) + float(per_point @ shed_wh)
        rows.append(LinearRow(needed + margin, per_point))
    return rows


def _probe_of_each_point(scheduled_wh: Ints, bus_of: Ints, probes: Sequence[int]) -> Ints:
    """The number of the probe that stands for each point; -1 for those that are not asked."""
    number = {(int(bus_of[point]), bool(scheduled_wh[point] > 0)): at for at, point in enumerate(probes)}
    return np.array(
        [
            number.get((int(bus), bool(net > 0)), -1) if net else -1
            for bus, net in zip(bus_of, scheduled_wh, strict=True)
        ],
        dtype=np.int64,
    )


def _near(power_flow: PowerFlow, states: GridStates, watched: Watched) -> list[LimitColumn]:
    """Elements that are, or once were, at or near a limit; their values begin with the base, the probes follow."""
    near = []
    for column in limit_columns(power_flow, states):
        reach = of_quantity(column.limit, loading=NEAR_LOADING_MICRO, voltage=NEAR_VOLTAGE_MICRO)
        if column.beyond_micro(0) > -reach:
            watched.setdefault(column.limit, column.rounded(0))
        if column.limit in watched:
            near.append(column)
    return near
