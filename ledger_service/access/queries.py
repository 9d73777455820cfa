"""Reading what no stage owns: the cursors of all stages, and facts found by the beginning of their key."""

from __future__ import annotations

from sqlalchemy import Connection, select

from ledger_service.record import Entry
from ledger_service.record.journal import entry_of, select_keyed_entries
from ledger_service.record.tables import journal_cursor, journal_key

_ABOVE_EVERY_KEY = "\U0010ffff"


def stage_cursors(connection: Connection) -> dict[str, int]:
    """How far each stage has read, by its name."""
    rows = connection.execute(select(journal_cursor.c.name, journal_cursor.c.sequence).order_by(journal_cursor.c.name))
    return {row.name: row.sequence for row in rows}


def entries_with_key(connection: Connection, *, prefix: str, limit: int | None = None) -> list[Entry]:
    """Up to `limit` facts (None: all) whose idempotency key begins with `prefix`, by key."""
    query = select_keyed_entries().where(journal_key.c.key >= prefix, journal_key.c.key < prefix + _ABOVE_EVERY_KEY)
    return [entry_of(row) for row in connection.execute(query.order_by(journal_key.c.key).limit(limit))]
