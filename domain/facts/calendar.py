"""The calendar: periods of an area, sessions of a market."""

from __future__ import annotations

from domain.facts.base import Fact, fact
from domain.members import Code, Mtu, Natural, Number, Session
from domain.periods import Period


@fact
class PeriodDeclared(Fact):
    """An area settles `count` MTUs from `first_mtu` on together. An area's periods are contiguous."""

    KIND = "period.declared"
    area: Code
    period: Number
    first_mtu: Mtu
    count: Natural

    @property
    def journal_key(self) -> str:
        """One fact per period."""
        return f"period:{self.area}:{self.period}"

    @property
    def span(self) -> Period:
        """The period as the noun."""
        return Period(area=self.area, number=self.period, first_mtu=self.first_mtu, count=self.count)


@fact
class SessionOpened(Fact):
    """A market takes orders for `count` MTUs from `first_mtu` on, until its gate, which is its name."""

    KIND = "session.opened"
    market: Code
    area: Code
    session: Session
    period: Number
    first_mtu: Mtu
    count: Natural

    @property
    def journal_key(self) -> str:
        """One fact per session."""
        return f"session:{self.market}:{self.session}"


def lapsed_key(*, market: str, session: int) -> str:
    """The journal key of a session's lapse."""
    return f"lapsed:{market}:{session}"


@fact
class SessionLapsed(Fact):
    """The chain refused to open a session until it was too late, as `reason` says: it is over, nothing in it traded."""

    KIND = "session.lapsed"
    market: Code
    session: Session
    reason: str

    @property
    def journal_key(self) -> str:
        """A session lapses once."""
        return lapsed_key(market=self.market, session=self.session)
