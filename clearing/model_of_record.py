"""The clearing model of record: welfare, then volume, on price levels, written in PuLP and solved by HiGHS.

The solver proposes how many lots each price level trades; price, margins and volume are those of its levels, rounded to
whole lots. Exact integers decide: the proposal is checked level by level, split over the orders, and every rule of the
market is checked again; what fails is refused, never repaired.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearing.auction import Levels, Margin, allocate, levels_of
from clearing.book import Book, Clearing, Ints
from clearing.exact_check import BrokenRule, Rule, check_clearing
from domain.errors import DominoesError
from grid.linear_program import Minimise, SolverFailed

ROUNDED_LOTS_MAX = 0.01
"""How far a solver's number may be from whole lots: its own tolerance, and some."""

LevelShares = tuple[list[float], list[float]]
"""Lots proposed per price level: of bids, of asks."""

Solve = Callable[[Levels], LevelShares]


class SolverRefused(DominoesError):
    """What the solver proposed breaks a rule of the market: nothing was cleared."""

    code = "solver-refused"
    status = 503

    def __init__(self, *, broken: tuple[BrokenRule, ...]) -> None:
        self.broken = broken
        rules = ", ".join(sorted({one.rule for one in broken}))
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


def solve_levels(levels: Levels) -> LevelShares:
    """Propose the lots each level trades by one linear program: greatest welfare, then greatest volume.

    Volume is preferred by half a nEUR/Wh per lot: limits are whole nEUR/Wh, so this decides only where bid = ask.
    Raises SolverFailed.
    """
    bids, asks = _curve(levels, asks=False), _curve(levels, asks=True)
    proposal: LevelShares = ([0.0] * len(levels.bid_lots), [0.0] * len(levels.ask_lots))
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
    """Clear a book by the model of record: price, margins and volume are those of the levels that the solver proposes.

    Raises SolverFailed, and SolverRefused where the proposal is wrong.
    """
    levels = levels_of(book)
    bought, sold = (np.asarray(side, dtype=np.float64) for side in solve(levels))
    broken = _check_side(bought, levels.bid_lots) + _check_side(sold, levels.ask_lots)
    if broken:
        raise SolverRefused(broken=tuple(broken))
    result = _split(book, levels, bought=np.rint(bought).astype(np.int64), sold=np.rint(sold).astype(np.int64))
    broken = check_clearing(book, result)
    if broken:
        raise SolverRefused(broken=tuple(broken))
    return result


def _check_side(proposed: NDArray[np.float64], lots: Ints) -> list[BrokenRule]:
    """What is wrong with one side's proposal level by level: its length, whole lots, no more than a level has."""
    if len(proposed) != len(lots):
        return [BrokenRule(Rule.LENGTH, None, f"{len(lots)} levels", str(len(proposed)))]
    whole = np.rint(proposed)
    wrong = (np.abs(proposed - whole) > ROUNDED_LOTS_MAX) | (whole < 0) | (whole > lots) | ~np.isfinite(proposed)
    return [
        BrokenRule(Rule.ACCEPTED, None, f"0..{lots[level]} at level {level}", str(proposed[level]))
        for level in np.flatnonzero(wrong).tolist()
    ]


def _split(book: Book, levels: Levels, *, bought: Ints, sold: Ints) -> Clearing:
    """The proposal shared out over the orders of each level. Raises SolverFailed, SolverRefused."""
    volume = int(bought.sum())
    if volume != int(sold.sum()):
        raise SolverFailed(model="clearing", reason=f"{volume} lots bought, {int(sold.sum())} sold")
    if volume == 0:
        return Clearing(np.zeros(len(book), dtype=np.int64), None, 0)
    ascending = levels.limit_neur_per_wh
    bids = _margin_of(limits=ascending[::-1], lots=levels.bid_lots[::-1], taken=bought[::-1])
    asks = _margin_of(limits=ascending, lots=levels.ask_lots, taken=sold)
    return allocate(book, bids=bids, asks=asks, volume=volume)


def _margin_of(*, limits: Ints, lots: Ints, taken: Ints) -> Margin:
    """Where a side ends by the lots taken of its levels, best limit first. Raises SolverRefused unless these are filled
    in that order."""
    last = int(np.flatnonzero(taken)[-1])
    unfilled = np.flatnonzero(taken < lots)
    if len(unfilled) and unfilled[0] < last:
        found = f"{taken[unfilled[0]]} of {lots[unfilled[0]]} lots at {limits[unfilled[0]]}"
        raise SolverRefused(
            broken=(BrokenRule(Rule.OPTIMUM, None, f"levels better than {limits[last]} in full", found),)
        )
    following = int(limits[unfilled[0]]) if len(unfilled) else None
    return Margin(last=int(limits[last]), next=following, left_lots=int(taken[last]))
