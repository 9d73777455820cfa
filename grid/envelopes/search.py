"""The search for envelopes: propose on the linearised grid, check by AC power flow, go on nearer to the limits.

Where a limit is still broken, the grid is linearised again at the capped schedules with a larger margin; where there is
nothing to linearise (no power-flow solution) at half of them. Last, the AC power flow alone is asked for the largest
common share that all may keep. So a MTU is given up only where the grid breaks a limit without any of the energy that
may be capped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grid.envelope import Envelope
from grid.envelopes.binding import binding_limits
from grid.envelopes.elements import limit_columns
from grid.envelopes.flows import DEAREST, Floats, Ints, MtuFlows, Portion, ShedCost, cost_of, portions_of
from grid.envelopes.linearisation import LinearRow, WorkingPoint, linearise
from grid.envelopes.parameters import CLEAN_ROUNDS, LINEAR_ROUNDS, SHARE_STEPS, SHED_LEAST_WH
from grid.envelopes.shedding import LinearModel, solve
from grid.limits import LimitValue
from grid.powerflow import PowerFlow

SOLVER_GAVE_UP = "the solver gave no envelopes; what all may keep was shared out by AC power flow"
"""What is reported of a MTU whose linear program failed, alone and again."""


@dataclass(frozen=True, slots=True)
class EnvelopePlan:
    """Envelopes by point index (None where no caps help), the limits that bind, and the linear rounds taken.

    `failure` says why the solver failed, where it did.
    """

    envelopes: Mapping[int, Envelope] | None
    binding: tuple[LimitValue, ...]
    rounds: int
    failure: str | None = None


@dataclass(slots=True)
class _Search:
    """One MTU while its envelopes are sought: where it stands, and the cheapest clean net energies so far.

    `proposed`: whether the net energies at hand are those of a linear model.
    """

    flows: MtuFlows
    portions: Sequence[Portion]
    at: WorkingPoint
    failure: str | None = None
    clean: int = 0
    rounds: int = 0
    over: bool = False
    proposed: bool = False
    cost: ShedCost = DEAREST
    best_wh: Ints | None = None

    @classmethod
    def begin(cls, flows: MtuFlows) -> _Search:
        """At the schedules. Export alone is tried first, where there is any."""
        imports = not bool((flows.net_wh < 0).any())
        return cls(flows, portions_of(flows), WorkingPoint(flows.net_wh, flows.net_wh.copy(), imports))

    def halve(self) -> None:
        """Go to half of what is at hand, where it can't be linearised; nothing is left of nothing."""
        net_wh = self.at.net_wh
        self.proposed = False
        if net_wh.any():
            self.at.net_wh = np.sign(net_wh) * (np.abs(net_wh) // 2)
        else:
            self.over = True

    def shed(self, shed_wh: Floats, *, short: bool) -> None:
        """Go to what a linear model proposes."""
        if shed_wh.max(initial=0.0) < SHED_LEAST_WH:
            # nothing left that export can do: the next round also asks those who draw
            self.proposed, self.over, self.at.imports = False, self.at.imports, True
        else:
            self.proposed = True
            self.at.net_wh = _capped(self.flows.net_wh, shed_wh)
            self.at.imports |= short

    def give_up_solving(self) -> None:
        """No linear model any more: the AC power flow alone decides."""
        self.failure, self.over = SOLVER_GAVE_UP, True

    def judge(self, *, clean: bool) -> None:
        """Keep what is at hand where the AC power flow finds it clean and it is the cheapest; else widen the margin."""
        if not clean:
            self.at.margin += self.proposed
            return
        self.clean += self.proposed
        self.over = self.clean >= CLEAN_ROUNDS
        cost = cost_of(self.portions, np.abs(self.flows.net_wh - self.at.net_wh).astype(np.float64))
        if cost < self.cost:
            self.cost, self.best_wh = cost, self.at.net_wh

    def envelopes(self) -> dict[int, Envelope] | None:
        """An envelope for each point that may no longer do all it scheduled, in the direction it is limited."""
        before, after = self.flows.net_wh, self.best_wh
        if after is None:
            return None
        return {
            point: Envelope(import_wh=int(after[point]))
            if before[point] > 0
            else Envelope(export_wh=int(-after[point]))
            for point in np.flatnonzero(before != after).tolist()
        }


def plan_envelopes(*, power_flow: PowerFlow, flows: Mapping[int, MtuFlows]) -> dict[int, EnvelopePlan]:
    """Plan envelopes for each MTU (key) that breaks a limit; the MTUs are linearised, solved and checked together."""
    searches = {mtu: _Search.begin(of_mtu) for mtu, of_mtu in flows.items()}
    for _ in range(LINEAR_ROUNDS):
        todo = [search for search in searches.values() if not search.over]
        if todo:
            _propose(todo, linearise(power_flow, [search.at for search in todo]))
            _check(power_flow, [search for search in todo if not search.over])
    for search in searches.values():
        if search.best_wh is None:
            search.best_wh = _largest_common_share(power_flow, search.flows.net_wh)
    return _plans(power_flow, searches)


def _propose(searches: Sequence[_Search], rows: Sequence[list[LinearRow] | None]) -> None:
    """Solve the linear models, and move to what they propose; to half of what is at hand where there is no model."""
    modelled: list[tuple[_Search, LinearModel]] = []
    for search, own in zip(searches, rows, strict=True):
        search.rounds += 1
        if own is None:
            search.halve()
        else:
            model = LinearModel(own, search.portions, len(search.flows.net_wh), search.at.imports)
            modelled.append((search, model))
    for (search, _), shed in zip(modelled, solve([model for _, model in modelled]), strict=True):
        if shed is None:
            search.give_up_solving()
        else:
            search.shed(shed.wh, short=shed.short)


def _check(power_flow: PowerFlow, searches: Sequence[_Search]) -> None:
    """Check what was proposed by AC power flow."""
    if searches:
        broken = power_flow.broken_limits(power_flow.run(np.stack([search.at.net_wh for search in searches])))
        for at, search in enumerate(searches):
            search.judge(clean=at not in broken)


def _largest_common_share(power_flow: PowerFlow, scheduled_wh: Ints) -> Ints | None:
    """The net energies under the largest common share that the AC power flow finds clean: of all export where that is
    enough, else of everything. None where even without that energy a limit is broken."""
    for chosen in (scheduled_wh < 0, scheduled_wh != 0):
        if not _is_clean(power_flow, _kept(scheduled_wh, chosen, 0)):
            continue
        low, high = 0, SHARE_STEPS
        while high - low > 1:
            middle = (low + high) // 2
            clean = _is_clean(power_flow, _kept(scheduled_wh, chosen, middle))
            low, high = (middle, high) if clean else (low, middle)
        return _kept(scheduled_wh, chosen, low)
    return None


def _kept(scheduled_wh: Ints, chosen: NDArray[np.bool_], steps: int) -> Ints:
    """`steps` SHARE_STEPS-ths of what the chosen points scheduled, all of the others'."""
    shared = np.sign(scheduled_wh) * (np.abs(scheduled_wh) * steps // SHARE_STEPS)
    return np.where(chosen, shared, scheduled_wh)


def _is_clean(power_flow: PowerFlow, net_wh: Ints) -> bool:
    return not power_flow.broken_limits(power_flow.run(net_wh[None, :]))


def _capped(net_wh: Ints, shed_wh: Floats) -> Ints:
    """Net energy after shedding: what remains is rounded down to whole Wh, in either direction."""
    remaining = np.floor(np.maximum(np.abs(net_wh) - shed_wh, 0) + 1e-6).astype(np.int64)
    return np.sign(net_wh) * np.minimum(remaining, np.abs(net_wh))


def _plans(power_flow: PowerFlow, searches: Mapping[int, _Search]) -> dict[int, EnvelopePlan]:
    """The outcome of each search; what binds is seen from the state its envelopes leave, or from no flow at all."""
    if not searches:
        return {}
    left_wh = [np.zeros_like(one.flows.net_wh) if one.best_wh is None else one.best_wh for one in searches.values()]
    columns = list(limit_columns(power_flow, power_flow.run(np.stack(left_wh))))
    return {
        mtu: EnvelopePlan(
            search.envelopes(), binding_limits(columns, at, search.at.watched), search.rounds, search.failure
        )
        for at, (mtu, search) in enumerate(searches.items())
    }
