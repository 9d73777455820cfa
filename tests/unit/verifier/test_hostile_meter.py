"""One hostile meter: whatever it signs, the evidence of everybody else stays what it is, and is read in time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.verifier.fake_chain import FIRST, noise
from tests.unit.verifier.metering import Registers
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_attacks import verdict_of
from tests.unit.verifier.test_small_day import messages
from verifier.signatures import Registers as Signed
from verifier.substitutes import MeterReadings

pytestmark = pytest.mark.unit

POINT = "p2"


class Contradicts(Day):
    """A meter signs many readings of an MTU for which a substitute stands."""

    def message(self, point: str, readings: list[Any]) -> str:
        """The same MTU over and over, in one message."""
        if point == POINT and len(readings) > 1:
            more = [Registers(FIRST + 2, 4, 1_000 + at, 680, noise(f"more{at}")) for at in range(4_000)]
            readings = [*readings, *more]
        return str(super().message(point, readings))


@pytest.mark.timeout(20)
def test_verify__thousands_of_contradictions__are_clean_in_time() -> None:
    report = verdict_of(Contradicts().run())

    assert messages(report) == ""


@pytest.mark.timeout(10)
def test_take__thousands_of_contradictions__costs_each_the_same() -> None:
    meter = MeterReadings("M", lambda mtu, mtus: (10**9, 10**9))

    for at in range(40_000):
        meter.take(Signed(100, 7, at, 0, "0x"))

    assert meter.believed() == []
