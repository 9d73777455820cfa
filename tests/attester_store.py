"""What an attester's store holds, read from its file beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from oracle.attester.store import Store


@contextmanager
def _opened(store: Store) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(store.path)) as database:
        yield database


def counts(store: Store) -> dict[str, int]:
    """Rows per table, and the readings in the messages held."""
    tables = ("message", "refusal", "attested", "signed", "witnessed")
    with _opened(store) as database:
        found = {name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}
        found["reading"] = database.execute("SELECT coalesce(sum(count), 0) FROM message").fetchone()[0]
    return found


def refusals(store: Store) -> list[tuple[int, str | None, str, str]]:
    """(market time, meter or None, code, detail) of all refusals kept, oldest first."""
    with _opened(store) as database:
        return database.execute("SELECT at, meter, code, detail FROM refusal ORDER BY id").fetchall()
