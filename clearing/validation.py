"""Validation of one program: all MTUs of one gate, cleared, checked by AC power flow, capped and cleared again.

What flows is the schedule of each point, traded or not, within its envelopes; a point that sells more than it scheduled
is taken to feed in what it sold. Caps are found per MTU, only ever fall, and a MTU that stays beyond a limit is given
up: its result is empty. The outcome is the same bytes for the same set of orders, schedules and grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clearing.book import Ints
from clearing.caps import NO_POINT
from clearing.clearer import ClearBook, Clearer
from clearing.earlier import Earlier, earlier_hash, positions_of
from clearing.model_of_record import clear_by_model
from clearing.mtu import MtuInValidation
from clearing.program import MtuBook, ValidatedProgram
from domain.errors import DominoesError
from grid.envelope import Envelope
from grid.envelopes import plan_envelopes
from grid.model import GridModel
from grid.powerflow import GridStates, PowerFlow
from grid.report import MtuReport, PowerFlowReport, SolverFallback

ROUNDS_MAX = 4
"""Clearings of one MTU at most, the first included; after that the MTU is given up."""


class BadSchedule(DominoesError):
    """Schedules do not fit the program: wrong shape or type, or an order of a point that the grid does not have."""

    code = "bad-schedule"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the program's input does not fit: {reason}; give one row per point and one column per MTU")


def validate_program(
    *,
    books: Sequence[MtuBook],
    schedules_wh: Ints,
    power_flow: PowerFlow,
    first_mtu: int,
    lot_wh: int,
    earlier: Sequence[Earlier] | None = None,
    policy_hash: bytes | None = None,
    rounds_max: int = ROUNDS_MAX,
    model: ClearBook = clear_by_model,
) -> ValidatedProgram:
    """Clear and validate one program on a grid.

    `books[i]` is that of MTU `first_mtu + i`; `schedules_wh[point, i]` the net schedule in Wh, + = import; `earlier[i]`
    what markets with earlier gates left (nothing where None); `policy_hash`: the signing policy in force, which the
    report names. Raises BadSchedule.
    """
    _check_input(books, schedules_wh, power_flow.grid)
    before = earlier or [Earlier.none(len(power_flow.grid.points))] * len(books)
    clearer = Clearer(model)
    mtus = [
        MtuInValidation.begin(first_mtu + at, orders, schedules_wh[:, at], clearer, lot_wh=lot_wh, earlier=before[at])
        for at, orders in enumerate(books)
    ]
    states = _cap_until_clean(mtus, power_flow, clearer, rounds_max=rounds_max)
    report = PowerFlowReport(
        power_flow=power_flow,
        states=states,
        mtus=[MtuReport(m.mtu, m.rounds, m.given_up, m.findings, m.binding, m.envelopes, m.scheduled_wh) for m in mtus],
        schedules_wh=schedules_wh,
        earlier_hash=_earlier_hash(before, power_flow.grid, first_mtu),
        policy_hash=policy_hash,
        envelopes=_by_point(mtus),
        lot_wh=lot_wh,
        rounds_max=rounds_max,
        fallbacks=sorted(clearer.fallbacks, key=lambda fallback: (fallback.mtu, fallback.reason)),
    )
    return ValidatedProgram(tuple(mtu.result() for mtu in mtus), report)


def _earlier_hash(before: Sequence[Earlier], grid: GridModel, first_mtu: int) -> bytes:
    """Hash of what the program stands on, so that the DSO signs it with what came of it."""
    codes = [point.code for point in grid.points]
    return earlier_hash(positions_of(before, points=codes, first_mtu=first_mtu))


def _check_input(books: Sequence[MtuBook], schedules_wh: Ints, grid: GridModel) -> None:
    if schedules_wh.shape != (len(grid.points), len(books)):
        raise BadSchedule(reason=f"shape {schedules_wh.shape} for {len(grid.points)} points and {len(books)} MTUs")
    if not np.issubdtype(schedules_wh.dtype, np.integer):
        raise BadSchedule(reason=f"type {schedules_wh.dtype} is not whole Wh")
    for orders in books:
        if len(orders.points) != len(orders.book):
            raise BadSchedule(reason="a book has not one point per order")
        if len(orders.points) and not NO_POINT <= orders.points.min() <= orders.points.max() < len(grid.points):
            raise BadSchedule(reason="an order names a point the grid does not have")


def _cap_until_clean(
    mtus: Sequence[MtuInValidation], power_flow: PowerFlow, clearer: Clearer, *, rounds_max: int
) -> GridStates:
    """Check all MTUs, cap and clear again those beyond a limit until they are clean or given up; the final states."""
    if not mtus:
        return power_flow.no_states()
    states = power_flow.run(np.stack([mtu.net_wh() for mtu in mtus]))
    broken = power_flow.broken_limits(states)
    for at, findings in broken.items():
        mtus[at].findings.extend(findings)
    todo = list(broken)
    while todo:
        flows = {at: mtus[at].flows() for at in todo if mtus[at].rounds < rounds_max}
        plans = plan_envelopes(power_flow=power_flow, flows=flows)
        for at in todo:
            plan = plans.get(at)
            if plan is not None and plan.failure is not None:
                clearer.fallbacks.append(SolverFallback(mtus[at].mtu, plan.failure))
            mtus[at].take(plan, clearer)
        checked = power_flow.run(np.stack([mtus[at].net_wh() for at in todo]))
        states.replace(todo, checked)
        still = power_flow.broken_limits(checked)
        todo = [at for number, at in enumerate(todo) if number in still and not mtus[at].given_up]
    return states


def _by_point(mtus: Sequence[MtuInValidation]) -> dict[int, dict[int, Envelope]]:
    """The envelopes of all MTUs, by point index."""
    by_point: dict[int, dict[int, Envelope]] = {}
    for mtu in mtus:
        for point in sorted(mtu.envelopes):
            by_point.setdefault(point, {})[mtu.mtu] = mtu.envelopes[point]
    return by_point
