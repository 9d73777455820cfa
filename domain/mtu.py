"""Market time units: 15 minutes, `[start, end)` in UTC, numbered by unix seconds // 900."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NewType
from zoneinfo import ZoneInfo

MtuIndex = NewType("MtuIndex", int)
MarketSeconds = NewType("MarketSeconds", int)

MTU_SECONDS = 900
"""Length of a market time unit in seconds (Regulation (EU) 2019/943, article 8: at most 15 minutes)."""

SECONDS_LAST = 253_402_300_799
"""The last second of the year 9999, beyond which ISO 8601 has no times."""

MTU_END = SECONDS_LAST // MTU_SECONDS + 1
"""The first number that is no MTU any more."""


def mtu_of(seconds: int) -> MtuIndex:
    """The MTU that contains this unix time."""
    return MtuIndex(seconds // MTU_SECONDS)


def mtu_start(mtu: int) -> MarketSeconds:
    """Unix time at which the MTU begins (included)."""
    return MarketSeconds(mtu * MTU_SECONDS)


def mtu_end(mtu: int) -> MarketSeconds:
    """Unix time at which the MTU has ended (excluded)."""
    return MarketSeconds((mtu + 1) * MTU_SECONDS)


def isoformat_utc(seconds: int) -> str:
    """RFC 3339 text of a unix time, in UTC with a trailing Z."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def mtu_from(text: str) -> MtuIndex:
    """The MTU of this number, or the one that begins at an ISO 8601 time with its zone. Raises ValueError.

    >>> mtu_from("1628040"), mtu_from("2016-06-06T20:00+02:00")
    (1628040, 1628040)
    """
    if text.isascii() and text.isdecimal():
        found = int(text)
    else:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or moment.timestamp() % MTU_SECONDS:
            raise ValueError("no MTU begins then: times have a zone and lie on a quarter of an hour")
        found = int(moment.timestamp()) // MTU_SECONDS
    if not 0 <= found < MTU_END:
        raise ValueError(f"MTUs go from 0 to {MTU_END - 1}")
    return MtuIndex(found)


@dataclass(frozen=True, slots=True)
class MtuRange:
    """`count` MTUs from `first` on.

    >>> list(MtuRange(first=10, count=2))
    [10, 11]
    >>> 12 in MtuRange(first=10, count=2)
    False
    """

    first: int
    count: int

    def __iter__(self) -> Iterator[MtuIndex]:
        return (MtuIndex(mtu) for mtu in range(self.first, self.first + self.count))

    def __contains__(self, mtu: object) -> bool:
        return isinstance(mtu, int) and self.first <= mtu < self.first + self.count

    def __len__(self) -> int:
        return self.count

    @property
    def start(self) -> MarketSeconds:
        """Unix time of the first instant inside."""
        return mtu_start(self.first)

    @property
    def end(self) -> MarketSeconds:
        """Unix time of the first instant after."""
        return mtu_start(self.first + self.count)


def is_zone(name: str) -> bool:
    """Whether this is a zone of the IANA table, the same on every machine: not one that follows a machine's own."""
    try:
        return ("/" in name or name == "UTC") and ZoneInfo(name) is not None
    except (KeyError, ValueError, OSError):
        return False


def local_date(seconds: int, zone: ZoneInfo) -> date:
    """The local calendar day that contains a time."""
    return datetime.fromtimestamp(seconds, tz=zone).date()


def local_instant(*, day: date, clock: time, zone: ZoneInfo) -> MarketSeconds:
    """Unix time at which a clock on the wall shows this on a local day.

    A time inside the hour that clocks skip is as long after the change as it is into that hour (02:30 is what the
    clock then calls 03:30), one that comes twice is the first: so each gate is once a day, and none before another
    that lies an hour or more ahead of it.
    """
    return MarketSeconds(int(datetime.combine(day, clock, tzinfo=zone).timestamp()))


def local_midnight(*, day: date, zone: ZoneInfo) -> MarketSeconds:
    """Unix time at which the local day begins."""
    return local_instant(day=day, clock=time(0), zone=zone)


def local_day(*, day: date, zone: ZoneInfo) -> MtuRange:
    """The MTUs of a local calendar day: 96, or 92 / 100 where the clock changes."""
    begin = local_midnight(day=day, zone=zone)
    end = local_midnight(day=day + timedelta(days=1), zone=zone)
    return MtuRange(first=mtu_of(begin), count=(end - begin) // MTU_SECONDS)
