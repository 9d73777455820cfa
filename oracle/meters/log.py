"""The durable log of meters: a signed message is written here before it is sent, and forgotten on m receipts."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.strictness import UINT32_MAX
from oracle.transactions import transaction

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meter (
    code TEXT PRIMARY KEY, last_sequence INTEGER NOT NULL, last_mtu INTEGER NOT NULL,
    import_wh INTEGER NOT NULL, export_wh INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
    meter TEXT NOT NULL, first_sequence INTEGER NOT NULL, last_sequence INTEGER NOT NULL, hash BLOB NOT NULL UNIQUE,
    jws BLOB NOT NULL, PRIMARY KEY (meter, first_sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS receipt (hash BLOB NOT NULL, organisation TEXT NOT NULL, PRIMARY KEY (hash, organisation))
    WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class MeterPosition:
    """The last reading a meter has written: its sequence, MTU and registers in Wh."""

    last_sequence: int
    last_mtu: int
    import_register_wh: int
    export_register_wh: int


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """A message as it was signed; resending it means sending the same bytes."""

    meter_code: str
    first_sequence: int
    last_sequence: int
    message_hash: bytes
    jws: bytes


class MeterLog:
    """One SQLite file for one meter or a fleet of them. Every method is one transaction; safe from any thread."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction under the lock: on disk when the block ends, undone where it raises."""
        with self._lock, transaction(self._db):
            yield

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def position(self, meter_code: str) -> MeterPosition | None:
        """Where a meter stands; None before its first reading."""
        with self._lock:
            row = self._db.execute(
                "SELECT last_sequence, last_mtu, import_wh, export_wh FROM meter WHERE code = ?", (meter_code,)
            ).fetchone()
        return None if row is None else MeterPosition(*row)

    def add(self, messages: Sequence[LoggedMessage], positions: dict[str, MeterPosition]) -> None:
        """Commit signed messages and where their meters now stand."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO message VALUES (?, ?, ?, ?, ?)",
                [
                    (item.meter_code, item.first_sequence, item.last_sequence, item.message_hash, item.jws)
                    for item in messages
                ],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO meter VALUES (?, ?, ?, ?, ?)",
                [
                    (code, at.last_sequence, at.last_mtu, at.import_register_wh, at.export_register_wh)
                    for code, at in positions.items()
                ],
            )

    def note_receipts(self, receipts: Iterable[tuple[bytes, str]], *, threshold: int) -> int:
        """Note that organisations hold messages (by hash); forget those that `threshold` organisations hold.

        Returns how many messages were forgotten.
        """
        forgotten = 0
        with self._transaction():
            for message_hash, organisation in receipts:
                if self._db.execute("SELECT 1 FROM message WHERE hash = ?", (message_hash,)).fetchone() is None:
                    continue
                self._db.execute("INSERT OR IGNORE INTO receipt VALUES (?, ?)", (message_hash, organisation))
                held = self._db.execute("SELECT count(*) FROM receipt WHERE hash = ?", (message_hash,)).fetchone()[0]
                if held >= threshold:
                    self._db.execute("DELETE FROM message WHERE hash = ?", (message_hash,))
                    self._db.execute("DELETE FROM receipt WHERE hash = ?", (message_hash,))
                    forgotten += 1
        return forgotten

    def kept(
        self, *, meter_code: str | None = None, first: int = 0, last: int = UINT32_MAX, limit: int = -1
    ) -> list[LoggedMessage]:
        """Messages not yet forgotten that hold sequences from `first` to `last`, of one meter or of all, lowest first.

        At most `limit` of them; -1 for all.
        """
        with self._lock:
            rows = self._db.execute(
                "SELECT meter, first_sequence, last_sequence, hash, jws FROM message"
                " WHERE (?1 IS NULL OR meter = ?1) AND last_sequence >= ?2 AND first_sequence <= ?3"
                " ORDER BY meter, first_sequence LIMIT ?4",
                (meter_code, first, last, limit),
            ).fetchall()
        return [LoggedMessage(*row) for row in rows]

    def kept_count(self) -> int:
        """How many messages wait for receipts."""
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM message").fetchone()[0])
