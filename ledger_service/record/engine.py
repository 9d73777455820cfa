"""Engines for SQLite and PostgreSQL whose write transactions exclude each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from ledger_service.record.errors import UnknownDatabase

BUSY_TIMEOUT_MS = 30_000
"""How long a SQLite writer waits for another process's transaction: longer than any of ours takes."""

POOL_CONNECTIONS = 10
"""Connections kept open per process: one writer, the rest readers."""

POOL_OVERFLOW = 40
"""Connections opened beyond that under load: as many as a web server has worker threads."""

WRITE_LOCK = 0x444F4D49
"""Number of the PostgreSQL advisory lock ("DOMI") that every write transaction holds until its commit."""

_WRITES = "dominoes_writes"


def sqlite_url(path: Path) -> str:
    """The URL of a record in a file, whatever its folders are called: `#`, `?` and `%` mean something in a URL."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def open_engine(url: str) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://…`. Raises UnknownDatabase."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UnknownDatabase(url=url) from error
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(parsed, pool_size=POOL_CONNECTIONS, max_overflow=POOL_OVERFLOW, pool_pre_ping=True)
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite") or parsed.database in (None, "", ":memory:"):
        # A database in memory is one per connection: it could not be shared by the threads of the service.
        raise UnknownDatabase(url=url)
    engine = create_engine(
        parsed,
        pool_size=POOL_CONNECTIONS,
        max_overflow=POOL_OVERFLOW,
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False},
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(dbapi_connection: Any, _record: object) -> None:
    dbapi_connection.isolation_level = None  # transactions are begun by _begin_sqlite, not by the driver
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a commit is on disk before it is answered
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA secure_delete=ON")  # erased payloads are overwritten, not only unlinked
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def begin_write(connection: Connection) -> Iterator[None]:
    """A transaction on `connection` that no other write transaction runs beside, over all processes.

    On PostgreSQL the lock is taken at the start, not at the first append, so that both databases behave alike: what
    the transaction has read can't change before it commits.
    """
    if connection.dialect.name == "sqlite":
        connection = connection.execution_options(**{_WRITES: True})
    with connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": WRITE_LOCK})
        yield
