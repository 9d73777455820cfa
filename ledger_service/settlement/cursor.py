"""Looking for new facts without taking the write lock from others."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from ledger_service.record.journal import read_entries
from ledger_service.record.tables import journal_cursor


def read_cursor(connection: Connection, name: str) -> int:
    """Sequence of the last entry this reader has dealt with; 0 where it has not begun."""
    query = select(journal_cursor.c.sequence).where(journal_cursor.c.name == name)
    return connection.execute(query).scalar() or 0


def has_new(connection: Connection, *, cursor: str, kinds: Sequence[str]) -> bool:
    """Whether there is a fact of these kinds after the cursor."""
    return bool(read_entries(connection, after=read_cursor(connection, cursor), kinds=kinds, limit=1))
