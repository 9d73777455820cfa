"""The clearing model of record: welfare, then volume, on price levels, written in PuLP and solved by HiGHS.

The solver only proposes how many lots each price level trades. Exact integers decide: the proposal is rounded, split
over the orders, and every rule of the market is checked again; what fails is refused, never repaired.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from clearing.auction import Levels, allocate, levels_of, margins
from clearing.book import Book, Clearing
from clearing.lp import Minimise, SolverFailed
from clearing.verify import Finding, check_clearing
from domain.errors import DominoesError

Proposal = tuple[list[float], list[float]]
"""Lots proposed per price level: of bids, of asks."""

Solve = Callable[[Levels], Proposal]


class SolverRefused(DominoesError):
    """What the solver proposed breaks a rule of the market: nothing was cleared."""

    code = "solver-refused"
    status = 503

    def __init__(self, *, findings: tuple[Finding, ...]) -> None:
        self.findings = findings
        rules = ", ".join(sorted({finding.check for finding in findings}))
        super().__init__(
            f"the solver's proposal breaks: {rules}; clear by the numeric path and keep the book for study"
        )


@dataclass(frozen=True, slots=True)
class _Curve:
    """One side's positive levels: index into the levels, limit, lots."""

    index: list[int]
    limit_neur_per_wh: list[int]
    lots: list[int]


def _curve(levels: Levels, *, asks: bool) -> _Curve:
    lots = levels.ask_lots if asks else levels.bid_lots
    index = np.flatnonzero(lots)
    return _Curve(index.tolist(), levels.limit_neur_per_wh[index].tolist(), lots[index].tolist())


def solve_levels(levels: Levels) -> Proposal:
    """Propose the lots each level trades by one linear program: greatest welfare, then greatest volume.

    Volume is preferred by half a nEUR/Wh per lot: limits are whole nEUR/Wh, so this decides only where bid = ask.
    Raises SolverFailed.
    """
    bids, asks = _curve(levels, asks=False), _curve(levels, asks=True)
    proposal: Proposal = ([0.0] * len(levels.bid_lots), [0.0] * len(levels.ask_lots))
    if not bids.index or not asks.index:
        return proposal
    program = Minimise("clearing")
    # prices are doubled, so that the half nEUR/Wh of the volume is whole
    bought = [
        program.variable(highest=lots, cost=-2 * limit - 1)
        for lots, limit in zip(bids.lots, bids.limit_neur_per_wh, strict=True)
    ]
    sold = [
        program.variable(highest=lots, cost=2 * limit)
        for lots, limit in zip(asks.lots, asks.limit_neur_per_wh, strict=True)
    ]
    program.equal([(v, 1) for v in bought] + [(v, -1) for v in sold], 0)
    values = program.solve()
    for index, variable in zip(bids.index, bought, strict=True):
        proposal[0][index] = values[variable]
    for index, variable in zip(asks.index, sold, strict=True):
        proposal[1][index] = values[variable]
    return proposal


def clear_by_model(book: Book, *, solve: Solve = solve_levels) -> Clearing:
    """Clear a book by the model of record. Raises SolverFailed, and SolverRefused where the proposal is wrong."""
    levels = levels_of(book)
    proposal = solve(levels)
    bought, sold = (int(np.rint(np.asarray(side)).sum()) for side in proposal)
    if bought == 0 and sold == 0:
        result = Clearing(np.zeros(len(book), dtype=np.int64), None, 0)
    else:
        result = _split(book, levels, bought=bought, sold=sold)
    findings = check_clearing(book, result)
    if findings:
        raise SolverRefused(findings=tuple(findings))
    return result


def _split(book: Book, levels: Levels, *, bought: int, sold: int) -> Clearing:
    offered = min(int(levels.bid_lots.sum()), int(levels.ask_lots.sum()))
    if bought != sold or not 0 < bought <= offered:
        raise SolverFailed(model="clearing", reason=f"{bought} lots bought, {sold} sold, {offered} possible")
    bids, asks = margins(levels, bought)
    return allocate(book, bids=bids, asks=asks, volume=bought)
