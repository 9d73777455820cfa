"""Settlement periods: the runs of MTUs of an area that are settled together."""

from __future__ import annotations

from dataclasses import dataclass

from domain.mtu import MtuRange, mtu_start


@dataclass(frozen=True, slots=True)
class Period:
    """`count` MTUs from `first_mtu` on that an area (its code) settles together; an area's periods are numbered from 1.

    `declared_at` is the market time of its declaration: what must be done with a period that was declared late has its
    time from then on (0 where nothing asks for it). `resolved_at` is that at which the last of its MTUs was attested or
    marked Unread, None before.

    >>> 12 in Period(area="A", number=1, first_mtu=10, count=2)
    False
    """

    area: str
    number: int
    first_mtu: int
    count: int
    declared_at: int = 0
    resolved_at: int | None = None

    @property
    def mtus(self) -> MtuRange:
        """Its MTUs."""
        return MtuRange(first=self.first_mtu, count=self.count)

    @property
    def end_mtu(self) -> int:
        """The first MTU after it."""
        return self.first_mtu + self.count

    def time_from(self, end_mtu: int) -> int:
        """From when something has its time that concerns MTUs up to this one: their end, or the later declaration."""
        return max(mtu_start(end_mtu), self.declared_at)

    def __contains__(self, mtu: object) -> bool:
        return mtu in self.mtus
