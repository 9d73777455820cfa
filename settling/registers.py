"""Whether a reading is believable: bounds from the connection, from time, and from the reading before it."""

from __future__ import annotations

from domain.jws import MessageRefused
from domain.meters import MeterKey
from domain.mtu import mtu_end
from domain.registers import RegisterReading
from domain.units import MTUS_PER_HOUR


class ReadingRefused(MessageRefused):
    """One reading of a genuine message is not believed; `sequence` and `mtu` name it."""

    code = "reading-refused"

    def __init__(self, *, meter_code: str, sequence: int, mtu: int, reason: str) -> None:
        self.meter_code, self.sequence, self.mtu, self.reason = meter_code, sequence, mtu, reason
        super().__init__(f"reading {sequence} of meter {meter_code!r} for MTU {mtu} refused: {reason}")


class FutureReading(ReadingRefused):
    """The MTU has not ended yet by market time."""

    code = "reading-future"
    retryable = True

    def __init__(self, *, meter_code: str, sequence: int, mtu: int, ends_in_s: int) -> None:
        self.ends_in_s = ends_in_s
        reason = f"the MTU ends in {ends_in_s} s of market time; send it again after its end"
        super().__init__(meter_code=meter_code, sequence=sequence, mtu=mtu, reason=reason)


class StaleReading(ReadingRefused):
    """The MTU lies behind what can still be corrected, or behind a reading with a lower sequence."""

    code = "reading-stale"

    def __init__(self, *, meter_code: str, sequence: int, mtu: int, oldest_mtu: int) -> None:
        self.oldest_mtu = oldest_mtu
        reason = f"readings before MTU {oldest_mtu} are closed; send later MTUs with later sequences"
        super().__init__(meter_code=meter_code, sequence=sequence, mtu=mtu, reason=reason)


class FallingRegister(ReadingRefused):
    """A cumulative register is lower than it was before."""

    code = "reading-falling"

    def __init__(self, *, meter_code: str, sequence: int, mtu: int, channel: str, before_wh: int, now_wh: int) -> None:
        self.channel, self.before_wh, self.now_wh = channel, before_wh, now_wh
        reason = f"its {channel} register fell from {before_wh} to {now_wh} Wh; have the meter inspected"
        super().__init__(meter_code=meter_code, sequence=sequence, mtu=mtu, reason=reason)


class ImplausibleReading(ReadingRefused):
    """More energy flowed than the connection can carry."""

    code = "reading-implausible"

    def __init__(
        self, *, meter_code: str, sequence: int, mtu: int, channel: str, energy_wh: int, highest_wh: int
    ) -> None:
        self.channel, self.energy_wh, self.highest_wh = channel, energy_wh, highest_wh
        reason = f"{channel} of {energy_wh} Wh exceeds the {highest_wh} Wh the connection can carry; check the meter"
        super().__init__(meter_code=meter_code, sequence=sequence, mtu=mtu, reason=reason)


PLAUSIBLE_FACTOR_HALVES = 3
"""A connection carries at most 1.5 times its agreed power (in halves, to stay in integers): fuses bear that."""

POWER_FLOOR_W = 1_000
"""A connection of less, of none for feeding in for instance, is believed to carry this: what panels on a balcony make.
A single Wh more than was agreed would else make a meter count for nothing, for good."""

VOTES = 4
"""So many readings in a row that follow each other outvote fewer that were believed before them."""

CLOCK_SKEW_S = 10
"""A meter's clock may be this many seconds of market time ahead before its reading counts as one of the future."""


def energy_highest_wh(*, power_w: int, mtus: int) -> int:
    """Most energy in Wh that a connection of this power is believed to carry in so many MTUs, rounded up."""
    return -(-max(power_w, POWER_FLOOR_W) * PLAUSIBLE_FACTOR_HALVES * mtus // (2 * MTUS_PER_HOUR))


def check_time(*, meter_code: str, sequence: int, mtu: int, market_time: int, horizon_seconds: int) -> None:
    """Raise FutureReading before the MTU's end (less the skew), StaleReading once it can't be corrected any more."""
    ends_in_s = mtu_end(mtu) - market_time
    if ends_in_s > CLOCK_SKEW_S:
        raise FutureReading(meter_code=meter_code, sequence=sequence, mtu=mtu, ends_in_s=int(ends_in_s))
    if -ends_in_s > horizon_seconds:
        oldest = (market_time - horizon_seconds) // 900
        raise StaleReading(meter_code=meter_code, sequence=sequence, mtu=mtu, oldest_mtu=oldest)


def check_follows(*, key: MeterKey, before: RegisterReading, reading: RegisterReading) -> None:
    """Raise StaleReading, FallingRegister or ImplausibleReading unless `reading` can follow `before`."""
    code, sequence, mtu = key.meter_code, reading.sequence, reading.mtu
    if mtu <= before.mtu:
        raise StaleReading(meter_code=code, sequence=sequence, mtu=mtu, oldest_mtu=before.mtu + 1)
    channels = (
        ("import", before.import_register_wh, reading.import_register_wh, key.connection_import_w),
        ("export", before.export_register_wh, reading.export_register_wh, key.connection_export_w),
    )
    for channel, before_wh, now_wh, power_w in channels:
        if now_wh < before_wh:
            raise FallingRegister(
                meter_code=code, sequence=sequence, mtu=mtu, channel=channel, before_wh=before_wh, now_wh=now_wh
            )
        highest_wh = energy_highest_wh(power_w=power_w, mtus=mtu - before.mtu)
        if now_wh - before_wh > highest_wh:
            raise ImplausibleReading(
                meter_code=code,
                sequence=sequence,
                mtu=mtu,
                channel=channel,
                energy_wh=now_wh - before_wh,
                highest_wh=highest_wh,
            )
