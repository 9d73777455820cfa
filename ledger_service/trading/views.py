"""How trading's facts become its views, in bulk, at once and when they are rebuilt."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, update
from sqlalchemy.dialects import postgresql, sqlite

from domain.hashing import from_hex
from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import READ_BATCH_ENTRIES, read_entries
from ledger_service.trading.tables import TABLES, trading_order, trading_schedule

TRADING_KINDS = ("order.accepted", "order.cancelled", "schedule.nominated")
"""Kinds of facts that its views are made of."""

Row = dict[str, Any]


def upsert(connection: Connection, table: Table, rows: list[Row]) -> None:
    """Insert rows; where a primary key exists, take over the new values."""
    if not rows:
        return
    build = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = build(table)
    keys = [column.name for column in table.primary_key]
    changed = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)


def order_row(entry: Entry) -> Row:
    """The row of an `order.accepted` fact."""
    payload = entry.content()
    order = payload["order"]
    return {
        "account": order["account"],
        "order_id": from_hex(order["orderId"]),
        "market": payload["market"],
        "mtu": order["mtu"],
        "side": order["side"],
        "limit_neur_per_wh": order["limitPriceNeurPerWh"],
        "quantity_lots": order["quantityLots"],
        "revision": order["revision"],
        "withdrawn": False,
        "tag": from_hex(payload["tag"]),
        "point": payload["point"],
        "order_key": payload["order_key"],
        "market_time": payload["market_time"],
        "sequence": entry.sequence,
    }


class _Batch:
    """Rows of many facts, the last state of each, so that each table is written once."""

    def __init__(self) -> None:
        self.orders: dict[tuple[str, bytes], Row] = {}
        self.withdrawn: list[Row] = []
        self.schedules: dict[tuple[str, int, str], Row] = {}

    def add(self, entry: Entry) -> None:
        """Take one fact in; an erased one leaves no trace."""
        if entry.payload is not None:
            _FOLDS[entry.kind](self, entry, entry.payload)

    def add_order(self, entry: Entry, payload: Row) -> None:
        """An order accepted or changed."""
        row = order_row(entry)
        self.orders[row["account"], row["order_id"]] = row

    def add_cancel(self, entry: Entry, payload: Row) -> None:
        """An order withdrawn."""
        key = (payload["account"], from_hex(payload["order_id"]))
        state = {"revision": payload["revision"], "withdrawn": True, "sequence": entry.sequence}
        if key in self.orders:
            self.orders[key] |= state
        else:
            self.withdrawn.append(
                {"b_account": key[0], "b_order_id": key[1], **{f"b_{k}": v for k, v in state.items()}}
            )

    def add_schedule(self, entry: Entry, payload: Row) -> None:
        """A schedule nominated or revised."""
        row = {name: payload[name] for name in ("market", "first_mtu", "point", "revision", "market_time")}
        row |= {"net_wh": json.dumps(payload["net_wh"]), "sequence": entry.sequence}
        self.schedules[row["market"], row["first_mtu"], row["point"]] = row

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

_FOLDS = {
    "order.accepted": _Batch.add_order,
    "order.cancelled": _Batch.add_cancel,
    "schedule.nominated": _Batch.add_schedule,
}


def fold(connection: Connection, entries: Iterable[Entry]) -> None:
    """Bring the views up to date with facts of TRADING_KINDS, in their order."""
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
    while entries := read_entries(connection, after=after, kinds=TRADING_KINDS, limit=READ_BATCH_ENTRIES):
        fold(connection, entries)
        after = entries[-1].sequence
