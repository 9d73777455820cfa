"""An attester's own store: what it received, refused, attested and signed, committed before it is acknowledged."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledger_service.metering.messages import MeterMessage, RegisterReading

BUSY_TIMEOUT_MS = 10_000
"""How long one connection of this process waits for the other: settlement checks read beside intake."""

REFUSALS_KEPT = 100_000
"""Refusals kept for the audit; beyond it the oldest go, so that a flood can't fill the disk."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    hash BLOB PRIMARY KEY, meter TEXT NOT NULL, received_at INTEGER NOT NULL, jws BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reading (
    meter TEXT NOT NULL, sequence INTEGER NOT NULL, message BLOB NOT NULL, mtu INTEGER NOT NULL,
    import_wh INTEGER NOT NULL, export_wh INTEGER NOT NULL, nonce BLOB NOT NULL, PRIMARY KEY (meter, sequence, message)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refusal (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, meter TEXT, code TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS attested (mtu INTEGER NOT NULL, revision INTEGER NOT NULL, attestation TEXT NOT NULL,
    included INTEGER NOT NULL, PRIMARY KEY (mtu, revision)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS signed (kind TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (kind, key, digest)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class Store:
    """One SQLite file (WAL, synchronous=FULL). One thread per instance; open it again for another thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def commit(self) -> Iterator[None]:
        """One transaction: on disk when the block ends, undone where it raises."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk ends the transaction by itself
                self._db.execute("ROLLBACK")
            raise

    def add_messages(
        self, messages: Sequence[tuple[MeterMessage, bytes, Sequence[RegisterReading]]], *, received_at: int
    ) -> None:
        """Keep messages (with their hash) and those of their readings that are not held yet."""
        self._db.executemany(
            "INSERT OR IGNORE INTO message VALUES (?, ?, ?, ?)",
            [(digest, message.meter_code, received_at, message.jws) for message, digest, _ in messages],
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO reading VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    message.meter_code,
                    item.sequence,
                    digest,
                    item.mtu,
                    item.import_register_wh,
                    item.export_register_wh,
                    item.nonce,
                )
                for message, digest, readings in messages
                for item in readings
            ],
        )

    def add_refusals(self, refusals: Iterable[tuple[int, str | None, str, str]]) -> None:
        """Keep (market time, meter or None, code, detail) of what was refused."""
        self._db.executemany("INSERT INTO refusal (at, meter, code, detail) VALUES (?, ?, ?, ?)", refusals)
        self._db.execute(
            "DELETE FROM refusal WHERE id <= (SELECT max(id) FROM refusal) - ?",
            (REFUSALS_KEPT,),
        )

    def refusals(self) -> list[tuple[int, str | None, str, str]]:
        """All refusals kept, oldest first."""
        return self._db.execute("SELECT at, meter, code, detail FROM refusal ORDER BY id").fetchall()

    def readings(self, *, meter_code: str | None = None) -> Iterator[tuple[str, RegisterReading]]:
        """(meter code, reading) of all readings held, in order of meter and sequence."""
        rows = self._db.execute(
            "SELECT meter, mtu, import_wh, export_wh, sequence, nonce FROM reading"
            " WHERE ?1 IS NULL OR meter = ?1 ORDER BY meter, sequence",
            (meter_code,),
        )
        for code, mtu, import_wh, export_wh, sequence, nonce in rows:
            yield (
                code,
                RegisterReading(
                    mtu=mtu,
                    import_register_wh=import_wh,
                    export_register_wh=export_wh,
                    sequence=sequence,
                    nonce=nonce,
                ),
            )

    def messages_of(self, wanted: Iterable[tuple[str, int]]) -> list[bytes]:
        """The messages that hold these (meter, sequence); each once, contradicting ones included."""
        found: dict[bytes, bytes] = {}
        for meter_code, sequence in wanted:
            for digest, jws in self._db.execute(
                "SELECT message.hash, message.jws FROM reading JOIN message ON message.hash = reading.message"
                " WHERE reading.meter = ? AND reading.sequence = ?",
                (meter_code, sequence),
            ):
                found[digest] = jws
        return list(found.values())

    def message_with(self, *, meter_code: str, sequence: int, nonce: bytes) -> bytes | None:
        """A message that holds exactly this reading."""
        row = self._db.execute(
            "SELECT message.jws FROM reading JOIN message ON message.hash = reading.message"
            " WHERE reading.meter = ? AND reading.sequence = ? AND reading.nonce = ?",
            (meter_code, sequence, nonce),
        ).fetchone()
        return None if row is None else bytes(row[0])

    def counts(self) -> dict[str, int]:
        """Rows per table, for metrics and tests."""
        tables = ("message", "reading", "refusal", "attested", "signed")
        return {name: self._db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}

    def add_attested(self, attestations: Iterable[dict[str, Any]]) -> None:
        """Keep attestations in their JSON form until the chain shows them or something else."""
        self._db.executemany(
            "INSERT OR REPLACE INTO attested VALUES (?, ?, ?, 0)",
            [(item["mtu"], item["revision"], json.dumps(item)) for item in attestations],
        )

    def note_included(self, *, mtu: int, revision: int) -> None:
        """Remember that one's own node shows this attestation."""
        self._db.execute("UPDATE attested SET included = 1 WHERE mtu = ? AND revision = ?", (mtu, revision))

    def forget_attested(self, *, mtu: int, from_revision: int) -> None:
        """Drop attestations of an MTU that are not, or not any more, on the chain."""
        self._db.execute("DELETE FROM attested WHERE mtu = ? AND revision >= ?", (mtu, from_revision))

    def attested(self, *, first_mtu: int = 0, last_mtu: int = 2**32) -> Iterator[dict[str, Any]]:
        """The latest attestation held of each MTU in the range, ascending."""
        for record, _ in self.attested_with_inclusion(first_mtu=first_mtu, last_mtu=last_mtu):
            yield record

    def attested_with_inclusion(self, *, first_mtu: int, last_mtu: int) -> Iterator[tuple[dict[str, Any], bool]]:
        """The latest attestation held of each MTU in the range, ascending, and whether one's own node shows it."""
        rows = self._db.execute(
            "SELECT attestation, included, max(revision) FROM attested WHERE mtu BETWEEN ? AND ?"
            " GROUP BY mtu ORDER BY mtu",
            (first_mtu, last_mtu),
        )
        for text, included, _ in rows:
            yield json.loads(text), bool(included)

    def note_signed(self, *, kind: str, key: str, digest: bytes, at: int) -> None:
        """Remember that this attester signed a digest, before the signature leaves."""
        self._db.execute("INSERT OR IGNORE INTO signed VALUES (?, ?, ?, ?)", (kind, key, digest, at))

    def signed(self, *, kind: str, key: str) -> list[bytes]:
        """The digests signed under a key."""
        rows = self._db.execute("SELECT digest FROM signed WHERE kind = ? AND key = ? ORDER BY at", (kind, key))
        return [bytes(row[0]) for row in rows]

    def setting(self, name: str) -> Any:
        """A remembered JSON value, None if never set."""
        row = self._db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def remember(self, name: str, value: Any) -> None:
        """Remember a JSON value, for example the registry, so that a restart needs no service."""
        self._db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, json.dumps(value)))
