"""Settlement periods: the runs of MTUs of an area that are settled together."""

from __future__ import annotations

from dataclasses import dataclass

from domain.mtu import MtuRange


@dataclass(frozen=True, slots=True)
class Period:
    """`count` MTUs from `first_mtu` on that an area (its code) settles together; an area's periods are numbered from 1.

    >>> 12 in Period(area="A", number=1, first_mtu=10, count=2)
    False
    """

    area: str
    number: int
    first_mtu: int
    count: int

    @property
    def mtus(self) -> MtuRange:
        """Its MTUs."""
        return MtuRange(first=self.first_mtu, count=self.count)

    @property
    def end_mtu(self) -> int:
        """The first MTU after it."""
        return self.first_mtu + self.count

    def __contains__(self, mtu: object) -> bool:
        return mtu in self.mtus
