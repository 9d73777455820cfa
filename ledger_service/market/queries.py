"""Reading the market's frame: periods, programs, and what of them the chain has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from domain.mtu import MtuRange
from domain.periods import Period
from ledger_service.market.tables import market_inclusion, market_period, market_program


@dataclass(frozen=True, slots=True)
class Program:
    """The MTUs of one gate of a market; numbered from 1. `gate` in market time; `closed` once its books are."""

    market: str
    program: int
    area: str
    period: int
    first_mtu: int
    count: int
    gate: int
    closed: bool

    @property
    def mtus(self) -> MtuRange:
        """Its MTUs."""
        return MtuRange(first=self.first_mtu, count=self.count)


def _period(row: Row[Any]) -> Period:
    return Period(area=row.area, number=row.period, first_mtu=row.first_mtu, count=row._mapping["count"])


def _program(row: Row[Any]) -> Program:
    return Program(
        market=row.market,
        program=row.program,
        area=row.area,
        period=row.period,
        first_mtu=row.first_mtu,
        count=row._mapping["count"],
        gate=row.gate,
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


def programs(connection: Connection, *, market: str | None = None, closed: bool | None = None) -> list[Program]:
    """Programs of a market (of all where None), ascending; only closed or only open ones where asked."""
    query = select(market_program)
    if market is not None:
        query = query.where(market_program.c.market == market)
    if closed is not None:
        query = query.where(market_program.c.closed.is_(closed))
    ordered = query.order_by(market_program.c.market, market_program.c.program)
    return [_program(row) for row in connection.execute(ordered)]


def last_program(connection: Connection, *, market: str) -> Program | None:
    """The program opened last."""
    query = (
        select(market_program)
        .where(market_program.c.market == market)
        .order_by(market_program.c.program.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else _program(row)


def program(connection: Connection, *, market: str, program: int) -> Program | None:
    """A program by its number."""
    query = select(market_program).where(market_program.c.market == market, market_program.c.program == program)
    row = connection.execute(query).first()
    return None if row is None else _program(row)


def program_of(connection: Connection, *, market: str, mtu: int) -> Program | None:
    """The program that contains an MTU."""
    query = (
        select(market_program)
        .where(market_program.c.market == market, market_program.c.first_mtu <= mtu)
        .order_by(market_program.c.first_mtu.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    found = None if row is None else _program(row)
    return found if found is not None and mtu in found.mtus else None


def is_included(connection: Connection, key: str) -> bool:
    """Whether a chain request the calendar waits for has been included."""
    query = select(market_inclusion.c.key).where(market_inclusion.c.key == key)
    return connection.execute(query).first() is not None
