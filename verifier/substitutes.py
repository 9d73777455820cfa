"""Substitutes: what follows from a meter's signed readings where one is missing.

Source: docs/protocol.md section 4. Which readings count is what attesters believe, docs/evidence.md section 3
(`reading.attested`).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, islice
from zoneinfo import ZoneInfo

from verifier.form import unhex
from verifier.hashes import ident, keccak, tohex
from verifier.signatures import Registers

MTU_SECONDS, MTUS_PER_DAY = 900, 96

LIKE_DAYS_BACK = 7
"""How many days back a like day may lie."""

LIKE_MTUS_BACK = (LIKE_DAYS_BACK + 1) * MTUS_PER_DAY
"""No like day's MTU is further back: local days have up to 25 hours."""

VOTES = 4
"""So many readings in a row that follow each other outvote fewer that were believed before them."""

MostBelieved = Callable[[int, int], tuple[int, int]]
"""Most Wh drawn and fed in that are believed at an MTU over so many MTUs."""


@dataclass(frozen=True, slots=True)
class Substitute:
    """Registers at the end of an MTU, in Wh, and the nonce of the leaf."""

    import_register_wh: int
    export_register_wh: int
    nonce: str


def like_mtus(mtu: int, zone: ZoneInfo) -> Iterator[int]:
    """The same local time on the seven days before: days of the same type first, the newest first among these."""
    local = datetime.fromtimestamp(mtu * MTU_SECONDS, zone)
    before = [local.replace(tzinfo=None) - timedelta(days=back) for back in range(1, LIKE_DAYS_BACK + 1)]
    alike = [day for day in before if _type_of(day) == _type_of(local)]
    for day in (*alike, *(day for day in before if day not in alike)):
        yield int(day.replace(tzinfo=zone).timestamp()) // MTU_SECONDS


def _type_of(day: datetime) -> str:
    return {5: "Saturday", 6: "Sunday"}.get(day.weekday(), "workday")


def substitute_nonce(meter: str, mtu: int, source: Registers | None) -> str:
    """The nonce of a substitute that rests on a reading, or on none."""
    rests_on = unhex(source.nonce, 32) if source else bytes(32)
    return tohex(keccak(b"substitute" + unhex(ident(meter), 32) + mtu.to_bytes(32, "big") + rests_on))


class MeterReadings:
    """The readings that a meter signed, as far as they have been told."""

    def __init__(self, meter: str, most_believed: MostBelieved) -> None:
        self._meter, self._most_believed = meter, most_believed
        self._by_sequence: dict[int, list[Registers]] = {}
        self._by_mtu: dict[int, list[Registers]] = {}
        self._lowest: dict[int, int] = {}  # sequence, by MTU
        self._sequences: list[int] = []
        self._believed: list[Registers] = []
        self._against: list[Registers] = []  # after the last believed one: they follow each other, but not it
        self._judged = -1  # the highest sequence from which what is believed was found
        self._open_from: int | None = None  # what is believed from this sequence on is to be found anew
        self._curves: dict[tuple[int, int | None], list[tuple[int, int]]] = {}

    def take(self, item: Registers) -> None:
        """One more signed reading, told now."""
        if item.sequence not in self._by_sequence:
            insort(self._sequences, item.sequence)
        self._by_sequence.setdefault(item.sequence, []).append(item)
        self._by_mtu.setdefault(item.mtu, []).append(item)
        lowest = self._lowest[item.mtu] = min(item.sequence, self._lowest.get(item.mtu, item.sequence))
        self._open_from = lowest if self._open_from is None else min(self._open_from, lowest)
        self._curves.clear()

    def believed(self) -> list[Registers]:
        """Readings that no other contradicts, each following the one before; they ascend in sequence and MTU."""
        if self._open_from is not None:
            begin = self._open_from
            if begin <= self._judged:
                begin = 0
                self._believed.clear()
                self._against.clear()
            for sequence in islice(self._sequences, bisect_left(self._sequences, begin), None):
                (item, *others) = self._by_sequence[sequence]
                if not others and len(self._by_mtu[item.mtu]) == 1:
                    self._judge(item)
            self._open_from, self._judged = None, self._sequences[-1]
        return self._believed

    def _judge(self, item: Registers) -> None:
        """Four in a row that follow each other outvote up to three: those after the last one that they follow."""
        known, against = self._believed, self._against
        if not known or self._follows(known[-1], item):
            known.append(item)
            against.clear()
            return
        if against and not self._follows(against[-1], item):
            against.clear()
        against.append(item)
        if len(against) == VOTES:
            for kept in range(len(known) - 1, max(len(known) - VOTES, -1), -1):
                if kept == 0 or self._follows(known[kept - 1], against[0]):
                    known[kept:] = against
                    against.clear()
                    break

    def believed_at(self, mtu: int) -> Registers | None:
        """The believed reading at the end of an MTU."""
        self.believed()
        return self._at(mtu)

    def _follows(self, before: Registers, item: Registers) -> bool:
        imported, exported = item.import_wh - before.import_wh, item.export_wh - before.export_wh
        most_imported, most_exported = self._most_believed(item.mtu, item.mtu - before.mtu)
        return item.mtu > before.mtu and 0 <= imported <= most_imported and 0 <= exported <= most_exported

    def first_before(self, mtu: int) -> Registers | None:
        """The first believed reading, where it lies before an MTU."""
        return next((item for item in self.believed()[:1] if item.mtu < mtu), None)

    # ---- what follows

    def registers_at(self, mtu: int, zone: ZoneInfo) -> list[tuple[int, int]]:
        """(import, export) registers in Wh that may stand for the end of an MTU: those of its believed reading, else of
        a substitute."""
        found = self.believed_at(mtu)
        if found is not None:
            return [(found.import_wh, found.export_wh)]
        return [(item.import_register_wh, item.export_register_wh) for item in self.substitutes(mtu, zone)]

    def substitutes(self, mtu: int, zone: ZoneInfo) -> Iterable[Substitute]:
        """What may stand for an MTU: with what is told of the time after it, and as long as nothing of it was known."""
        known = self.believed()
        at = bisect_left(known, mtu, key=lambda item: item.mtu)
        before = known[at - 1] if at else None
        later = next((item for item in known[at : at + 2] if item.mtu > mtu), None)
        for after in (later, None) if later else (None,):
            import_wh, export_wh = self._registers(mtu, before, after, zone)
            source = before or after
            yield Substitute(import_wh, export_wh, substitute_nonce(self._meter, mtu, source))

    def _registers(
        self, mtu: int, before: Registers | None, after: Registers | None, zone: ZoneInfo
    ) -> tuple[int, int]:
        if before is None:
            return (after.import_wh, after.export_wh) if after else (0, 0)
        curve = self._curves.setdefault((before.mtu, after.mtu if after else None), [])
        if after is None:
            return self._beyond(curve, before, mtu, zone)
        steps, count = mtu - before.mtu, after.mtu - before.mtu
        if count > LIKE_MTUS_BACK:  # then the last ones have no like day
            return (
                before.import_wh + (after.import_wh - before.import_wh) * steps // count,
                before.export_wh + (after.export_wh - before.export_wh) * steps // count,
            )
        if not curve:
            curve += self._shared(before, after, zone)
        return curve[steps - 1]

    def _like_energy(self, mtu: int, zone: ZoneInfo) -> tuple[int, int] | None:
        """(import, export) in Wh of the like day's MTU."""
        for like in like_mtus(mtu, zone):
            begin, end = self._at(like - 1), self._at(like)
            if begin and end:
                return end.import_wh - begin.import_wh, end.export_wh - begin.export_wh
        return None

    def _at(self, mtu: int) -> Registers | None:
        """The believed reading at the end of an MTU."""
        items = self._by_mtu.get(mtu, ())
        if len(items) != 1:
            return None
        at = bisect_left(self._believed, items[0].sequence, key=lambda item: item.sequence)
        return items[0] if at < len(self._believed) and self._believed[at] == items[0] else None

    def _beyond(self, curve: list[tuple[int, int]], last: Registers, mtu: int, zone: ZoneInfo) -> tuple[int, int]:
        """After the last known register: what the like day shows, else the mean import of the day that ends with it."""
        begin = bisect_left(self._believed, last.mtu - MTUS_PER_DAY, key=lambda item: item.mtu)
        first = self._believed[begin]
        mean_wh = (last.import_wh - first.import_wh) // max(last.mtu - first.mtu, 1)
        import_wh, export_wh = curve[-1] if curve else (last.import_wh, last.export_wh)
        end = min(mtu, last.mtu + LIKE_MTUS_BACK)
        for at in range(last.mtu + 1 + len(curve), end + 1):
            imported, exported = self._like_energy(at, zone) or (mean_wh, 0)
            import_wh, export_wh = import_wh + imported, export_wh + exported
            curve.append((import_wh, export_wh))
        import_wh, export_wh = curve[end - last.mtu - 1]
        return import_wh + (mtu - end) * mean_wh, export_wh

    def _shared(self, before: Registers, after: Registers, zone: ZoneInfo) -> Iterable[tuple[int, int]]:
        """Between two known registers: their difference in the shape of the like days, else evenly."""
        count = after.mtu - before.mtu
        shape: list[tuple[int, int]] = []
        for at in range(before.mtu + 1, after.mtu + 1):
            like = self._like_energy(at, zone)
            if like is None:
                shape = [(0, 0)] * count
                break
            shape.append(like)
        return zip(
            _in_shape(before.import_wh, after.import_wh, [imported for imported, _ in shape]),
            _in_shape(before.export_wh, after.export_wh, [exported for _, exported in shape]),
            strict=True,
        )


def _in_shape(begin_wh: int, end_wh: int, weights: Sequence[int]) -> Iterable[int]:
    """Registers from one to another, each rounded down."""
    parts = list(accumulate(weights if any(weights) else [1] * len(weights)))
    return [begin_wh + (end_wh - begin_wh) * part // parts[-1] for part in parts]
