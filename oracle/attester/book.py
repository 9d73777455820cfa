"""What one attester knows of one meter: its readings by sequence, the contradictions, and the registers it believes.

What is believed is a function of the set of readings held: neither the order in which they came nor how they were
packed into messages matters, so attesters that have shown each other their readings believe the same.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from operator import sub
from zoneinfo import ZoneInfo

from domain.meters import MeterKey
from domain.registers import ReadingRun, RegisterReading
from settling.registers import VOTES, ReadingRefused, check_follows, energy_highest_wh
from settling.substitutes import LOOKBACK_MTUS, MTUS_PER_DAY, Known, like_mtus

FLOOR_READINGS = LOOKBACK_MTUS + 2 * MTUS_PER_DAY
"""Believed readings kept before the first MTU that can still be corrected: two days more than its leaves depend on."""


DISPUTING = 2
"""Readings of one sequence, and of one MTU, beyond which no further one of both is kept: these dispute each other, and
a meter that contradicts itself without end costs no more than one that did so once."""


class ReadingOutcome(Enum):
    """What became of a genuine reading. None of these helps to be tried again."""

    ACCEPTED = "accepted"
    PENDING = "pending"
    """kept, but an earlier sequence is missing"""
    DUPLICATE = "duplicate"
    CONTRADICTION = "contradiction"
    """another reading with this sequence or MTU says otherwise: both are kept and neither is believed"""
    FINAL = "final"
    """it lies before the floor: what could still be corrected does not depend on it any more"""


@dataclass(slots=True)
class Taken:
    """What a run of readings brought: outcomes, the lowest MTU about which something is new, what is not believed."""

    outcomes: dict[ReadingOutcome, int] = field(default_factory=dict)
    lowest_mtu: int | None = None
    objections: list[ReadingRefused] = field(default_factory=list)
    """why new readings, though kept, are not believed"""

    @property
    def is_news(self) -> bool:
        """Whether any reading was not held before."""
        return self.lowest_mtu is not None


def _rises(before_wh: int, registers_wh: list[int], highest_wh: int) -> bool:
    """Whether registers never fall, nor rise from one to the next by more than fits in one MTU."""
    if not 0 <= registers_wh[0] - before_wh <= highest_wh:
        return False
    if len(registers_wh) == 1:
        return True
    steps_wh = list(map(sub, registers_wh[1:], registers_wh))
    return bool(min(steps_wh) >= 0 and max(steps_wh) <= highest_wh)


class MeterBook:
    """Readings of one meter as held by one attester. `keys` are its registrations, newest first; `floor` the believed
    reading before which everything was forgotten."""

    __slots__ = (
        "_against",
        "_believed",
        "_by_mtu",
        "_by_sequence",
        "_floor",
        "_highest_wh",
        "_judged",
        "_keys",
        "_open_from",
        "_runs",
        "_sequences",
        "_tail",
        "_top_mtu",
        "_top_sequence",
        "next_sequence",
    )

    def __init__(self, keys: tuple[MeterKey, ...], *, floor: RegisterReading | None = None) -> None:
        self._by_sequence: dict[int, list[RegisterReading]] = {}
        self._by_mtu: dict[int, list[RegisterReading]] = {}
        self._sequences: list[int] = []
        self._believed: list[RegisterReading] = []
        self._against: list[RegisterReading] = []  # after the last believed one: they follow each other, but not it
        self._judged = 0  # the highest sequence from which what is believed was derived
        self._open_from: int | None = None  # what is believed from this sequence on is to be derived again
        self._runs: list[ReadingRun] = []  # taken in one go and believed; spread out when something asks for readings
        self._tail: tuple[int, int, int] | None = None  # MTU and registers of the last believed reading
        self._top_mtu = -1
        self._top_sequence = 0
        self._floor = floor
        self.next_sequence = 1 if floor is None else floor.sequence
        self._use(keys)

    def _use(self, keys: tuple[MeterKey, ...]) -> None:
        self._keys = keys
        self._highest_wh = tuple(
            min(energy_highest_wh(power_w=power_w, mtus=1) for power_w in powers)
            for powers in zip(*((key.connection_import_w, key.connection_export_w) for key in keys), strict=True)
        )

    @property
    def key(self) -> MeterKey:
        """The meter's newest registration."""
        return self._keys[0]

    def rekey(self, keys: tuple[MeterKey, ...]) -> None:
        """Take over newer registrations: connections may carry more or less, so all is judged again."""
        if keys != self._keys:
            self._spread()
            self._use(keys)
            self._reopen(0)

    # ---- taking in

    def take(self, run: ReadingRun) -> Taken:
        """Take in genuine readings. All are kept; whether they are believed follows from all that is held."""
        if self._goes_on(run):
            self._append(run)
            return Taken(outcomes={ReadingOutcome.ACCEPTED: len(run.mtus)}, lowest_mtu=run.mtus[0])
        self._spread()
        taken, fresh = Taken(), []
        for reading in run.readings():
            outcome = self._keep(reading, taken)
            taken.outcomes[outcome] = taken.outcomes.get(outcome, 0) + 1
            if outcome in (ReadingOutcome.ACCEPTED, ReadingOutcome.PENDING):
                fresh.append(reading)
        for reading in fresh:
            objection = self._objection(reading)
            if objection is not None:
                taken.objections.append(objection)
        return taken

    def _goes_on(self, run: ReadingRun) -> bool:
        """Whether a run simply continues what is held and believed; where in doubt it is looked at one by one."""
        if run.first_sequence != self.next_sequence or self._top_sequence >= run.first_sequence:
            return False
        if run.mtus[0] <= self._top_mtu or self._open_from is not None:  # within a run MTUs rise
            return False
        tail = self._tail
        if tail is None:
            if self._top_sequence:
                return False
            tail = (0, run.import_registers_wh[0], run.export_registers_wh[0])
        highest_import_wh, highest_export_wh = self._highest_wh
        return _rises(tail[1], run.import_registers_wh, highest_import_wh) and _rises(
            tail[2], run.export_registers_wh, highest_export_wh
        )

    def _append(self, run: ReadingRun) -> None:
        self._runs.append(run)
        self._against.clear()
        self._judged = run.first_sequence + len(run.mtus) - 1
        self._tail = (run.mtus[-1], run.import_registers_wh[-1], run.export_registers_wh[-1])
        self._top_mtu = run.mtus[-1]
        self._top_sequence = run.first_sequence + len(run.mtus) - 1
        self.next_sequence = self._top_sequence + 1

    def _spread(self) -> None:
        """Turn runs that were taken in one go into readings; they are believed and stand behind all others."""
        for run in self._runs:
            for reading in run.readings():
                self._by_sequence[reading.sequence] = [reading]
                self._by_mtu[reading.mtu] = [reading]
                self._sequences.append(reading.sequence)
                self._believed.append(reading)
        self._runs.clear()

    def _keep(self, reading: RegisterReading, taken: Taken) -> ReadingOutcome:
        if self._is_final(reading):
            return ReadingOutcome.FINAL
        held = self._by_sequence.get(reading.sequence)
        if held is not None and reading in held:
            return ReadingOutcome.DUPLICATE
        if min(len(held or ()), len(self._by_mtu.get(reading.mtu, ()))) >= DISPUTING:
            return ReadingOutcome.CONTRADICTION
        same_mtu = self._by_mtu.setdefault(reading.mtu, [])
        others = [*(held or ()), *same_mtu]
        if held is None:
            held = self._by_sequence[reading.sequence] = []
            insort(self._sequences, reading.sequence)
        held.append(reading)
        same_mtu.append(reading)
        self._top_mtu = max(self._top_mtu, reading.mtu)
        self._top_sequence = max(self._top_sequence, reading.sequence)
        self._reopen(min([reading.sequence, *(other.sequence for other in others)]))
        lowest = min([reading.mtu, *(other.mtu for other in others)])
        taken.lowest_mtu = lowest if taken.lowest_mtu is None else min(lowest, taken.lowest_mtu)
        pending = reading.sequence > self.next_sequence
        while self.next_sequence in self._by_sequence:
            self.next_sequence += 1
        if others:
            return ReadingOutcome.CONTRADICTION
        return ReadingOutcome.PENDING if pending else ReadingOutcome.ACCEPTED

    def _is_final(self, reading: RegisterReading) -> bool:
        """Whether it lies before the floor in sequence and in time; one that does so in sequence alone may contradict
        a reading that still counts, and is kept for that."""
        floor = self._floor
        return floor is not None and reading.sequence < floor.sequence and reading.mtu < floor.mtu

    def _reopen(self, sequence: int) -> None:
        self._open_from = sequence if self._open_from is None else min(sequence, self._open_from)

    def _objection(self, reading: RegisterReading) -> ReadingRefused | None:
        """Why a reading held is not believed; None where it is, or where it is disputed."""
        believed = self.believed()
        at = bisect_left(believed, reading.sequence, key=lambda item: item.sequence)
        if self.disputed(reading) or (at < len(believed) and believed[at] is reading) or at == 0:
            return None
        try:
            check_follows(key=self._key_at(reading.mtu), before=believed[at - 1], reading=reading)
        except ReadingRefused as error:
            return error
        return None

    # ---- what is believed

    def _key_at(self, mtu: int) -> MeterKey:
        return next((key for key in self._keys if key.valid_from_mtu - 1 <= mtu), self._keys[-1])

    def _follows(self, before: RegisterReading, reading: RegisterReading) -> bool:
        try:
            check_follows(key=self._key_at(reading.mtu), before=before, reading=reading)
        except ReadingRefused:
            return False
        return True

    def _goes_after(self, believed: list[RegisterReading], reading: RegisterReading) -> bool:
        """Whether a reading follows what is believed before it: the floor where that is all there is."""
        if believed:
            return self._follows(believed[-1], reading)
        floor = self._floor
        if floor is None or reading == floor:
            return True
        return reading.sequence > floor.sequence and self._follows(floor, reading)

    def disputed(self, reading: RegisterReading) -> bool:
        """Whether another reading held contradicts this one."""
        self._spread()
        return len(self._by_sequence.get(reading.sequence, ())) > 1 or len(self._by_mtu.get(reading.mtu, ())) > 1

    def believed(self) -> list[RegisterReading]:
        """Undisputed readings that follow each other, ascending in sequence and MTU."""
        self._spread()
        if self._open_from is not None:
            believed, begin = self._believed, self._open_from
            if begin <= self._judged:  # what came later may have outvoted what stood before: all is judged again
                begin = 0
                believed.clear()
                self._against.clear()
            for sequence in self._sequences[bisect_left(self._sequences, begin) :]:
                reading = self._by_sequence[sequence][0]
                if not self.disputed(reading):
                    self._judge(reading)
            self._open_from, self._judged = None, self._top_sequence
            last = believed[-1] if believed else None
            self._tail = (last.mtu, last.import_register_wh, last.export_register_wh) if last else None
        return self._believed

    def _judge(self, reading: RegisterReading) -> None:
        """Believe the next undisputed reading if it follows; else it stands against the last believed one."""
        believed, against = self._believed, self._against
        if self._goes_after(believed, reading):
            believed.append(reading)
            against.clear()
            return
        if against and not self._follows(against[-1], reading):
            against.clear()
        against.append(reading)
        if len(against) != VOTES:
            return
        for outvoted in range(1, min(VOTES, len(believed) + 1)):
            if self._goes_after(believed[:-outvoted], against[0]):
                believed[-outvoted:] = against
                against.clear()
                return

    def believed_around(self, *, first_mtu: int, last_mtu: int) -> list[RegisterReading]:
        """Believed readings up to the end of `last_mtu`, as far back as leaves from `first_mtu` on depend on them: only
        the register before where none is missing."""
        believed = self.believed()
        begin = bisect_left(believed, first_mtu - 1, key=lambda reading: reading.mtu)
        end = bisect_right(believed, last_mtu, key=lambda reading: reading.mtu)
        if end - begin < last_mtu - first_mtu + 2:
            begin = max(0, begin - LOOKBACK_MTUS - 2)
        return believed[begin:end]

    def behind(self, mtu: int, *, zone: ZoneInfo) -> Iterable[RegisterReading]:
        """The believed readings from which a substitute for an MTU follows."""
        believed = self.believed()
        after = bisect_right(believed, mtu, key=lambda reading: reading.mtu)
        around = [*self.believed_around(first_mtu=mtu, last_mtu=mtu), *believed[after : after + 1]]
        return Known(around, zone).rests_on(mtu)

    def believed_before(self, mtu: int) -> RegisterReading | None:
        """The last believed reading before this MTU."""
        believed = self.believed()
        at = bisect_left(believed, mtu, key=lambda reading: reading.mtu)
        return believed[at - 1] if at else None

    def first_believed_before(self, mtu: int) -> RegisterReading | None:
        """The first reading of the meter that is believed, if it lies before this MTU and was not forgotten."""
        believed = self.believed()
        return believed[0] if believed and believed[0].mtu < mtu else None

    def believes_between(self, first_mtu: int, last_mtu: int) -> bool:
        """Whether any register at the end of one of these MTUs is believed."""
        before = self.believed_before(last_mtu + 1)
        return before is not None and before.mtu >= first_mtu

    # ---- what is held

    def held_at(self, mtu: int) -> list[RegisterReading]:
        """All readings held about the end of an MTU, contradicting ones included."""
        self._spread()
        return list(self._by_mtu.get(mtu, ()))

    def gap(self) -> tuple[int, int] | None:
        """(first, last) missing sequence before the lowest pending one; None without a gap."""
        if self._top_sequence < self.next_sequence:
            return None
        at = bisect_left(self._sequences, self.next_sequence)
        return self.next_sequence, self._sequences[at] - 1

    def disputed_behind(self, mtu: int, *, zone: ZoneInfo) -> Iterable[RegisterReading]:
        """The disputed readings from which a substitute for an MTU would follow, were they believed."""
        likes = like_mtus(mtu, zone)
        return self._disputed_at({at for like in likes for at in (like - 1, like)})

    def disputed_around(self, mtu: int) -> Iterable[RegisterReading]:
        """The disputed readings between the believed ones before and after an MTU."""
        believed = self.believed()
        after = bisect_right(believed, mtu, key=lambda reading: reading.mtu)
        first = believed[after - 1].mtu + 1 if after else min(self._by_mtu, default=0)
        last = believed[after].mtu - 1 if after < len(believed) else max(self._by_mtu, default=0)
        return self._disputed_at(at for at in self._by_mtu if first <= at <= last)

    def _disputed_at(self, mtus: Iterable[int]) -> Iterable[RegisterReading]:
        return [reading for at in mtus for reading in self.held_at(at) if self.disputed(reading)]

    # ---- what is forgotten

    def floor_before(self, mtu: int) -> RegisterReading | None:
        """The believed reading from which on all must be kept, so that leaves from this MTU on come out the same.

        None while less than that is known, or where a sequence is missing before it or was given to a later MTU: such
        a reading may yet contradict one that counts.
        """
        believed = self.believed()
        at = bisect_left(believed, mtu, key=lambda reading: reading.mtu) - FLOOR_READINGS
        if at <= 0:
            return None
        floor = believed[at]
        earlier = self._sequences[: bisect_left(self._sequences, floor.sequence)]
        in_order = all(reading.mtu < floor.mtu for sequence in earlier for reading in self._by_sequence[sequence])
        return floor if in_order and floor.sequence <= self.next_sequence else None

    def forget_before(self, floor: RegisterReading) -> None:
        """Forget all readings before a reading that `floor_before` gave."""
        self._spread()
        at = bisect_left(self._sequences, floor.sequence)
        for sequence in self._sequences[:at]:
            for reading in self._by_sequence.pop(sequence):
                same_mtu = self._by_mtu[reading.mtu]
                same_mtu.remove(reading)
                if not same_mtu:
                    del self._by_mtu[reading.mtu]
        del self._sequences[:at]
        del self._believed[: bisect_left(self._believed, floor.sequence, key=lambda item: item.sequence)]
        self._floor = floor
