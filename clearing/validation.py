"""Validation of one program: all MTUs of one gate, cleared, checked by AC power flow, capped and cleared again.

What flows is the schedule of each point, traded or not, within its envelopes; a point that sells more than it scheduled
is taken to feed in what it sold. Caps are found per MTU, only ever fall, and a MTU that stays beyond a limit is given
up: its result is empty. The outcome is the same bytes for the same set of orders, schedules and grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearing.auction import clear
from clearing.book import Book, Clearing, Ints
from clearing.caps import NO_POINT, apply_caps
from clearing.model_of_record import SolverRefused, clear_by_model
from domain.errors import DominoesError
from domain.hashing import hash_json
from domain.units import NeurPerWh
from domain.words import OrderWord
from grid.envelope import Envelope
from grid.envelopes.search import Plan, Situation, Trade, plan_envelopes
from grid.linear_program import SolverFailed
from grid.model import GridModel
from grid.powerflow import Flow, PowerFlow, Violation
from grid.report import MtuReport, build_report, envelope_entries

ROUNDS_MAX = 4
"""Clearings of one MTU at most, the first included; after that the MTU is given up."""

MODEL_ORDERS_MAX = 2_048
"""Books up to this size (one page) are cleared by the model of record, larger ones by the numeric path equal to it."""

Clear = Callable[[Book], Clearing]


class BadSchedule(DominoesError):
    """Schedules do not fit the program: wrong shape or type, or an order of a point that the grid does not have."""

    code = "bad-schedule"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the program's input does not fit: {reason}; give one row per point and one column per MTU")


@dataclass(frozen=True, slots=True, eq=False)
class MtuBook:
    """A book with the point index of each order (`points`, in the book's order); NO_POINT stands outside the grid."""

    book: Book
    points: Ints

    @classmethod
    def from_orders(cls, orders: Iterable[tuple[OrderWord, int]]) -> MtuBook:
        """From (word, point index) pairs in any order. Raises BookNotSorted where a tag repeats."""
        ordered = sorted(orders, key=lambda order: order[0].tag)
        points = np.array([point for _, point in ordered], dtype=np.int64)
        return cls(Book.from_words(word for word, _ in ordered), points)


@dataclass(frozen=True, slots=True)
class MtuResult:
    """Result of one MTU: complete words, price (None without a trade), lots traded. `given_up`: empty by validation."""

    mtu: int
    words: tuple[OrderWord, ...]
    price_neur_per_wh: NeurPerWh | None
    traded_lots: int
    given_up: bool
    rounds: int
    envelopes: Mapping[int, Envelope]


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """A validated program: results in MTU order, the report the DSO signs, and its hash.

    `envelopes`: {point index: {mtu: Envelope}}. `fallbacks`: (mtu, reason) where the solver failed: the numeric path
    cleared instead, with the same result, or what all may keep was shared out by AC power flow; the report holds them.
    """

    results: tuple[MtuResult, ...]
    envelopes: Mapping[int, Mapping[int, Envelope]]
    report: Mapping[str, Any]
    report_hash: bytes
    grid_model_hash: bytes
    fallbacks: tuple[tuple[int, str], ...]

    def envelopes_json(self, grid: GridModel) -> list[dict[str, Any]]:
        """Envelopes as journalled, by MTU then point index: null where a direction is not limited."""
        return envelope_entries(grid, self.envelopes)


@dataclass(slots=True)
class _State:
    """One MTU while its program is being validated."""

    mtu: int
    orders: MtuBook
    scheduled_wh: Ints
    book: Book
    clearing: Clearing
    envelopes: dict[int, Envelope]
    findings: list[Violation]
    binding: list[Violation]
    rounds: int = 1
    given_up: bool = False


class _Clearer:
    """Clears by the model of record; by the numeric path where the solver fails or the book is large."""

    def __init__(self, model: Clear) -> None:
        self._model = model
        self.fallbacks: list[tuple[int, str]] = []

    def __call__(self, mtu: int, book: Book) -> Clearing:
        if len(book) > MODEL_ORDERS_MAX:
            return clear(book)
        try:
            return self._model(book)
        except (SolverFailed, SolverRefused) as error:
            self.fallbacks.append((mtu, str(error)))
            return clear(book)


def validate_program(
    *,
    books: Sequence[MtuBook],
    schedules_wh: Ints,
    grid: GridModel,
    first_mtu: int,
    lot_wh: int,
    rounds_max: int = ROUNDS_MAX,
    power_flow: PowerFlow | None = None,
    model: Clear = clear_by_model,
) -> ProgramResult:
    """Clear and validate one program.

    `books[i]` is that of MTU `first_mtu + i`; `schedules_wh[point, i]` the net schedule in Wh, + = import. `power_flow`
    may be given to spare building it again. Raises BadSchedule, PowerFlowFailed.
    """
    _check_input(books, schedules_wh, grid)
    flow_model = power_flow or PowerFlow(grid)
    clearer = _Clearer(model)
    states = [_start(first_mtu + at, orders, schedules_wh[:, at], clearer) for at, orders in enumerate(books)]
    flow = _validate(states, flow_model, clearer, lot_wh=lot_wh, rounds_max=rounds_max)
    by_point: dict[int, dict[int, Envelope]] = {}
    for state in states:
        for point in sorted(state.envelopes):
            by_point.setdefault(point, {})[state.mtu] = state.envelopes[point]
    report = build_report(
        power_flow=flow_model,
        flow=flow,
        mtus=[
            MtuReport(s.mtu, s.rounds, s.given_up, s.findings, s.binding, s.envelopes, s.scheduled_wh) for s in states
        ],
        schedules_wh=schedules_wh,
        envelopes=by_point,
        lot_wh=lot_wh,
        rounds_max=rounds_max,
        fallbacks=sorted(clearer.fallbacks),
    )
    return ProgramResult(
        results=tuple(_result(state) for state in states),
        envelopes=by_point,
        report=report,
        report_hash=hash_json(report),
        grid_model_hash=grid.grid_model_hash,
        fallbacks=tuple(sorted(clearer.fallbacks)),
    )


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


def _start(mtu: int, orders: MtuBook, scheduled_wh: Ints, clearer: _Clearer) -> _State:
    """The MTU cleared without caps."""
    book = apply_caps(orders.book, points=orders.points, envelopes={}, lot_wh=1)
    return _State(mtu, orders, scheduled_wh.astype(np.int64), book, clearer(mtu, book), {}, [], [])


def _validate(states: list[_State], power_flow: PowerFlow, clearer: _Clearer, *, lot_wh: int, rounds_max: int) -> Flow:
    """Check all MTUs, cap and clear again those beyond a limit until they are clean or given up; the final flows."""
    flow = power_flow.run(np.stack([_net_wh(state, lot_wh) for state in states])) if states else _no_flow(power_flow)
    todo = _broken(states, power_flow.violations(flow))
    while todo:
        situations = {at: _situation(states[at], lot_wh) for at in todo if states[at].rounds < rounds_max}
        plans = plan_envelopes(power_flow=power_flow, situations=situations)
        for at in todo:
            plan = plans.get(at)
            if plan is not None and plan.failure is not None:
                clearer.fallbacks.append((states[at].mtu, plan.failure))
            _next_round(states[at], plan, clearer, lot_wh=lot_wh)
        checked = power_flow.run(np.stack([_net_wh(states[at], lot_wh) for at in todo]))
        flow.voltage_pu[todo], flow.loading[todo], flow.solved[todo] = (
            checked.voltage_pu,
            checked.loading,
            checked.solved,
        )
        still = {todo[violation.mtu] for violation in power_flow.violations(checked)}
        todo = [at for at in todo if at in still and not states[at].given_up]
    return flow


def _no_flow(power_flow: PowerFlow) -> Flow:
    """The state over no MTU at all."""
    buses, branches = len(power_flow.grid.buses), len(power_flow.branch_codes)
    return Flow(np.zeros((0, buses)), np.zeros((0, branches)), np.zeros(0, dtype=np.bool_))


def _broken(states: list[_State], violations: Sequence[Violation]) -> list[int]:
    for violation in violations:
        states[violation.mtu].findings.append(violation)
    return [at for at, state in enumerate(states) if state.findings]


def _next_round(state: _State, plan: Plan | None, clearer: _Clearer, *, lot_wh: int) -> None:
    """Take a plan's envelopes and clear again, or give the MTU up where there is none."""
    if plan is not None:
        known = {(violation.kind, violation.code, violation.quantity) for violation in state.binding}
        state.binding += [v for v in plan.binding if (v.kind, v.code, v.quantity) not in known]
    if plan is None or plan.envelopes is None:
        state.given_up = True
        state.envelopes = {}
        return
    for point, envelope in plan.envelopes.items():
        state.envelopes[point] = envelope.within(state.envelopes.get(point, Envelope()))
    state.book = apply_caps(state.orders.book, points=state.orders.points, envelopes=state.envelopes, lot_wh=lot_wh)
    state.clearing = clearer(state.mtu, state.book)
    state.rounds += 1


def _net_wh(state: _State, lot_wh: int) -> Ints:
    """What flows at each point: its schedule, at least what it sold, within its envelope."""
    net = state.scheduled_wh.copy()
    if not state.given_up:
        sold = state.book.is_ask & (state.clearing.accepted_lots > 0) & (state.orders.points != NO_POINT)
        sold_wh = np.zeros_like(net)
        np.add.at(sold_wh, state.orders.points[sold], state.clearing.accepted_lots[sold] * lot_wh)
        net = np.where(sold_wh > 0, np.minimum(net, -sold_wh), net)
    for point, envelope in state.envelopes.items():
        if envelope.import_wh is not None:
            net[point] = min(net[point], envelope.import_wh)
        if envelope.export_wh is not None:
            net[point] = max(net[point], -envelope.export_wh)
    return net


def _situation(state: _State, lot_wh: int) -> Situation:
    sold: dict[int, list[Trade]] = {}
    bought: dict[int, list[Trade]] = {}
    price = state.clearing.price_neur_per_wh or 0
    served = np.flatnonzero((state.clearing.accepted_lots > 0) & (state.orders.points != NO_POINT))
    for position in served.tolist():
        limit = int(state.book.limit_neur_per_wh[position])
        is_ask = bool(state.book.is_ask[position])
        trade = Trade(
            energy_wh=int(state.clearing.accepted_lots[position]) * lot_wh,
            surplus_neur_per_wh=price - limit if is_ask else limit - price,
        )
        (sold if is_ask else bought).setdefault(int(state.orders.points[position]), []).append(trade)
    return Situation(_net_wh(state, lot_wh), sold, bought)


def _result(state: _State) -> MtuResult:
    if state.given_up:
        return MtuResult(state.mtu, (), None, 0, True, state.rounds, {})
    return MtuResult(
        mtu=state.mtu,
        words=state.book.words(state.clearing.accepted_lots),
        price_neur_per_wh=state.clearing.price_neur_per_wh,
        traded_lots=state.clearing.traded_lots,
        given_up=False,
        rounds=state.rounds,
        envelopes=dict(state.envelopes),
    )
