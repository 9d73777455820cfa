"""What one attester knows of one meter: its readings by sequence, the contradictions, and the registers it believes.

What is believed depends on the set of readings held, not on the order in which they came.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from enum import Enum

from ledger_service.metering.checks import check_follows
from ledger_service.metering.derive import REPEAT_LOOKBACK
from ledger_service.metering.errors import ReadingRefused, StaleReading
from ledger_service.metering.messages import RegisterReading
from ledger_service.metering.registry import MeterKey


class Outcome(Enum):
    """What became of a genuine reading. None of these helps to be tried again."""

    ACCEPTED = "accepted"
    PENDING = "pending"
    """kept, but an earlier sequence is missing"""
    DUPLICATE = "duplicate"
    CONTRADICTION = "contradiction"
    """another reading with this sequence or MTU says otherwise: both are kept and neither is believed"""


class MeterBook:
    """Readings of one meter as held by one attester."""

    __slots__ = ("_believed", "_by_mtu", "_by_sequence", "_highest", "_key", "_prefix_last", "next_sequence")

    def __init__(self, key: MeterKey) -> None:
        self._key = key
        self._by_sequence: dict[int, list[RegisterReading]] = {}
        self._by_mtu: dict[int, list[RegisterReading]] = {}
        self._believed: list[RegisterReading] | None = None
        self._prefix_last: RegisterReading | None = None
        self._highest = 0
        self.next_sequence = 1

    @property
    def key(self) -> MeterKey:
        """The meter's newest registration: bounds of what its connection carries."""
        return self._key

    def rekey(self, key: MeterKey) -> None:
        """Take over a newer registration."""
        self._key = key

    def judge(self, reading: RegisterReading) -> Outcome:
        """What `add` would make of a genuine reading. Raises StaleReading, FallingRegister or ImplausibleReading."""
        held = self._by_sequence.get(reading.sequence, [])
        if reading in held:
            return Outcome.DUPLICATE
        same_mtu = self._by_mtu.get(reading.mtu, [])
        if held or any(self._differs(reading, other) for other in same_mtu):
            return Outcome.CONTRADICTION
        if reading.sequence < self.next_sequence or same_mtu:
            oldest = reading.mtu + 1 if self._prefix_last is None else self._prefix_last.mtu + 1
            raise StaleReading(
                meter_code=self._key.meter_code, sequence=reading.sequence, mtu=reading.mtu, oldest_mtu=oldest
            )
        if reading.sequence > self.next_sequence:
            return Outcome.PENDING
        if self._prefix_last is not None:
            check_follows(key=self._key, before=self._prefix_last, reading=reading)
        return Outcome.ACCEPTED

    @staticmethod
    def _differs(one: RegisterReading, other: RegisterReading) -> bool:
        return (one.import_register_wh, one.export_register_wh) != (other.import_register_wh, other.export_register_wh)

    def add(self, reading: RegisterReading) -> Outcome:
        """Take in a genuine reading. Raises as `judge`; then nothing has changed."""
        outcome = self.judge(reading)
        if outcome is Outcome.DUPLICATE:
            return outcome
        extends = outcome is Outcome.ACCEPTED and reading.sequence > self._highest
        self._keep(reading)
        if extends and self._believed is not None:
            self._believed.append(reading)
        else:
            self._believed = None
        self._advance()
        return outcome

    def _keep(self, reading: RegisterReading) -> None:
        self._by_sequence.setdefault(reading.sequence, []).append(reading)
        self._by_mtu.setdefault(reading.mtu, []).append(reading)
        self._highest = max(self._highest, reading.sequence)

    def _advance(self) -> None:
        while self.next_sequence in self._by_sequence:
            reading = self._by_sequence[self.next_sequence][0]
            self.next_sequence += 1
            if not self.disputed(reading) and self._follows(self._prefix_last, reading):
                self._prefix_last = reading

    def _follows(self, before: RegisterReading | None, reading: RegisterReading) -> bool:
        if before is None:
            return True
        try:
            check_follows(key=self._key, before=before, reading=reading)
        except ReadingRefused:
            return False
        return True

    def disputed(self, reading: RegisterReading) -> bool:
        """Whether another reading held contradicts this one."""
        return len(self._by_sequence.get(reading.sequence, ())) > 1 or len(self._by_mtu.get(reading.mtu, ())) > 1

    def believed(self) -> list[RegisterReading]:
        """Undisputed readings that follow each other, ascending in MTU."""
        if self._believed is None:
            result: list[RegisterReading] = []
            for sequence in sorted(self._by_sequence):
                reading = self._by_sequence[sequence][0]
                if self.disputed(reading):
                    continue
                if not self._follows(result[-1] if result else None, reading):
                    continue
                result.append(reading)
            self._believed = result
        return self._believed

    def believed_around(self, *, first_mtu: int, last_mtu: int) -> list[RegisterReading]:
        """Believed readings up to the end of `last_mtu`, as far back as leaves from `first_mtu` on depend on them."""
        believed = self.believed()
        begin = bisect_left(believed, first_mtu, key=lambda reading: reading.mtu) - REPEAT_LOOKBACK - 3
        return believed[max(0, begin) : bisect_right(believed, last_mtu, key=lambda reading: reading.mtu)]

    def believed_before(self, mtu: int) -> RegisterReading | None:
        """The last believed reading before this MTU."""
        believed = self.believed()
        at = bisect_left(believed, mtu, key=lambda reading: reading.mtu)
        return believed[at - 1] if at else None

    def believes_between(self, first_mtu: int, last_mtu: int) -> bool:
        """Whether any register at the end of one of these MTUs is believed."""
        before = self.believed_before(last_mtu + 1)
        return before is not None and before.mtu >= first_mtu

    def gap(self) -> tuple[int, int] | None:
        """(first, last) missing sequence before the lowest pending one; None without a gap."""
        later = [sequence for sequence in self._by_sequence if sequence >= self.next_sequence]
        return (self.next_sequence, min(later) - 1) if later else None

    def load(self, readings: Iterable[RegisterReading]) -> None:
        """Take back what was committed before a restart: already judged then, so only kept."""
        for reading in readings:
            self._keep(reading)
        self._believed = None
        self._advance()
