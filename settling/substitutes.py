"""From known registers to one leaf per MTU: the interval energy, and the substitute where a register is missing.

Rule (a pure function of what the meter signed, the same for everybody who knows the same registers), each channel for
itself:
- register known: measured; the interval is its difference to the register one MTU before, whatever that one's quality;
- missing between two known ones: their difference in the shape of like days, rounded down, so that no energy appears
  or vanishes; evenly where an MTU has no like day or like days show nothing;
- missing after the last known one: the energy of the like day; without one the mean import of the last day known,
  rounded down, and no export;
- before the first known one, or with none at all: no energy.
The like day of an MTU has the same local time: of the seven days before it the newest whose register is known there and
one MTU earlier, days of its own type (workday, Saturday, Sunday) first. So no noon is repeated at night.
Registers of consecutive leaves therefore always differ by exactly the interval energy of the later one. The nonce of a
substitute follows from the reading it rests on, so what is known gives one root and nobody chooses among several.
Source: the comparable-value method for missing values of metering practice (VDE-AR-N 4400), without holidays.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from zoneinfo import ZoneInfo

from domain.hashing import ZERO_HASH, keccak, text_id
from domain.mtu import MTU_SECONDS
from domain.readings import Quality, Reading
from domain.registers import RegisterReading
from domain.units import MTUS_PER_HOUR

SUBSTITUTE_RULE = 4
"""Version of the rule above, and of those for balancing entries (`settling.balancing`) and for what is believed
(`settling.registers`); facts of readings name it."""

MTUS_PER_DAY = 24 * MTUS_PER_HOUR
"""MTUs of a day without a change of the clock."""

LIKE_DAYS_BACK = 7
"""How many days back a like day is looked for: every type of day comes once a week."""

LOOKBACK_MTUS = (LIKE_DAYS_BACK + 1) * MTUS_PER_DAY
"""How far back registers are looked at: seven local days, one of which may have 25 hours, and the register before."""

_SUBSTITUTE_TAG = b"substitute"
_SATURDAY = 5


def _type_of(day: date) -> int:
    """0 for a workday, 1 and 2 for Saturday and Sunday."""
    return max(day.weekday() - _SATURDAY + 1, 0)


@lru_cache(maxsize=4_096)
def like_mtus(mtu: int, zone: ZoneInfo) -> tuple[int, ...]:
    """The MTUs of the days before that have the same local time, best first."""
    local = datetime.fromtimestamp(mtu * MTU_SECONDS, zone).replace(tzinfo=None)
    days = [local - timedelta(days=back) for back in range(1, LIKE_DAYS_BACK + 1)]
    days.sort(key=lambda day: _type_of(day) != _type_of(local))  # stable: the newest first among each
    return tuple(int(day.replace(tzinfo=zone).timestamp()) // MTU_SECONDS for day in days)


class Known:
    """What is known of a meter, and what follows from it. `readings` ascend in MTU and register; `zone` is that of
    the meter's area."""

    def __init__(self, readings: Sequence[RegisterReading], zone: ZoneInfo) -> None:
        self._readings = readings
        self._mtus = [reading.mtu for reading in readings]
        self._zone = zone
        self._curves: dict[int, list[tuple[int, int]]] = {}  # of substitutes, by the MTU of the reading before

    def at(self, mtu: int) -> RegisterReading | None:
        """The reading at the end of an MTU."""
        at = bisect_left(self._mtus, mtu)
        return self._readings[at] if at < len(self._mtus) and self._mtus[at] == mtu else None

    def around(self, mtu: int) -> tuple[RegisterReading | None, RegisterReading | None]:
        """The last reading before the end of an MTU that has none, and the first one after it."""
        at = bisect_left(self._mtus, mtu)
        return (self._readings[at - 1] if at else None, self._readings[at] if at < len(self._mtus) else None)

    def registers_at(self, mtu: int) -> tuple[int, int]:
        """(import, export) registers in Wh at the end of an MTU."""
        found = self.at(mtu)
        before, after = self.around(mtu)
        if found is None and before is None:
            found = after
        if found is not None:
            return found.import_register_wh, found.export_register_wh
        if before is None:
            return 0, 0
        curve = self._curves.setdefault(before.mtu, [])
        if after is None:
            self._go_on(curve, before, mtu)
        elif not curve:
            self._share_out(curve, before, after)
        return curve[mtu - before.mtu - 1]

    def rests_on(self, mtu: int) -> Iterator[RegisterReading]:
        """The readings from which the energy of a substitute follows, beside those of the substitutes around it."""
        before, after = self.around(mtu)
        if before is not None:
            yield from self._like_pair(mtu) or (self._day_before(before),)
        yield from (reading for reading in (before, after) if reading is not None)

    def _like_pair(self, mtu: int) -> tuple[RegisterReading, RegisterReading] | None:
        """The readings at begin and end of the like day's MTU."""
        for like in like_mtus(mtu, self._zone):
            begin, end = self.at(like - 1), self.at(like)
            if begin is not None and end is not None:
                return begin, end
        return None

    def _day_before(self, last: RegisterReading) -> RegisterReading:
        """The first reading of the day that ends with one."""
        return self._readings[bisect_left(self._mtus, last.mtu - MTUS_PER_DAY)]

    def _go_on(self, curve: list[tuple[int, int]], last: RegisterReading, mtu: int) -> None:
        """Lengthen the registers after the last known one to the end of an MTU."""
        import_wh, export_wh = curve[-1] if curve else (last.import_register_wh, last.export_register_wh)
        first = self._day_before(last)
        mean_wh = 0 if first is last else _difference_wh(first, last)[0] // (last.mtu - first.mtu)
        for at in range(last.mtu + 1 + len(curve), mtu + 1):
            pair = self._like_pair(at) if at - last.mtu <= LOOKBACK_MTUS else None
            more = (mean_wh, 0) if pair is None else _difference_wh(*pair)
            import_wh, export_wh = import_wh + more[0], export_wh + more[1]
            curve.append((import_wh, export_wh))

    def _share_out(self, curve: list[tuple[int, int]], before: RegisterReading, after: RegisterReading) -> None:
        """The registers between two known ones."""
        shape: list[tuple[int, int]] = []
        for at in range(before.mtu + 1, after.mtu + 1):
            pair = self._like_pair(at)
            if pair is None:
                shape = [(0, 0)] * (after.mtu - before.mtu)
                break
            shape.append(_difference_wh(*pair))
        imported_wh, exported_wh = _difference_wh(before, after)
        curve += zip(
            _shared(before.import_register_wh, imported_wh, [wh for wh, _ in shape]),
            _shared(before.export_register_wh, exported_wh, [wh for _, wh in shape]),
            strict=True,
        )


def _difference_wh(begin: RegisterReading, end: RegisterReading) -> tuple[int, int]:
    return (
        end.import_register_wh - begin.import_register_wh,
        end.export_register_wh - begin.export_register_wh,
    )


def _shared(register_wh: int, total_wh: int, weights_wh: Sequence[int]) -> Iterator[int]:
    """Registers that rise by an energy in the shape of weights, evenly where all of these are 0."""
    weights = weights_wh if any(weights_wh) else [1] * len(weights_wh)
    whole = sum(weights)
    return (register_wh + total_wh * part // whole for part in accumulate(weights))


def substitute_nonce(known: Known, *, meter_id: bytes, mtu: int) -> bytes:
    """The nonce of a substitute for `mtu`: as hard to guess as that of the known reading before it (else after it).

    With nothing known at all the leaf says only that the meter was never heard, and its nonce is no secret.
    """
    before, after = known.around(mtu)
    source = before or after
    return _nonce(meter_id, mtu, source.nonce if source else ZERO_HASH)


def unheard_nonce(*, meter_id: bytes, mtu: int) -> bytes:
    """The nonce of a substitute of a meter of which nothing is known."""
    return _nonce(meter_id, mtu, ZERO_HASH)


def _nonce(meter_id: bytes, mtu: int, rests_on: bytes) -> bytes:
    return keccak(_SUBSTITUTE_TAG + meter_id + mtu.to_bytes(32, "big") + rests_on)


def leaves(
    *, meter_code: str, readings: Sequence[RegisterReading], zone: ZoneInfo, first_mtu: int, last_mtu: int
) -> list[Reading]:
    """The leaves of one meter for MTUs `first_mtu` to `last_mtu`. The readings known ascend in MTU and register."""
    known, meter_id = Known(readings, zone), text_id(meter_code)
    import_before_wh, export_before_wh = known.registers_at(first_mtu - 1)
    result = []
    for mtu in range(first_mtu, last_mtu + 1):
        source = known.at(mtu)
        import_wh, export_wh = known.registers_at(mtu)
        result.append(
            Reading(
                meter_code=meter_code,
                mtu=mtu,
                import_register_wh=import_wh,
                export_register_wh=export_wh,
                import_wh=import_wh - import_before_wh,
                export_wh=export_wh - export_before_wh,
                sequence=source.sequence if source else 0,
                quality=Quality.MEASURED if source else Quality.SUBSTITUTE,
                nonce=source.nonce if source else substitute_nonce(known, meter_id=meter_id, mtu=mtu),
            )
        )
        import_before_wh, export_before_wh = import_wh, export_wh
    return result
