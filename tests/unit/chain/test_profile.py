"""Prices of replacements and the number of sealers that make a block final."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger_service.chain.finality import sealers_needed
from ledger_service.chain.profile import CLIQUE, EMBEDDED, bumped_price

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("count", "needed"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (7, 5), (10, 7)])
def test_sealers_needed__n_sealers__is_n_minus_a_third(count: int, needed: int) -> None:
    assert sealers_needed(count) == needed


@pytest.mark.parametrize(("price", "bumped"), [(0, 1), (1, 2), (8, 10), (9, 12), (160, 200), (161, None)])
def test_bumped_price__within_the_cap__rises_by_a_quarter_rounded_up(price: int, bumped: int | None) -> None:
    assert bumped_price(profile=replace(CLIQUE, gas_price_cap_wei=200), price_wei=price) == bumped


def test_bumped_price__free_gas__never_rises() -> None:
    assert bumped_price(profile=EMBEDDED, price_wei=0) is None
