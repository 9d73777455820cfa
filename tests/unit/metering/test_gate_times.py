"""Gates on the days on which the clock changes: service and the DSO's desk mean the same instant."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from ledger_service.market.calendar import gate_times
from scripts.serving.day_plan import plan_of
from tests.integration.ledger.town import area, market

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("day", "gate", "instant"),
    [
        (date(2016, 3, 28), "01:45", "2016-03-27T00:45"),
        (date(2016, 3, 28), "02:00", "2016-03-27T01:00"),
        (date(2016, 3, 28), "02:30", "2016-03-27T01:30"),
        (date(2016, 3, 28), "03:30", "2016-03-27T01:30"),
        (date(2016, 10, 31), "02:30", "2016-10-30T00:30"),
        (date(2016, 10, 31), "03:00", "2016-10-30T02:00"),
    ],
)
def test_gate_times__hour_that_clocks_skip_or_repeat__one_instant_for_all(day: date, gate: str, instant: str) -> None:
    expected = int(datetime.fromisoformat(instant).replace(tzinfo=UTC).timestamp())

    assert gate_times(market=market(gate_local=gate), area=area(), day=day) == (expected,)
    assert plan_of(day, gate_local=gate).gate == expected


@pytest.mark.parametrize("day", [date(2016, 3, 28), date(2016, 10, 31), date(2016, 6, 16)])
def test_gate_times__several_gates__ascend_on_every_day(day: date) -> None:
    several = market(gate_local="00:30", later_gates_local=("02:30", "04:45", "12:00"))

    times = gate_times(market=several, area=area(), day=day)

    assert list(times) == sorted(set(times))
