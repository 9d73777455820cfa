"""Comparing views as they are kept with views as they are rebuilt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table, select

from ledger_service.record import Record


def dump(record: Record, tables: Iterable[Table]) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the tables, by table, ordered by primary key."""
    with record.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in tables
        }
