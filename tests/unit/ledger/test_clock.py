"""Market clocks: never back, and the same arithmetic as the contracts'."""

from __future__ import annotations

import pytest

from ledger_service.clock import ClockMovedBack, ManualClock, ScaledClock

pytestmark = pytest.mark.unit


def test_manual__set_forward_and_to_the_same__tells_it() -> None:
    clock = ManualClock(100)
    clock.advance_to(100)
    clock.advance_to(250)

    assert clock.now() == 250


def test_manual__set_back__refused() -> None:
    clock = ManualClock(100)

    with pytest.raises(ClockMovedBack) as refusal:
        clock.advance_to(99)
    assert (refusal.value.at, refusal.value.to) == (100, 99)
    assert clock.now() == 100


@pytest.mark.parametrize(
    ("wall", "expected"),
    [(1_000.0, 5_000), (1_000.9, 5_000), (1_001.0, 5_060), (1_015.5, 5_900), (900.0, 5_000)],
)
def test_scaled__whole_wall_seconds_times_speed(wall: float, expected: int) -> None:
    clock = ScaledClock(origin=5_000, start=1_000, speed=60, wall=lambda: wall)

    assert clock.now() == expected


def test_scaled__wall_clock_steps_back__stands_still() -> None:
    walls = iter([1_010.0, 1_003.0, 1_012.0])
    clock = ScaledClock(origin=0, start=1_000, speed=1, wall=lambda: next(walls))

    assert [clock.now(), clock.now(), clock.now()] == [10, 10, 12]
