"""What is taken to flow where nobody nominated: an earlier day at the same local time."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from domain.mtu import mtu_of
from ledger_service.programs.forecast import forecast_wh

pytestmark = pytest.mark.unit

ZONE = ZoneInfo("Europe/Berlin")


def mtu(text: str) -> int:
    return mtu_of(int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()))


@pytest.mark.parametrize(
    ("metered", "expected"),
    [
        ({"2016-06-14T12:00": 5, "2016-06-20T12:00": 9, "2016-06-19T12:00": -7}, 5),
        ({"2016-06-20T12:00": 9, "2016-06-19T12:00": -7}, 9),
        ({"2016-06-19T12:00": -7}, -7),
        ({"2016-06-18T12:00": -7}, 0),
    ],
)
def test_forecast__metered_on_some_days__week_then_yesterday_then_the_day_before(
    metered: dict[str, int], expected: int
) -> None:
    metered_wh = {mtu(text): energy for text, energy in metered.items()}

    assert forecast_wh(mtus=[mtu("2016-06-21T12:00")], metered_wh=metered_wh, zone=ZONE) == [expected]


@pytest.mark.parametrize(
    ("day", "week_before"),
    [
        ("2016-03-28T07:00", "2016-03-21T07:00"),  # summer time began in between
        ("2016-10-31T07:00", "2016-10-24T07:00"),
        ("2016-04-03T02:30", "2016-03-27T02:30"),  # 2:30 did not exist: what was metered an hour later counts
    ],
)
def test_forecast__clock_changed_in_between__same_local_time(day: str, week_before: str) -> None:
    metered_wh = {mtu(day) - 672: 8} | {mtu(week_before): 5}

    assert forecast_wh(mtus=[mtu(day)], metered_wh=metered_wh, zone=ZONE) == [5]


@pytest.mark.parametrize("day", ["2016-03-27", "2016-10-30"])
def test_forecast__day_of_a_clock_change__every_mtu_finds_its_week_before(day: str) -> None:
    first = mtu(f"{day}T00:00")
    metered_wh = dict.fromkeys(range(first - 676, first), 1)

    assert forecast_wh(mtus=range(first, first + 100), metered_wh=metered_wh, zone=ZONE) == [1] * 100
