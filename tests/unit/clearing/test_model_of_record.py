"""The model of record proposes; what a solver gets wrong never becomes a result."""

from __future__ import annotations

import numpy as np
import pytest

from clearing.auction import Levels, clear
from clearing.book import Book
from clearing.exact_check import Rule
from clearing.model_of_record import SolverRefused, clear_by_model, solve_levels
from domain.words import OrderWord, Side
from grid.linear_program import Minimise, SolverFailed
from tests.clearings import same

pytestmark = pytest.mark.unit


def book() -> Book:
    orders = [(Side.BID, 20, 3), (Side.BID, 10, 2), (Side.ASK, 5, 3), (Side.ASK, 10, 4)]
    return Book.from_words(
        OrderWord(tag=tag, side=side, limit_neur_per_wh=limit, quantity_lots=lots)
        for tag, (side, limit, lots) in enumerate(orders)
    )


def test_clear_by_model__surplus_free_trade_at_the_margin__is_made() -> None:
    result = clear_by_model(book())

    assert result.traded_lots == 5
    assert same(result, clear(book()))


def test_clear_by_model__solver_forgets_surplus_free_volume__is_refused() -> None:
    def lazy(levels: Levels) -> tuple[list[float], list[float]]:
        return [0.0, 0.0, 3.0], [3.0, 0.0, 0.0]

    with pytest.raises(SolverRefused) as caught:
        clear_by_model(book(), solve=lazy)

    assert {finding.rule for finding in caught.value.broken} == {Rule.OPTIMUM}


@pytest.mark.parametrize("proposal", [([0.0, 0.0, 1.0], [1.0, 0.0, 0.0]), ([0.0, 1.0, 3.0], [3.0, 1.0, 0.0])])
def test_clear_by_model__solver_lies_about_the_volume__is_refused(proposal: tuple[list[float], list[float]]) -> None:
    with pytest.raises(SolverRefused):
        clear_by_model(book(), solve=lambda levels: proposal)


@pytest.mark.parametrize("proposal", [([0.0, 0.0, 3.0], [2.0, 0.0, 0.0]), ([0.0, 0.0, 0.0], [3.0, 2.0, 0.0])])
def test_clear_by_model__more_bought_than_sold__fails(proposal: tuple[list[float], list[float]]) -> None:
    with pytest.raises(SolverFailed):
        clear_by_model(book(), solve=lambda levels: proposal)


@pytest.mark.parametrize(
    ("proposal", "check"),
    [
        (([2.0, 3.0, 0.0], [0.0, 0.0, 5.0]), Rule.ACCEPTED),  # the right volume at levels that have no such orders
        (([0.0, 3.0, 2.0], [3.0, 2.0, 0.0]), Rule.ACCEPTED),
        (([0.0, 2.0, 3.0], [4.0, 1.0, 0.0]), Rule.ACCEPTED),
        (([0.0, 2.0, 3.0], [-1.0, 4.0, 0.0]), Rule.ACCEPTED),
        (([0.0, 1.5, 3.0], [3.0, 1.5, 0.0]), Rule.ACCEPTED),
        (([0.0, float("nan"), 3.0], [3.0, 2.0, 0.0]), Rule.ACCEPTED),
        (([0.0, 2.0, 2.0], [3.0, 1.0, 0.0]), Rule.OPTIMUM),  # a worse bid before a better one is served in full
        (([0.0, 2.0, 3.0], [1.0, 4.0, 0.0]), Rule.OPTIMUM),
        (([5.0], [5.0]), Rule.LENGTH),
    ],
)
def test_clear_by_model__levels_tampered__is_refused(proposal: tuple[list[float], list[float]], check: Rule) -> None:
    with pytest.raises(SolverRefused) as caught:
        clear_by_model(book(), solve=lambda levels: proposal)

    assert {finding.rule for finding in caught.value.broken} == {check}


def test_clear_by_model__numbers_almost_whole__are_rounded() -> None:
    result = clear_by_model(book(), solve=lambda levels: ([0.0, 2.0000001, 3.0], [2.9999999, 2.0, 0.0]))

    assert same(result, clear(book()))


def test_clear_by_model__solver_says_nothing_trades__is_refused() -> None:
    with pytest.raises(SolverRefused):
        clear_by_model(book(), solve=lambda levels: ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]))


def test_solve__infeasible_program__fails_with_its_name() -> None:
    program = Minimise("impossible")
    program.at_least([(program.variable(highest=1, cost=1), 1)], 2)

    with pytest.raises(SolverFailed) as caught:
        program.solve()

    assert caught.value.model == "impossible"


def test_solve_levels__one_sided__proposes_nothing_without_a_solver() -> None:
    levels = Levels(np.array([3]), np.array([5]), np.array([0]))

    assert solve_levels(levels) == ([0.0], [0.0])
