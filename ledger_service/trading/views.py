"""How trading's facts become its views, in bulk, at once and when they are rebuilt."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, Table, bindparam, delete, update
from sqlalchemy.dialects import postgresql, sqlite

from domain.facts import Fact, OrderAccepted, OrderCancelled, ScheduleNominated
from domain.hashing import to_hex
from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import READ_BATCH_ENTRIES, read_entries
from ledger_service.trading.tables import TABLES, trading_order, trading_schedule

TRADING_FACTS: tuple[type[Fact], ...] = (OrderAccepted, OrderCancelled, ScheduleNominated)
"""The facts that its views are made of."""

Row = dict[str, Any]


def upsert(connection: Connection, table: Table, rows: list[Row]) -> None:
    """Insert rows; where a primary key exists, take over the new values."""
    if rows:
        connection.execute(_upsert_into(table, connection.dialect.name), rows)


@cache  # to make it takes as long as to write twenty rows
def _upsert_into(table: Table, dialect: str) -> Insert:
    statement = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    keys = [column.name for column in table.primary_key]
    changed = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def order_row(fact: OrderAccepted, sequence: int) -> Row:
    """The row of an accepted order."""
    order = fact.order
    return {
        "account": to_hex(order.account),
        "order_id": order.order_id,
        "market": fact.market,
        "session": order.session,
        "mtu": order.mtu,
        "side": int(order.side),
        "limit_neur_per_wh": order.limit_neur_per_wh,
        "quantity_lots": order.quantity_lots,
        "revision": order.revision,
        "withdrawn": False,
        "tag": fact.tag,
        "point": fact.point,
        "order_key": fact.order_key,
        "market_time": fact.market_time,
        "mandate": fact.mandate,
        "sequence": sequence,
    }


class _Batch:
    """Rows of many facts, the last state of each, so that each table is written once."""

    def __init__(self) -> None:
        self.orders: dict[tuple[str, bytes], Row] = {}
        self.withdrawn: list[Row] = []
        self.schedules: dict[tuple[str, int, str], Row] = {}

    def add(self, entry: Entry) -> None:
        """Take one fact in; an erased one leaves no trace."""
        match entry.fact:
            case OrderAccepted() as fact:
                row = order_row(fact, entry.sequence)
                self.orders[row["account"], row["order_id"]] = row
            case OrderCancelled() as fact:
                self._withdraw(fact, entry.sequence)
            case ScheduleNominated() as fact:
                self.schedules[fact.market, fact.session, fact.point] = {
                    "market": fact.market,
                    "session": fact.session,
                    "first_mtu": fact.first_mtu,
                    "point": fact.point,
                    "revision": fact.revision,
                    "market_time": fact.market_time,
                    "net_wh": json.dumps(fact.net_wh),
                    "sequence": entry.sequence,
                }

    def _withdraw(self, fact: OrderCancelled, sequence: int) -> None:
        key = (fact.account, fact.order_id)
        state = {"revision": fact.revision, "withdrawn": True, "sequence": sequence}
        if key in self.orders:
            self.orders[key] |= state
        else:
            self.withdrawn.append(
                {"b_account": key[0], "b_order_id": key[1], **{f"b_{k}": v for k, v in state.items()}}
            )

    def write(self, connection: Connection) -> None:
        """Bring the tables up to date."""
        upsert(connection, trading_order, list(self.orders.values()))
        upsert(connection, trading_schedule, list(self.schedules.values()))
        if self.withdrawn:
            connection.execute(_WITHDRAW, self.withdrawn)


_WITHDRAW = (
    update(trading_order)
    .where(
        trading_order.c.account == bindparam("b_account"),
        trading_order.c.order_id == bindparam("b_order_id"),
    )
    .values(
        revision=bindparam("b_revision"),
        withdrawn=bindparam("b_withdrawn"),
        sequence=bindparam("b_sequence"),
    )
)


def fold(connection: Connection, entries: Iterable[Entry]) -> None:
    """Bring the views up to date with TRADING_FACTS, in their order."""
    batch = _Batch()
    for entry in entries:
        batch.add(entry)
    batch.write(connection)


def rebuild_views(tx: Transaction) -> None:
    """Empty the views and fold every fact again."""
    connection = tx.connection
    for table in TABLES:
        connection.execute(delete(table))
    after = 0
    while entries := read_entries(connection, after=after, kinds=TRADING_FACTS, limit=READ_BATCH_ENTRIES):
        fold(connection, entries)
        after = entries[-1].sequence
