"""Reading the market's frame: periods, sessions, and what of them the chain has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, select

from domain.areas import Area
from domain.facts import Subject
from domain.mtu import MtuRange, local_date, local_midnight, mtu_start
from domain.periods import Period
from domain.sessions import SESSION_MTUS_MAX
from ledger_service.market.tables import market_inclusion, market_period, market_session


@dataclass(frozen=True, slots=True)
class Session:
    """One gate of a market and its MTUs. `session` is that gate in market time; `closed` once nothing more is traded
    in it: its books are, or it lapsed."""

    market: str
    session: int
    area: str
    period: int
    first_mtu: int
    count: int
    closed: bool

    @property
    def mtus(self) -> MtuRange:
        """Its MTUs."""
        return MtuRange(first=self.first_mtu, count=self.count)

    @property
    def subject(self) -> Subject:
        """What a request about it is about."""
        return Subject(
            area=self.area,
            market=self.market,
            period=self.period,
            session=self.session,
            first_mtu=self.first_mtu,
            count=self.count,
        )


def _period(row: Row[Any]) -> Period:
    return Period(area=row.area, number=row.period, first_mtu=row.first_mtu, count=row._mapping["count"])


def _session(row: Row[Any]) -> Session:
    return Session(
        market=row.market,
        session=row.session,
        area=row.area,
        period=row.period,
        first_mtu=row.first_mtu,
        count=row._mapping["count"],
        closed=bool(row.closed),
    )


def periods(connection: Connection, *, area: str) -> list[Period]:
    """Every period of an area, ascending."""
    query = select(market_period).where(market_period.c.area == area).order_by(market_period.c.period)
    return [_period(row) for row in connection.execute(query)]


def last_period(connection: Connection, *, area: str) -> Period | None:
    """The period declared last."""
    query = select(market_period).where(market_period.c.area == area).order_by(market_period.c.period.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else _period(row)


def period_of(connection: Connection, *, area: str, mtu: int) -> Period | None:
    """The period that contains an MTU."""
    query = (
        select(market_period)
        .where(market_period.c.area == area, market_period.c.first_mtu <= mtu)
        .order_by(market_period.c.first_mtu.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    found = None if row is None else _period(row)
    return found if found is not None and mtu in found.mtus else None


def sessions(connection: Connection, *, market: str | None = None, closed: bool | None = None) -> list[Session]:
    """Sessions of a market (of all where None), ascending; only closed or only open ones where asked."""
    query = select(market_session)
    if market is not None:
        query = query.where(market_session.c.market == market)
    if closed is not None:
        query = query.where(market_session.c.closed.is_(closed))
    ordered = query.order_by(market_session.c.market, market_session.c.session)
    return [_session(row) for row in connection.execute(ordered)]


def session(connection: Connection, *, market: str, session: int) -> Session | None:
    """A session by its gate."""
    query = select(market_session).where(market_session.c.market == market, market_session.c.session == session)
    row = connection.execute(query).first()
    return None if row is None else _session(row)


def is_opened(connection: Connection, session: Session) -> bool:
    """Whether the chain has a session."""
    return is_included(connection, opened_key(market=session.market, session=session.session))


def sessions_gated(connection: Connection, *, first: int, before: int) -> list[Session]:
    """The sessions of all markets whose gates lie in [first, before), by gate."""
    c = market_session.c
    query = select(market_session).where(c.session >= first, c.session < before).order_by(c.session, c.market)
    return [_session(row) for row in connection.execute(query)]


def sessions_over(connection: Connection, *, area: str, first_mtu: int, count: int) -> list[Session]:
    """The sessions of all markets of an area that hold an MTU of a run, by gate."""
    c = market_session.c
    reaching = c.first_mtu.between(first_mtu - SESSION_MTUS_MAX + 1, first_mtu + count - 1)
    query = (
        select(market_session)
        .where(c.area == area, reaching, c.first_mtu + c.count > first_mtu)
        .order_by(c.session, c.market)
    )
    return [_session(row) for row in connection.execute(query)]


def declared_key(area: str, period: int) -> str:
    """Key of the request that declares a period on chain."""
    return f"declarePeriod:{area}:{period}"


def opened_key(*, market: str, session: int) -> str:
    """Key of the request that opens a session on chain, in its first attempt."""
    return f"openSession:{market}:{session}"


def is_included(connection: Connection, key: str) -> bool:
    """Whether what the calendar waits for under the key of its request is on chain, whoever sent it."""
    query = select(market_inclusion.c.key).where(market_inclusion.c.key == key)
    return connection.execute(query).first() is not None


def next_opening(connection: Connection, area: Area) -> int | None:
    """Market time from which the sessions of the day after the last declared one open; None before the first day."""
    last = last_period(connection, area=area.area)
    if last is None:
        return None
    day = local_date(mtu_start(last.end_mtu), area.zone_info)
    return local_midnight(day=day - timedelta(days=1), zone=area.zone_info)
