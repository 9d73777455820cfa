"""Entries by their idempotency keys."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from domain.hashing import keccak
from domain.units import check_range
from ledger_service.record.journal import Entry, entry_of, select_keyed_entries
from ledger_service.record.tables import KEY_LENGTH_MAX, journal_key

KEYS_PER_QUERY = 500
"""Keys looked up by one statement: below the 999 parameters every SQLite takes."""

ERASED_KEY_PREFIX = "erased:"
"""Begins what stays of the key of an erased entry: its hash, so that a repeat is still known."""


def erased_key(key: str) -> str:
    """What stays of an idempotency key once its entry is erased."""
    return ERASED_KEY_PREFIX + keccak(key.encode("utf-8")).hex()


def find_entries(connection: Connection, keys: Iterable[str]) -> dict[str, Entry]:
    """The entries appended under these keys, in their order, erased ones included; keys that name none are left out."""
    asked = {key: erased_key(key) for key in keys}
    for key in asked:
        check_range(field="key length", value=len(key), lowest=1, highest=KEY_LENGTH_MAX)
    names = [name for pair in asked.items() for name in pair]
    found: dict[str, Entry] = {}
    for start in range(0, len(names), KEYS_PER_QUERY):
        query = select_keyed_entries().where(journal_key.c.key.in_(names[start : start + KEYS_PER_QUERY]))
        found.update((row.key, entry_of(row)) for row in connection.execute(query))
    return {key: entry for key, hidden in asked.items() if (entry := found.get(key) or found.get(hidden)) is not None}
