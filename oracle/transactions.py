"""SQLite files of meters and attesters: transactions on them, and reading them beside whoever writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: on disk when the block ends, undone where it raises."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk ends the transaction by itself
            db.execute("ROLLBACK")
        raise


def open_read_only(path: Path) -> sqlite3.Connection:
    """A database that others may be writing, whatever its folders are called. Raises sqlite3.Error where it is none:
    a path that is not there must not become an empty database."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
