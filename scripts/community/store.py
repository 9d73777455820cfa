"""What the community's devices keep for themselves: keys, and each signed message before it is sent."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from domain.signing import SigningKey

_SCHEMA = """
CREATE TABLE IF NOT EXISTS device_key (name TEXT PRIMARY KEY, secret BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS submission (
    topic TEXT NOT NULL, position INTEGER NOT NULL, body TEXT NOT NULL, answer TEXT, PRIMARY KEY (topic, position)
) WITHOUT ROWID;
"""


class DeviceStore:
    """One SQLite file for all devices of a demo. Signed messages are kept first, so that a repeat is the same."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        self._lock = threading.Lock()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction at a time over all threads, rolled back where it fails."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def secrets(self, names: Sequence[str]) -> dict[str, bytes]:
        """32 secret bytes per name, made on first use."""
        fresh = [(name, secrets.token_bytes(32)) for name in names]
        with self._transaction() as db:
            db.executemany("INSERT OR IGNORE INTO device_key VALUES (?, ?)", fresh)
            known = dict(db.execute("SELECT name, secret FROM device_key"))
        return {name: bytes(known[name]) for name in names}

    def signing_keys(self, names: Sequence[str]) -> dict[str, SigningKey]:
        """A secp256k1 key per name, made on first use."""
        return {name: SigningKey(secret) for name, secret in self.secrets(names).items()}

    def submissions(self, topic: str) -> list[dict[str, Any]]:
        """The bodies kept under a topic, in order."""
        with self._lock:
            query = "SELECT body FROM submission WHERE topic = ? ORDER BY position"
            return [json.loads(body) for (body,) in self._db.execute(query, (topic,))]

    def keep(self, topic: str, bodies: Iterable[dict[str, Any]]) -> None:
        """Keep signed bodies under a topic before they are sent."""
        rows = [(topic, position, json.dumps(body)) for position, body in enumerate(bodies)]
        with self._transaction() as db:
            db.executemany("INSERT OR IGNORE INTO submission VALUES (?, ?, ?, NULL)", rows)

    def answered(self, topic: str, answers: Iterable[Any]) -> None:
        """Keep the answers (receipts) beside what they answer."""
        rows = [(json.dumps(answer), topic, position) for position, answer in enumerate(answers)]
        with self._transaction() as db:
            db.executemany("UPDATE submission SET answer = ? WHERE topic = ? AND position = ?", rows)

    def waiting(self, topic: str) -> bool:
        """Whether something kept under the topic has no answer yet."""
        query = "SELECT 1 FROM submission WHERE topic = ? AND answer IS NULL LIMIT 1"
        with self._lock:
            return self._db.execute(query, (topic,)).fetchone() is not None
