"""How the facts of the market's frame become its views, at once and when they are rebuilt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete, insert, update

from ledger_service.market.queries import is_included
from ledger_service.market.tables import TABLES, market_inclusion, market_period, market_program
from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import walk_entries

MARKET_KINDS = ("period.declared", "program.opened", "book.closed")
"""Kinds of facts that make periods and programs and end what can be traded in them."""

FOLDED_KINDS = (*MARKET_KINDS, "chain.included")
"""Kinds of facts the views are made of."""

AWAITED_PREFIXES = ("createMarket:", "declarePeriod:")
"""Chain requests whose inclusion the calendar waits for."""


def fold(connection: Connection, entries: Iterable[Entry]) -> None:
    """Bring the views up to date with facts of FOLDED_KINDS, in their order; an erased one leaves no trace."""
    for entry in entries:
        if entry.payload is not None:
            _FOLDS[entry.kind](connection, entry, entry.payload)


def _period(connection: Connection, entry: Entry, payload: dict[str, Any]) -> None:
    connection.execute(insert(market_period).values(**payload, sequence=entry.sequence))


def _program(connection: Connection, entry: Entry, payload: dict[str, Any]) -> None:
    connection.execute(insert(market_program).values(**payload, closed=False, sequence=entry.sequence))


def _book(connection: Connection, entry: Entry, payload: dict[str, Any]) -> None:
    table = market_program
    same = (table.c.market == payload["market"], table.c.program == payload["program"])
    connection.execute(update(table).where(*same).values(closed=True))


def _inclusion(connection: Connection, entry: Entry, payload: dict[str, Any]) -> None:
    key = payload["key"]
    # A block that was gone and came back is included a second time.
    if key.startswith(AWAITED_PREFIXES) and not is_included(connection, key):
        connection.execute(insert(market_inclusion).values(key=key, sequence=entry.sequence))


_FOLDS = {
    "period.declared": _period,
    "program.opened": _program,
    "book.closed": _book,
    "chain.included": _inclusion,
}


def rebuild_views(tx: Transaction) -> None:
    """Empty the views and fold every fact again."""
    for table in TABLES:
        tx.connection.execute(delete(table))
    fold(tx.connection, walk_entries(tx.connection, kinds=FOLDED_KINDS))
