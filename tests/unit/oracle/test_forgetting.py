"""What has become final goes, from memory and disk; what can still be corrected can still be corrected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from domain.mtu import mtu_end
from domain.periods import Period
from oracle.attester.book import FLOOR_READINGS
from oracle.attester.intake import METER_MESSAGES_PER_GROUP
from tests.attester_store import counts

pytestmark = pytest.mark.unit

FIRST = 1_900_000
PERIOD = 96
PERIODS = 14
HORIZON_S = PERIOD * 900


def long_area(make_area: Callable[..., Any]) -> Any:
    area = make_area(meters=1)
    periods = tuple(
        Period(
            area=area.metering.code,
            number=at,
            first_mtu=FIRST + at * PERIOD,
            count=PERIOD,
            resolved_at=mtu_end(FIRST + (at + 1) * PERIOD - 1),
        )
        for at in range(PERIODS)
    )
    area.metering = replace(area.metering, periods=periods, horizon_seconds=HORIZON_S, attest_seconds=PERIOD * 900)
    for name in area.attester_keys:
        area.attester(name)
    return area


def live_through(area: Any, first: int, last: int) -> None:
    """The meter's messages come, cut-offs pass, and attesters attest."""
    for start in range(first, last + 1, METER_MESSAGES_PER_GROUP):
        end = min(start + METER_MESSAGES_PER_GROUP, last + 1) - 1
        messages = area.day(start, end)
        area.now = mtu_end(end)
        for one in area.attesters.values():
            one.hear(*messages)
        area.cut_off(end)
        area.settle_down(rounds=8)


def test_store__after_many_periods__holds_what_can_be_corrected_and_little_more(make_area: Callable[..., Any]) -> None:
    area = long_area(make_area)
    live_through(area, FIRST - 1, FIRST + PERIODS * PERIOD - 1)

    assert len(area.recorded) == PERIODS * PERIOD
    for one in area.attesters.values():
        held = counts(one.store)
        assert held["message"] <= FLOOR_READINGS + 3 * PERIOD < PERIODS * PERIOD
        assert len(one.standing.mtus) < held["attested"] == held["signed"] <= 4 * PERIOD
        assert len(one.intake.books["M0"].believed()) == held["message"]


def test_store__restarted_after_it_forgot__corrects_what_is_open_as_all_the_others_do(
    make_area: Callable[..., Any],
) -> None:
    area = long_area(make_area)
    gap = FIRST + (PERIODS - 1) * PERIOD + 50
    live_through(area, FIRST - 1, gap - 1)
    live_through(area, gap + 1, gap + 20)
    before = len(area.recorded[gap])
    for name in area.attester_keys:
        area.attesters[name].store.close()
        area.attester(name)

    late = area.message("M0", area.reading("M0", gap, import_register_wh=1_000 + 100 * (gap - FIRST + 1) - 30))
    for one in area.attesters.values():
        one.hear(late)
    area.settle_down(rounds=20)

    assert (before, len(area.recorded[gap])) == (1, 2)
    assert area.leaves(gap)["M0"].import_wh == 70
    assert area.leaves(gap + 1)["M0"].import_wh == 130
