"""An attester's own store: what it received, saw, refused, attested and signed, committed before it is acknowledged."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from domain.attestations import SignedAttestation
from domain.authenticity import MeterMessage
from domain.hashing import from_hex
from domain.members import noun_json, noun_of
from domain.messages import READINGS_MAX, parse_message
from domain.readings import NONCE_BYTES
from domain.registers import ReadingRun, RegisterReading
from oracle.transactions import transaction

BUSY_TIMEOUT_MS = 10_000
"""How long one connection of this process waits for the other: settlement checks read beside intake."""

REFUSALS_KEPT = 100_000
"""Refusals kept for the audit; beyond it the oldest go, so that a flood can't fill the disk."""

CHECKPOINT_PAGES = 4_000
"""Pages of the write-ahead log (16 MB) after which they are moved into the file: fewer, longer pauses."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY, meter TEXT NOT NULL, first_sequence INTEGER NOT NULL, count INTEGER NOT NULL,
    first_mtu INTEGER NOT NULL, last_mtu INTEGER NOT NULL, hash BLOB NOT NULL, received_at INTEGER NOT NULL,
    jws BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_message_meter_first_sequence ON message (meter, first_sequence);
CREATE TABLE IF NOT EXISTS refusal (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, meter TEXT, code TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS attested (mtu INTEGER NOT NULL, revision INTEGER NOT NULL, attestation TEXT NOT NULL,
    included INTEGER NOT NULL, PRIMARY KEY (mtu, revision)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS signed (kind TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (kind, key, digest)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS witnessed (kind TEXT NOT NULL, name TEXT NOT NULL, fact BLOB NOT NULL,
    seen_at INTEGER NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS floor (meter TEXT PRIMARY KEY, sequence INTEGER NOT NULL, mtu INTEGER NOT NULL,
    import_wh INTEGER NOT NULL, export_wh INTEGER NOT NULL, nonce BLOB NOT NULL) WITHOUT ROWID;
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
        self._db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def commit(self) -> Iterator[None]:
        """One transaction: on disk when the block ends, undone where it raises."""
        with transaction(self._db):
            yield

    def add_messages(self, messages: Sequence[tuple[MeterMessage, bytes]], *, received_at: int) -> None:
        """Keep messages with their hash; the readings stay in the bytes that the meter signed."""
        self._db.executemany(
            "INSERT INTO message (meter, first_sequence, count, first_mtu, last_mtu, hash, received_at, jws)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    message.meter_code,
                    message.run.first_sequence,
                    len(message.run.mtus),
                    message.run.mtus[0],
                    message.run.mtus[-1],
                    digest,
                    received_at,
                    message.jws,
                )
                for message, digest in messages
            ],
        )

    def forget_before(self, floors: Iterable[tuple[str, RegisterReading]]) -> None:
        """Drop the messages of meters that hold nothing but readings before their floor, and remember the floors."""
        for meter_code, floor in floors:
            self._db.execute(
                "INSERT OR REPLACE INTO floor VALUES (?, ?, ?, ?, ?, ?)",
                (
                    meter_code,
                    floor.sequence,
                    floor.mtu,
                    floor.import_register_wh,
                    floor.export_register_wh,
                    floor.nonce,
                ),
            )
            self._db.execute(
                "DELETE FROM message WHERE meter = ? AND first_sequence + count <= ? AND last_mtu < ?",
                (meter_code, floor.sequence, floor.mtu),
            )

    def floors(self) -> dict[str, RegisterReading]:
        """The floor of each meter of which messages were dropped."""
        rows = self._db.execute("SELECT meter, sequence, mtu, import_wh, export_wh, nonce FROM floor")
        return {
            meter: RegisterReading(
                mtu=mtu,
                import_register_wh=import_wh,
                export_register_wh=export_wh,
                sequence=sequence,
                nonce=bytes(nonce),
            )
            for meter, sequence, mtu, import_wh, export_wh, nonce in rows
        }

    def add_refusals(self, refusals: Iterable[tuple[int, str | None, str, str]]) -> None:
        """Keep (market time, meter or None, code, detail) of what was refused."""
        self._db.executemany("INSERT INTO refusal (at, meter, code, detail) VALUES (?, ?, ?, ?)", refusals)
        self._db.execute(
            "DELETE FROM refusal WHERE id <= (SELECT max(id) FROM refusal) - ?",
            (REFUSALS_KEPT,),
        )

    def runs(self) -> Iterator[tuple[str, ReadingRun]]:
        """(meter code, readings) of all messages held, in the order in which they were kept."""
        for (jws,) in self._db.execute("SELECT jws FROM message ORDER BY id"):
            yield parse_message(jws)

    def _around(self, meter_code: str, sequence: int) -> list[tuple[bytes, bytes, int]]:
        """(hash, message, first sequence) of the meter's messages that hold this sequence."""
        return self._db.execute(
            "SELECT hash, jws, first_sequence FROM message WHERE meter = ?1"
            " AND first_sequence BETWEEN ?2 - ?3 AND ?2 AND first_sequence + count > ?2",
            (meter_code, sequence, READINGS_MAX),
        ).fetchall()

    def messages_of(self, wanted: Iterable[tuple[str, int]]) -> list[bytes]:
        """The messages that hold these (meter, sequence); each once, contradicting ones included."""
        found: dict[bytes, bytes] = {}
        for meter_code, sequence in dict.fromkeys(wanted):
            for digest, jws, _ in self._around(meter_code, sequence):
                found[digest] = jws
        return list(found.values())

    def message_with(self, *, meter_code: str, sequence: int, nonce: bytes) -> bytes | None:
        """A message that holds exactly this reading."""
        for _, jws, first_sequence in self._around(meter_code, sequence):
            at = (sequence - first_sequence) * NONCE_BYTES
            if parse_message(jws)[1].nonces[at : at + NONCE_BYTES] == nonce:
                return jws
        return None

    def add_attestations(self, items: Iterable[SignedAttestation]) -> None:
        """Keep attestations until the chain shows them or something else."""
        self._db.executemany(
            "INSERT OR REPLACE INTO attested VALUES (?, ?, ?, 0)",
            [(item.mtu, item.revision, orjson.dumps(noun_json(item)).decode("ascii")) for item in items],
        )

    def note_included(self, *, mtu: int, revision: int) -> None:
        """Remember that one's own node shows this attestation."""
        self._db.execute("UPDATE attested SET included = 1 WHERE mtu = ? AND revision = ?", (mtu, revision))

    def forget_attestations(self, *, mtu: int, from_revision: int) -> None:
        """Drop attestations of an MTU that are not, or not any more, on the chain."""
        self._db.execute("DELETE FROM attested WHERE mtu = ? AND revision >= ?", (mtu, from_revision))

    def drop_attestations(self, *, before_mtu: int) -> None:
        """Drop attestations of MTUs before this one, and the notes that they were signed."""
        self._db.execute("DELETE FROM attested WHERE mtu < ?", (before_mtu,))
        self._db.execute(
            "DELETE FROM signed WHERE kind = 'attestation' AND CAST(key AS INTEGER) < ?",  # the key begins with the MTU
            (before_mtu,),
        )

    def attestations(self, *, first_mtu: int) -> Iterator[tuple[SignedAttestation, bool]]:
        """Attestations held from an MTU on, by MTU and revision, and whether one's own node shows each."""
        rows = self._db.execute(
            "SELECT attestation, included FROM attested WHERE mtu >= ? ORDER BY mtu, revision", (first_mtu,)
        )
        for content, included in rows:
            yield noun_of(SignedAttestation, content), bool(included)

    def last_roots(self, *, first_mtu: int, count: int) -> dict[int, tuple[int, bytes]]:
        """(revision, root) of the last attestation held of each of these MTUs."""
        rows = self._db.execute(
            "SELECT mtu, max(revision), json_extract(attestation, '$.root') FROM attested"
            " WHERE mtu >= ? AND mtu < ? GROUP BY mtu",
            (first_mtu, first_mtu + count),
        )
        return {mtu: (revision, from_hex(root)) for mtu, revision, root in rows}

    def note_signed(self, *, kind: str, key: str, digest: bytes, at: int) -> None:
        """Remember that this attester signed a digest, before the signature leaves."""
        self._db.execute("INSERT OR IGNORE INTO signed VALUES (?, ?, ?, ?)", (kind, key, digest, at))

    def signed(self, *, kind: str, key: str) -> list[bytes]:
        """The digests signed under a key."""
        rows = self._db.execute("SELECT digest FROM signed WHERE kind = ? AND key = ? ORDER BY at", (kind, key))
        return [bytes(row[0]) for row in rows]

    def add_witnessed(self, rows: Iterable[tuple[str, str, bytes, int]]) -> None:
        """Keep (kind, name, fact, market time seen) of registry facts; the first sight of each stays."""
        self._db.executemany("INSERT OR IGNORE INTO witnessed VALUES (?, ?, ?, ?)", rows)

    def witnessed(self) -> list[tuple[str, str, bytes, int]]:
        """(kind, name, fact, market time seen) of every registry fact seen."""
        rows = self._db.execute("SELECT kind, name, fact, seen_at FROM witnessed ORDER BY kind, name")
        return [(kind, name, bytes(fact), seen_at) for kind, name, fact, seen_at in rows]

    def setting(self, name: str) -> Any:
        """A remembered JSON value, None if never set."""
        row = self._db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def remember(self, name: str, value: Any) -> None:
        """Remember a JSON value, for example the registry, so that a restart needs no service."""
        self._db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, json.dumps(value)))
