"""Reading trading: books' orders, schedules."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from domain.facts import OrderAccepted
from domain.hashing import to_hex
from domain.mtu import MTU_END, MtuRange
from domain.words import OrderWord, Side
from ledger_service.record import Entry
from ledger_service.record.journal import entry_of, select_entries
from ledger_service.record.tables import journal_entry
from ledger_service.registry.queries import is_held_by
from ledger_service.trading.tables import trading_order, trading_schedule


@dataclass(frozen=True, slots=True)
class BookOrder:
    """The last revision of an order. `sequence` is that of the entry which made it so (accepted or withdrawn).

    `mandate` is the tag of the one under which an agent signed it, None where the account's own key did.
    """

    account: str
    order_id: bytes
    market: str
    session: int
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
    mandate: bytes | None = None

    @classmethod
    def of(cls, fact: OrderAccepted, sequence: int) -> BookOrder:
        """The order that a fact accepted, as this entry of the journal."""
        order = fact.order
        return cls(
            account=to_hex(order.account),
            order_id=order.order_id,
            market=fact.market,
            session=order.session,
            mtu=order.mtu,
            side=order.side,
            limit_neur_per_wh=order.limit_neur_per_wh,
            quantity_lots=order.quantity_lots,
            revision=order.revision,
            withdrawn=False,
            tag=fact.tag,
            point=fact.point,
            order_key=fact.order_key,
            market_time=fact.market_time,
            sequence=sequence,
            mandate=fact.mandate,
        )

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
    """The net schedule of a point over one session, Wh per MTU, + = import."""

    market: str
    session: int
    first_mtu: int
    point: str
    revision: int
    net_wh: tuple[int, ...]

    @property
    def mtus(self) -> MtuRange:
        """The MTUs of its session."""
        return MtuRange(first=self.first_mtu, count=len(self.net_wh))


def order_from_row(row: Row[Any]) -> BookOrder:
    """The order of a row of the view."""
    return BookOrder(
        account=row.account,
        order_id=bytes(row.order_id),
        market=row.market,
        session=row.session,
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
        mandate=None if row.mandate is None else bytes(row.mandate),
    )


def book_orders(connection: Connection, *, market: str, session: int) -> list[BookOrder]:
    """The live orders of a session, by MTU and ascending tag: the books as the gate closes them."""
    query = (
        select(trading_order)
        .where(
            trading_order.c.market == market,
            trading_order.c.session == session,
            trading_order.c.withdrawn.is_(False),
        )
        .order_by(trading_order.c.mtu, trading_order.c.tag)
    )
    return [order_from_row(row) for row in connection.execute(query)]


def book_version(connection: Connection, *, market: str, session: int) -> tuple[int, int]:
    """What changes with every order accepted, changed or withdrawn in a session: how many, and the last entry."""
    table = trading_order
    query = select(func.count(), func.coalesce(func.max(table.c.sequence), 0)).where(
        table.c.market == market, table.c.session == session
    )
    number, last = connection.execute(query).one()
    return int(number), int(last)


def orders_of(
    connection: Connection,
    *,
    account: str,
    market: str | None = None,
    first_mtu: int = 0,
    count: int = MTU_END,
    limit: int = 1_000,
    after: tuple[int, bytes] | None = None,
) -> list[BookOrder]:
    """A participant's orders, withdrawn ones and those of accounts before its present one included, by MTU and id.

    `after` = (MTU, id) of the last one seen.
    """
    query = select(trading_order).where(
        is_held_by(connection, trading_order.c.account, account),
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
    """The last revision of one order of a participant, under its present account or one before it."""
    mine = is_held_by(connection, trading_order.c.account, account)
    query = select(trading_order).where(mine, trading_order.c.order_id == order_id)
    row = connection.execute(query).first()
    return None if row is None else order_from_row(row)


def order_signed_by(connection: Connection, *, order_key: str, order_id: bytes) -> BookOrder | None:
    """The last revision of an order, where this key signed it."""
    c = trading_order.c
    row = connection.execute(select(trading_order).where(c.order_key == order_key, c.order_id == order_id)).first()
    return None if row is None else order_from_row(row)


def entry_of_order(connection: Connection, order: BookOrder) -> Entry:
    """The journal entry behind an order's last revision, from which its receipt follows."""
    row = connection.execute(select_entries().where(journal_entry.c.sequence == order.sequence)).one()
    return entry_of(row)


def schedules(connection: Connection, *, market: str, session: int) -> dict[str, Schedule]:
    """The schedules nominated for a session, by point."""
    query = (
        select(trading_schedule)
        .where(trading_schedule.c.market == market, trading_schedule.c.session == session)
        .order_by(trading_schedule.c.point)
    )
    return {row.point: schedule_from_row(row) for row in connection.execute(query)}


def schedule_from_row(row: Row[Any]) -> Schedule:
    """The schedule of a row of the view."""
    return Schedule(
        market=row.market,
        session=row.session,
        first_mtu=row.first_mtu,
        point=row.point,
        revision=row.revision,
        net_wh=tuple(json.loads(row.net_wh)),
    )
