"""Leaves from registers: measured, evenly shared, after like days, and nothing known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from domain.readings import Quality, Reading
from domain.registers import RegisterReading
from settling.substitutes import Known, leaves, like_mtus

pytestmark = pytest.mark.unit

ZONE = ZoneInfo("Europe/Berlin")


def known(**registers: int) -> list[RegisterReading]:
    """Import registers by MTU, as m10=100; export is half of it."""
    return [
        RegisterReading(
            mtu=int(name[1:]), import_register_wh=value, export_register_wh=value // 2, sequence=at + 1, nonce=b"n" * 32
        )
        for at, (name, value) in enumerate(registers.items())
    ]


def derive(registers: list[RegisterReading], first: int, last: int) -> list[Reading]:
    return leaves(meter_code="M", readings=registers, zone=ZONE, first_mtu=first, last_mtu=last)


def rows(found: list[Reading]) -> list[tuple[int, int, int, str]]:
    return [(item.mtu, item.import_register_wh, item.import_wh, item.quality.name) for item in found]


def test_leaves__all_known__are_measured_differences() -> None:
    found = derive(known(m9=1_000, m10=1_100, m11=1_250), 10, 11)

    assert rows(found) == [(10, 1_100, 100, "MEASURED"), (11, 1_250, 150, "MEASURED")]
    assert [item.sequence for item in found] == [2, 3]


def test_leaves__missing_between_known__is_linear_rounded_down() -> None:
    found = derive(known(m9=1_000, m12=1_100), 10, 12)

    assert rows(found) == [(10, 1_033, 33, "SUBSTITUTE"), (11, 1_066, 33, "SUBSTITUTE"), (12, 1_100, 34, "MEASURED")]
    assert found[0].sequence == 0
    assert len({item.nonce for item in found}) == 3


def test_leaves__missing_at_the_end_without_a_like_day__is_the_mean_import_of_what_is_known() -> None:
    found = derive(known(m6=700, m8=900, m9=1_003), 10, 11)

    assert rows(found) == [(10, 1_104, 101, "SUBSTITUTE"), (11, 1_205, 101, "SUBSTITUTE")]
    assert [item.export_wh for item in found] == [0, 0]


def mtu_at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()) // 900


def metered(first: str, last: str, energy_wh: Callable[[datetime], tuple[int, int]]) -> list[RegisterReading]:
    """Readings at the end of each MTU from one local time to another; `energy_wh` gives (import, export) of an MTU."""
    found: list[RegisterReading] = []
    registers = (1_000, 1_000)
    for mtu in range(mtu_at(first), mtu_at(last) + 1):
        more = energy_wh(datetime.fromtimestamp(mtu * 900, ZONE))
        registers = (registers[0] + more[0], registers[1] + more[1])
        found.append(RegisterReading(mtu, *registers, len(found) + 1, b"n" * 32))
    return found


def sunny(local: datetime) -> tuple[int, int]:
    """Import by the hour and by the type of day, export from 8 to 18 o'clock."""
    return local.hour + 100 * max(local.weekday() - 4, 0), 500 if 8 <= local.hour < 18 else 0


def test_leaves__silent_from_noon_on__is_what_like_days_show_and_no_sun_at_night() -> None:
    told = metered("2016-06-13T00:00", "2016-06-15T11:45", sunny)  # Monday to Wednesday noon
    found = derive(told, mtu_at("2016-06-15T12:00"), mtu_at("2016-06-16T11:45"))

    local = [datetime.fromtimestamp(item.mtu * 900, ZONE) for item in found]
    assert {item.quality for item in found} == {Quality.SUBSTITUTE}
    assert [(item.import_wh, item.export_wh) for item in found] == [sunny(time) for time in local]


def test_leaves__silent_for_half_a_day__what_came_is_shared_in_the_shape_of_like_days() -> None:
    told = metered("2016-06-13T00:00", "2016-06-15T23:45", sunny)
    begin, end = mtu_at("2016-06-15T12:00"), mtu_at("2016-06-15T23:45")
    last = told[-1]
    double = RegisterReading(end, last.import_register_wh, last.export_register_wh + 12_000, 1_000, b"l" * 32)
    found = derive([item for item in told if item.mtu < begin] + [double], begin, end)

    hours = [datetime.fromtimestamp(item.mtu * 900, ZONE).hour for item in found]
    assert [item.export_wh for item in found] == [1_000 if hour < 18 else 0 for hour in hours]
    assert sum(item.import_wh for item in found) == sum(hours)


@pytest.mark.parametrize(
    ("silent", "like"),
    [
        ("2016-06-16T10:00", "2016-06-15T10:00"),  # Thursday: the day before
        ("2016-06-13T10:00", "2016-06-10T10:00"),  # Monday: Friday
        ("2016-06-18T10:00", "2016-06-11T10:00"),  # Saturday: a week ago
        ("2016-06-19T10:00", "2016-06-12T10:00"),  # Sunday: a week ago
        ("2016-03-28T10:00", "2016-03-25T10:00"),  # Monday after the clock went forward: Friday's local time
    ],
)
def test_like_mtus__types_of_days__same_local_time_of_the_newest_of_its_type(silent: str, like: str) -> None:
    assert like_mtus(mtu_at(silent), ZONE)[0] == mtu_at(like)


def test_leaves__like_day_not_known__is_the_next_best_one() -> None:
    told = metered("2016-06-08T00:00", "2016-06-10T23:45", sunny)  # Wednesday to Friday
    found = derive(told, mtu_at("2016-06-11T00:00"), mtu_at("2016-06-11T23:45"))

    assert [(item.import_wh, item.export_wh) for item in found] == [
        sunny(datetime.fromtimestamp(item.mtu * 900 - 86_400, ZONE)) for item in found
    ]


def test_rests_on__silent__names_the_readings_that_decide() -> None:
    told = metered("2016-06-13T00:00", "2016-06-15T11:45", sunny)
    silent = mtu_at("2016-06-15T13:00")

    found = {item.mtu for item in Known(told, ZONE).rests_on(silent)}

    assert found == {told[-1].mtu, silent - 96, silent - 97}


def test_leaves__only_a_baseline_known__is_no_energy() -> None:
    assert rows(derive(known(m9=1_000), 10, 10)) == [(10, 1_000, 0, "SUBSTITUTE")]


def test_leaves__nothing_known__is_zero() -> None:
    assert rows(derive([], 10, 10)) == [(10, 0, 0, "SUBSTITUTE")]


def test_leaves__known_only_later__has_no_energy_before() -> None:
    assert rows(derive(known(m11=500, m12=600), 10, 12)) == [
        (10, 500, 0, "SUBSTITUTE"),
        (11, 500, 0, "MEASURED"),
        (12, 600, 100, "MEASURED"),
    ]


def test_leaves__any_gaps__registers_differ_by_the_interval() -> None:
    found = derive(known(m9=7, m13=1_000, m14=1_003, m20=5_000), 8, 25)

    for earlier, later in pairwise(found):
        assert later.import_register_wh - earlier.import_register_wh == later.import_wh
        assert later.export_register_wh - earlier.export_register_wh == later.export_wh
    assert {item.quality for item in found} == {Quality.MEASURED, Quality.SUBSTITUTE}
