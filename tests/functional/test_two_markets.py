"""UC3: a local day with two auctions of one area, from orders to bills, and the outsider's verdict on all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.serving.embedded.demo_day import DayResult
from tests.functional.later_gates import (
    LATER_GATE,
    check_clean,
    check_netted,
    check_stands_on_the_first,
    facts,
    later_day,
    statements,
)

pytestmark = pytest.mark.functional


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[DayResult, Path]:
    """A day with a second auction."""
    out = tmp_path_factory.mktemp("two") / "out"
    return later_day(out, second_auction_gate_local=LATER_GATE), out


def test_two_markets__whole_day__every_bundle_is_clean(day: tuple[DayResult, Path]) -> None:
    check_clean(*day)


def test_two_markets__both_trade__and_bills_show_each(day: tuple[DayResult, Path]) -> None:
    _, out = day

    markets = {item["market"] for item in facts(out, "market.defined")}
    traded = {item["market"] for item in facts(out, "mtu.cleared") if item["price_neur_per_wh"] is not None}
    billed = {line["market"] for item in statements(out) for line in item["lines"] if "market" in line}
    assert markets == traded == billed and len(markets) == 2


def test_two_markets__bought_and_sold_back__only_the_net_meets_the_meter(day: tuple[DayResult, Path]) -> None:
    check_netted(day[1])


def test_two_markets__later_program__stands_on_the_first_ones_trades(day: tuple[DayResult, Path]) -> None:
    check_stands_on_the_first(day[1])
