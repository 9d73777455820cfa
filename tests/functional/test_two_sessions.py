"""UC3: a day of one market with two gates over the same MTUs, from orders to bills, and the outsider's verdict.

In one MTU at night a household buys 5 lots, sells 2 of them at the second gate and consumes 3: its table is by hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain.words import Side
from scripts.community.households import Wish, later_wishes, wishes
from scripts.community.trading import TradingDay
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

HOUSE, POSITION = 0, 8
"""The household of the table, and its MTU: 02:00, in which nobody else but the retailer orders."""

BOUGHT, SOLD = Wish(POSITION, Side.BID, 300_000, 5), Wish(POSITION, Side.ASK, 80_000, 2)
CONSUMED_WH = 30


class TableDay(TradingDay):
    """A day in which the household consumes what the table says."""

    def __init__(self, **known: Any) -> None:
        super().__init__(**known)
        self.net_wh = self.net_wh.copy()
        self.net_wh[HOUSE, POSITION] = CONSUMED_WH


def as_in_the_table(usual: Callable[..., list[Wish]], wish: Wish) -> Callable[..., list[Wish]]:
    """Wishes as they would be, but in the table's MTU only this one of its household."""

    def found(*, at: int, **known: Any) -> list[Wish]:
        others = [item for item in usual(at=at, **known) if item.position != POSITION]
        return [*others, wish] if at == HOUSE else others

    return found


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[DayResult, Path]:
    """A summer day of the smallest grid; people correct in a second session what the first one left them with."""
    out = tmp_path_factory.mktemp("two") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.community.day.TradingDay", TableDay)
        patch.setattr("scripts.community.trading.wishes", as_in_the_table(wishes, BOUGHT))
        patch.setattr("scripts.community.trading.later_wishes", as_in_the_table(later_wishes, SOLD))
        result = later_day(out, second_session_gate_local=LATER_GATE)
    return result, out


def test_two_sessions__whole_day__every_bundle_is_clean(day: tuple[DayResult, Path]) -> None:
    check_clean(*day)


def test_two_sessions__same_mtus__both_trade_and_both_end(day: tuple[DayResult, Path]) -> None:
    _, out = day
    opened = facts(out, "session.opened")
    traded: dict[int, set[int]] = defaultdict(set)
    for item in facts(out, "mtu.cleared"):
        traded[item["session"]].add(item["mtu"])

    first, second = (item["session"] for item in opened)
    assert len({(item["market"], item["first_mtu"], item["count"]) for item in opened}) == 1
    assert traded[first] & traded[second]
    ended = {item["session"]: int(item["cleared_mask"], 16).bit_count() for item in facts(out, "session.done")}
    assert ended == {first: len(traded[first]), second: len(traded[second])}


def test_two_sessions__bought_and_sold_back__only_the_net_meets_the_meter(day: tuple[DayResult, Path]) -> None:
    check_netted(day[1])


def test_two_sessions__bought_5_sold_2_later_consumed_3__nothing_is_left_over_and_nothing_short(
    day: tuple[DayResult, Path],
) -> None:
    _, out = day
    first, second = facts(out, "session.opened")
    mtu = first["first_mtu"] + POSITION
    tags = {
        item["tag"]: item["order"]["account"]
        for item in facts(out, "order.accepted")
        if item["order"]["mtu"] == mtu and item["point"] is not None
    }
    (account,) = set(tags.values())
    (statement,) = (item for item in statements(out) if item["account"] == account)

    lines = [
        (line["kind"], line.get("session"), line["energy_wh"], line["price_neur_per_wh"], int(line["amount_neur"]))
        for line in statement["lines"]
        if line.get("mtu") == mtu
    ]

    # The retailer sells at 30 - 1 ct/kWh and buys at 8 + 1; it alone is on the other side, so its limit is the price.
    # 3 lots of 10 Wh are the position and what flowed: the local fee's 4 ct, the levy's 2 ct, no supply, no imbalance.
    assert sorted(lines, key=lambda line: line[0]) == [
        ("grid_fee_local", None, 30, 40_000, -1_200_000),
        ("levy", None, 30, 20_000, -600_000),
        ("local_purchase", first["session"], 50, 290_000, -14_500_000),
        ("local_sale", second["session"], 20, 90_000, 1_800_000),
    ]
    assert len(tags) == 2


def test_two_sessions__later_program__stands_on_the_first_ones_trades(day: tuple[DayResult, Path]) -> None:
    check_stands_on_the_first(day[1])
