"""Reading trading: periods, programs, books' orders, schedules."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from domain.mtu import MtuRange
from domain.words import OrderWord, Side
from ledger_service.record import Entry
from ledger_service.record.journal import entry_of, select_entries
from ledger_service.record.tables import journal_entry
from ledger_service.trading.tables import (
    trading_inclusion,
    trading_order,
    trading_period,
    trading_program,
    trading_schedule,
)


@dataclass(frozen=True, slots=True)
class Period:
    """A run of MTUs of an area that is settled together; numbered from 1."""

    area: str
    period: int
    first_mtu: int
    count: int

    @property
    def mtus(self) -> MtuRange:
        """Its MTUs."""
        return MtuRange(first=self.first_mtu, count=self.count)


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


@dataclass(frozen=True, slots=True)
class BookOrder:
    """The last revision of an order. `sequence` is that of the entry which made it so (accepted or withdrawn)."""

    account: str
    order_id: bytes
    market: str
    mtu: int
    side: Side
    limit_neur_per_wh: int
    quantity_lots: int
    revision: int
    withdrawn: bool
    tag: bytes
    point: str | None
    order_key: str
    market_time: int
    sequence: int

    def word(self) -> OrderWord:
        """The order as it stands in its book, not yet cleared."""
        return OrderWord(
            tag=int.from_bytes(self.tag, "big"),
            side=self.side,
            limit_neur_per_wh=self.limit_neur_per_wh,
            quantity_lots=self.quantity_lots,
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """The net schedule of a point over one program, Wh per MTU, + = import."""

    market: str
    first_mtu: int
    point: str
    revision: int
    net_wh: tuple[int, ...]


def _period(row: Row[Any]) -> Period:
    return Period(area=row.area, period=row.period, first_mtu=row.first_mtu, count=row._mapping["count"])


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


def order_from_row(row: Row[Any]) -> BookOrder:
    """The order of a row of the view."""
    return BookOrder(
        account=row.account,
        order_id=bytes(row.order_id),
        market=row.market,
        mtu=row.mtu,
        side=Side(row.side),
        limit_neur_per_wh=row.limit_neur_per_wh,
        quantity_lots=row.quantity_lots,
        revision=row.revision,
        withdrawn=bool(row.withdrawn),
        tag=bytes(row.tag),
        point=row.point,
        order_key=row.order_key,
        market_time=row.market_time,
        sequence=row.sequence,
    )


def periods(connection: Connection, *, area: str) -> list[Period]:
    """Every period of an area, ascending."""
    query = select(trading_period).where(trading_period.c.area == area).order_by(trading_period.c.period)
    return [_period(row) for row in connection.execute(query)]


def last_period(connection: Connection, *, area: str) -> Period | None:
    """The period declared last."""
    query = (
        select(trading_period).where(trading_period.c.area == area).order_by(trading_period.c.period.desc()).limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else _period(row)


def period_of(connection: Connection, *, area: str, mtu: int) -> Period | None:
    """The period that contains an MTU."""
    query = (
        select(trading_period)
        .where(trading_period.c.area == area, trading_period.c.first_mtu <= mtu)
        .order_by(trading_period.c.first_mtu.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    found = None if row is None else _period(row)
    return found if found is not None and mtu in found.mtus else None


def programs(connection: Connection, *, market: str | None = None, closed: bool | None = None) -> list[Program]:
    """Programs of a market (of all where None), ascending; only closed or only open ones where asked."""
    query = select(trading_program)
    if market is not None:
        query = query.where(trading_program.c.market == market)
    if closed is not None:
        query = query.where(trading_program.c.closed.is_(closed))
    ordered = query.order_by(trading_program.c.market, trading_program.c.program)
    return [_program(row) for row in connection.execute(ordered)]


def last_program(connection: Connection, *, market: str) -> Program | None:
    """The program opened last."""
    query = (
        select(trading_program)
        .where(trading_program.c.market == market)
        .order_by(trading_program.c.program.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else _program(row)


def program(connection: Connection, *, market: str, program: int) -> Program | None:
    """A program by its number."""
    query = select(trading_program).where(trading_program.c.market == market, trading_program.c.program == program)
    row = connection.execute(query).first()
    return None if row is None else _program(row)


def program_of(connection: Connection, *, market: str, mtu: int) -> Program | None:
    """The program that contains an MTU."""
    query = (
        select(trading_program)
        .where(trading_program.c.market == market, trading_program.c.first_mtu <= mtu)
        .order_by(trading_program.c.first_mtu.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    found = None if row is None else _program(row)
    return found if found is not None and mtu in found.mtus else None


def book_orders(connection: Connection, *, market: str, first_mtu: int, count: int) -> list[BookOrder]:
    """The live orders of a run of MTUs, by MTU and ascending tag: the books as the gate closes them."""
    query = (
        select(trading_order)
        .where(
            trading_order.c.market == market,
            trading_order.c.mtu >= first_mtu,
            trading_order.c.mtu < first_mtu + count,
            trading_order.c.withdrawn.is_(False),
        )
        .order_by(trading_order.c.mtu, trading_order.c.tag)
    )
    return [order_from_row(row) for row in connection.execute(query)]


def orders_of(
    connection: Connection,
    *,
    account: str,
    market: str | None = None,
    first_mtu: int = 0,
    count: int = 2**32,
    limit: int = 1_000,
    after: tuple[int, bytes] | None = None,
) -> list[BookOrder]:
    """An account's orders, withdrawn ones included, by MTU and id; `after` = (MTU, id) of the last one seen."""
    query = select(trading_order).where(
        trading_order.c.account == account,
        trading_order.c.mtu >= first_mtu,
        trading_order.c.mtu < first_mtu + count,
    )
    if market is not None:
        query = query.where(trading_order.c.market == market)
    if after is not None:
        mtu, order_id = after
        query = query.where(
            (trading_order.c.mtu > mtu) | ((trading_order.c.mtu == mtu) & (trading_order.c.order_id > order_id))
        )
    query = query.order_by(trading_order.c.mtu, trading_order.c.order_id).limit(limit)
    return [order_from_row(row) for row in connection.execute(query)]


def order_of(connection: Connection, *, account: str, order_id: bytes) -> BookOrder | None:
    """The last revision of one order of an account."""
    query = select(trading_order).where(trading_order.c.account == account, trading_order.c.order_id == order_id)
    row = connection.execute(query).first()
    return None if row is None else order_from_row(row)


def order_entry(connection: Connection, *, account: str, order_id: bytes) -> Entry | None:
    """The journal entry behind an order's last revision, from which its receipt follows."""
    found = order_of(connection, account=account, order_id=order_id)
    if found is None:
        return None
    row = connection.execute(select_entries().where(journal_entry.c.sequence == found.sequence)).one()
    return entry_of(row)


def schedules(connection: Connection, *, market: str, first_mtu: int) -> dict[str, Schedule]:
    """The schedules nominated for a program, by point."""
    query = (
        select(trading_schedule)
        .where(trading_schedule.c.market == market, trading_schedule.c.first_mtu == first_mtu)
        .order_by(trading_schedule.c.point)
    )
    return {row.point: _schedule(row) for row in connection.execute(query)}


def schedules_of(connection: Connection, *, point: str) -> list[Schedule]:
    """The schedules nominated for a point in their last revisions, by market and first MTU."""
    table = trading_schedule
    query = select(table).where(table.c.point == point).order_by(table.c.market, table.c.first_mtu)
    return [_schedule(row) for row in connection.execute(query)]


def _schedule(row: Row[Any]) -> Schedule:
    return Schedule(
        market=row.market,
        first_mtu=row.first_mtu,
        point=row.point,
        revision=row.revision,
        net_wh=tuple(json.loads(row.net_wh)),
    )


def is_included(connection: Connection, key: str) -> bool:
    """Whether a chain request the calendar waits for has been included."""
    query = select(trading_inclusion.c.key).where(trading_inclusion.c.key == key)
    return connection.execute(query).first() is not None
