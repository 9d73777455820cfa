"""One hostile meter: whatever it signs, the evidence of everybody else stays what it is, and is read in time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.meters import MeterKey
from domain.registers import ReadingRun, RegisterReading
from oracle.attester.book import MeterBook
from tests.unit.verifier.fake_chain import FIRST, noise
from tests.unit.verifier.metering import Registers
from tests.unit.verifier.registering import CONNECTION_W
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_attacks import verdict_of
from tests.unit.verifier.test_small_day import messages
from tests.unit.verifier.test_substitutes import HEARD, POINT, Silent
from verifier.signatures import Registers as Signed
from verifier.substitutes import MeterReadings

pytestmark = pytest.mark.unit


class Leaps(Silent):
    """A meter's register leaps by what its connection just carries; then it tells the true ones, which rise properly
    but lie below the leap. Attesters never believe these, and substitutes stand there: the mean, no export."""

    flows = ((2_005, 0), (2_005, 0))
    told: tuple[tuple[int, int], ...] = ((2, 1_135), (3, 1_210))

    def read(self, point: str, mtu: int, *flows: int, **more: Any) -> Any:
        """4 kWh within a quarter of an hour."""
        leaps = (point, mtu) == (POINT, HEARD)
        return super().read(point, mtu, *((4_000, 0) if leaps else flows), **more)

    def message(self, point: str, readings: list[Any]) -> str:
        """All of them are told."""
        text = super().message(point, readings)
        if point != POINT or len(readings) == 1:
            return text
        known = [item for item in readings if item.mtu <= FIRST + HEARD]
        low = [Registers(FIRST + at, at + 2, wh, 680, noise(f"low{at}")) for at, wh in self.told]
        return str(Day.message(self, point, [*known, *low]))


def test_attesters__register_below_a_leap__is_not_believed() -> None:
    book = MeterBook((MeterKey("M", POINT, bytes(32), 0, None, CONNECTION_W, CONNECTION_W),))
    for sequence, wh in enumerate((1_000, 1_010, 5_010, 1_135, 1_210), 1):
        book.take(ReadingRun.of([RegisterReading(sequence, wh, 0, sequence, noise(f"{sequence}"))]))

    assert [item.sequence for item in book.believed()] == [1, 2, 3]


def test_verify__meter_that_leaps__is_clean() -> None:
    report = verdict_of(Leaps().run())

    assert messages(report) == ""


class Skips(Day):
    """A meter passes over sequences; attesters believe its readings all the same."""

    def read(self, point: str, mtu: int, *args: Any, **more: Any) -> Any:
        """A thousand from the fourth MTU on."""
        leaf = super().read(point, mtu, *args, **more)
        return replace(leaf, sequence=leaf.sequence + 1_000) if point == POINT and mtu > HEARD + 1 else leaf


class Backward(Day):
    """A meter numbers two readings of an MTU high, which contradict each other, and goes on where it was."""

    def message(self, point: str, readings: list[Any]) -> str:
        """Both are told."""
        if point == POINT and len(readings) > 1:
            more = [Registers(FIRST + 2, 50 + at, 1_100 + at, 680, noise(f"more{at}")) for at in range(2)]
            readings = [*readings, *more]
        return str(super().message(point, readings))


@pytest.mark.parametrize("numbers", [(1, 2, 3, 1_005), (1, 2, 3, 50, 51, 5)])
def test_attesters__odd_sequences__are_believed(numbers: tuple[int, ...]) -> None:
    book = MeterBook((MeterKey("M", POINT, bytes(32), 0, None, CONNECTION_W, CONNECTION_W),))
    for at, sequence in enumerate(numbers):
        mtu = {50: 3, 51: 3}.get(sequence, at)
        book.take(ReadingRun.of([RegisterReading(mtu, 100 + at, 0, sequence, noise(f"{sequence}"))]))

    assert book.believed()[-1].sequence == numbers[-1]


@pytest.mark.parametrize("kind", [Skips, Backward])
def test_verify__odd_sequences__are_clean(kind: Any) -> None:
    report = verdict_of(kind().run())

    assert messages(report) == ""


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
