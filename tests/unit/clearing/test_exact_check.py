"""A wrong result is told from the right one, and the rule it breaks is named."""

from __future__ import annotations

import numpy as np
import pytest

from clearing.book import Book, Clearing
from clearing.exact_check import Rule, check_clearing
from domain.units import NeurPerWh
from domain.words import OrderWord, Side

pytestmark = pytest.mark.unit

# bids 20x3, 12x2 (rationed with the next), 12x2; asks 5x4, 30x1: volume 4, one lot left for the tie, price 12
ORDERS = [(Side.BID, 20, 3), (Side.BID, 12, 2), (Side.BID, 12, 2), (Side.ASK, 5, 4), (Side.ASK, 30, 1)]
RIGHT = [3, 1, 0, 4, 0]


def book() -> Book:
    return Book.from_words(
        OrderWord(tag=tag, side=side, limit_neur_per_wh=limit, quantity_lots=lots)
        for tag, (side, limit, lots) in enumerate(ORDERS)
    )


def result(accepted: list[int], price: int | None, traded: int) -> Clearing:
    return Clearing(np.array(accepted, dtype=np.int64), None if price is None else NeurPerWh(price), traded)


def test_check_clearing__right_result__has_no_finding() -> None:
    assert check_clearing(book(), result(RIGHT, 12, 4)) == []


@pytest.mark.parametrize(
    ("accepted", "price", "traded", "broken"),
    [
        ([3, 1, 0, 4], 12, 4, Rule.LENGTH),
        ([4, 0, 0, 4, 0], 12, 4, Rule.ACCEPTED),
        ([3, 2, -1, 4, 0], 12, 4, Rule.ACCEPTED),
        (RIGHT, 12, 5, Rule.BALANCE),
        ([3, 1, 0, 3, 0], 12, 4, Rule.BALANCE),
        ([3, 0, 0, 3, 0], 12, 3, Rule.OPTIMUM),
        ([2, 1, 1, 4, 0], 12, 4, Rule.OPTIMUM),
        ([0, 0, 0, 0, 0], None, 0, Rule.OPTIMUM),
        ([3, 1, 1, 4, 1], 12, 5, Rule.OPTIMUM),
        (RIGHT, 13, 4, Rule.PRICE),
        (RIGHT, None, 4, Rule.PRICE),
        ([3, 0, 1, 4, 0], 12, 4, Rule.SHARES),
    ],
)
def test_check_clearing__wrong_result__names_the_broken_rule(
    accepted: list[int], price: int | None, traded: int, broken: Rule
) -> None:
    findings = check_clearing(book(), result(accepted, price, traded))

    assert {finding.rule for finding in findings} == {broken}


def test_check_clearing__price_without_a_trade__is_a_finding() -> None:
    lone = Book.from_words([OrderWord(tag=1, side=Side.BID, limit_neur_per_wh=1, quantity_lots=1)])

    findings = check_clearing(lone, result([0], 1, 0))

    assert [finding.rule for finding in findings] == [Rule.PRICE]
