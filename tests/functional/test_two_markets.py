"""UC3: a local day with two auctions of one area, from orders to bills; its evidence is judged in test_agents.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.serving.embedded.demo_day import DayResult
from tests.functional.later_gates import check_netted, check_stands_on_the_first, facts, statements

pytestmark = pytest.mark.functional


def test_two_markets__both_trade__and_bills_show_each(two_auctions_day: tuple[DayResult, Path]) -> None:
    _, out = two_auctions_day

    markets = {item["market"] for item in facts(out, "market.defined")}
    traded = {item["market"] for item in facts(out, "mtu.cleared") if item["price_neur_per_wh"] is not None}
    billed = {line["market"] for item in statements(out) for line in item["lines"] if "market" in line}
    assert markets == traded == billed and len(markets) == 2


def test_two_markets__bought_and_sold_back__only_the_net_meets_the_meter(
    two_auctions_day: tuple[DayResult, Path],
) -> None:
    check_netted(two_auctions_day[1])


def test_two_markets__later_program__stands_on_the_first_ones_trades(two_auctions_day: tuple[DayResult, Path]) -> None:
    check_stands_on_the_first(two_auctions_day[1])
