"""How the demo's households decide, and what their meters see."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from domain.words import Side
from scripts.community.households import PriceBand, forecast_net_wh, metered_wh, obeys, wishes
from scripts.serving.day_plan import plan_of

pytestmark = pytest.mark.unit

BAND = PriceBand(feed_in=80_000, supply=300_000, tick=100)
DAY = date(2016, 6, 21)


def forecast(actual: list[int], *, import_max_wh: int = 10_000, export_max_wh: int = 10_000) -> list[int]:
    return forecast_net_wh(
        actual_net_wh=np.array(actual, dtype=np.int64),
        day=DAY,
        at=3,
        import_max_wh=import_max_wh,
        export_max_wh=export_max_wh,
    )


def test_forecast__same_day_and_household__repeats_itself_and_differs_from_the_meter() -> None:
    actual = [1_000] * 96

    assert forecast(actual) == forecast(actual)
    assert forecast(actual) != actual


def test_forecast__beyond_the_connection__is_cut() -> None:
    found = forecast([5_000, -5_000] * 48, import_max_wh=300, export_max_wh=200)

    assert max(found) == 300 and min(found) == -200


def test_wishes__net_schedule__bids_for_import_asks_for_export_in_whole_lots() -> None:
    found = wishes(schedule_wh=[105, -99, 5, 0], day=DAY, at=1, lot_wh=10, band=BAND)

    assert [(wish.position, wish.side, wish.quantity_lots) for wish in found] == [(0, Side.BID, 10), (1, Side.ASK, 9)]
    assert all(BAND.feed_in <= wish.limit_neur_per_wh <= BAND.supply for wish in found)
    assert all(wish.limit_neur_per_wh % BAND.tick == 0 for wish in found)


@pytest.mark.parametrize(
    ("net", "import_cap", "export_cap", "at", "flowed"),
    [
        (700, None, None, 0, (700, 0)),
        (-700, None, None, 0, (0, 700)),
        (-700, None, 400, 0, (0, 400)),
        (700, 300, None, 0, (300, 0)),
        (-700, None, 400, 9, (0, 700)),
    ],
)
def test_metered__envelope__cuts_only_where_the_controller_obeys(
    net: int, import_cap: int | None, export_cap: int | None, at: int, flowed: tuple[int, int]
) -> None:
    assert obeys(at) is (at != 9)
    assert metered_wh(actual_net_wh=net, import_cap_wh=import_cap, export_cap_wh=export_cap, at=at) == flowed


@pytest.mark.parametrize(
    ("day", "count", "gate"),
    [
        (date(2016, 6, 21), 96, 1_466_416_800),
        (date(2016, 3, 27), 92, 1_458_990_000),
        (date(2016, 10, 30), 100, 1_477_735_200),
    ],
)
def test_plan__clock_change_days__gate_is_noon_of_the_eve(day: date, count: int, gate: int) -> None:
    plan = plan_of(day, gate_local="12:00")

    assert (len(plan.mtus), plan.gate) == (count, gate)
