"""What the search for envelopes is given: the flows of one MTU, and which part of them somebody traded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from grid.envelopes.parameters import (
    NEUR_PER_COST,
    TRADED_COST,
    UNTRADED_COST,
    UNTRADED_STEP_COST,
    UNTRADED_STEPS,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TradedEnergy:
    """Energy of one accepted order of a point (Wh), and the surplus in nEUR/Wh that its holder loses without it."""

    energy_wh: int
    surplus_neur_per_wh: int


@dataclass(frozen=True, slots=True)
class MtuFlows:
    """One MTU as it would flow: net energy per point (Wh, + = import), and what of it is sold and bought, by point."""

    net_wh: Ints
    sold: Mapping[int, Sequence[TradedEnergy]]
    bought: Mapping[int, Sequence[TradedEnergy]]


@dataclass(frozen=True, slots=True)
class Portion:
    """Energy of a point in one direction that may be shed at one cost per Wh; `traded` as part of an order."""

    point: int
    energy_wh: float
    cost: float
    exports: bool
    traded: bool


@dataclass(frozen=True, order=True, slots=True)
class ShedCost:
    """What is lost by shedding. Import counts first: it is shed only where it must be."""

    imports: float
    exports: float


DEAREST = ShedCost(float("inf"), float("inf"))
"""Above any cost there is."""


def portions_of(flows: MtuFlows) -> list[Portion]:
    """What may be shed, by point, cheapest first; together no more than the point's net energy."""
    portions: list[Portion] = []
    for point in np.flatnonzero(flows.net_wh).tolist():
        scheduled = left = float(abs(flows.net_wh[point]))
        for portion in _all_portions(flows, point, scheduled=scheduled, exports=bool(flows.net_wh[point] < 0)):
            energy = min(portion.energy_wh, left)
            left -= energy
            if energy > 0:
                portions.append(portion if energy == portion.energy_wh else replace(portion, energy_wh=energy))
    return portions


def _all_portions(flows: MtuFlows, point: int, *, scheduled: float, exports: bool) -> list[Portion]:
    """A point's energy of one direction, cheapest first: untraded in steps, then each trade, least surplus first."""
    trades = sorted(
        (flows.sold if exports else flows.bought).get(point, ()), key=lambda trade: trade.surplus_neur_per_wh
    )
    untraded = max(scheduled - sum(trade.energy_wh for trade in trades), 0.0)
    steps = [
        Portion(point, untraded / UNTRADED_STEPS, UNTRADED_COST * (1 + UNTRADED_STEP_COST * number), exports, False)
        for number in range(UNTRADED_STEPS)
    ]
    costs = [TRADED_COST + max(trade.surplus_neur_per_wh, 0) / NEUR_PER_COST for trade in trades]
    return steps + [
        Portion(point, float(trade.energy_wh), cost, exports, True) for trade, cost in zip(trades, costs, strict=True)
    ]


def cost_of(portions: Sequence[Portion], shed_wh: Floats) -> ShedCost:
    """Cost of what is shed at each point, cheapest portion first: the measure by which the linear program chooses."""
    left = shed_wh.tolist()
    imports = exports = 0.0
    for portion in portions:
        taken = min(portion.energy_wh, left[portion.point])
        left[portion.point] -= taken
        if portion.exports:
            exports += taken * portion.cost
        else:
            imports += taken * portion.cost
    return ShedCost(imports, exports)
