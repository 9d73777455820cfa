"""One write transaction: facts appended, cursors moved and views changed together, or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from domain.facts import Fact
from ledger_service.record.errors import CursorMovedBack, KeyReused
from ledger_service.record.journal import (
    Entry,
    Head,
    Kinds,
    entry_hash,
    payload_hash,
    read_entries,
    read_head,
)
from ledger_service.record.keys import find_entries
from ledger_service.record.tables import journal_cursor, journal_entry, journal_key, journal_payload

SALT_BYTES = 32
"""Random bytes hashed with each payload, so that nobody can guess a payload from its hash."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A fact as the journal will hold it, written and hashed before the transaction that appends it.

    It holds bytes and no objects: a large one is cheap to hand from process to process.
    """

    kind: str
    key: str | None
    text: bytes
    salt: bytes
    digest: bytes


def prepare(fact: Fact) -> Prepared:
    """Write a fact out, to be appended later. Raises NotCanonical."""
    return _salted(fact.KIND, fact.journal_key, fact.text())


def _salted(kind: str, key: str | None, text: bytes) -> Prepared:
    salt = secrets.token_bytes(SALT_BYTES)
    return Prepared(kind=kind, key=key, text=text, salt=salt, digest=payload_hash(salt=salt, payload_text=text))


class Transaction:
    """The write transaction that `Record.begin` hands out; no other writer runs beside it.

    Appends are collected and written in bulk: when `connection` is asked for, and at commit. So a reader through
    `connection` always sees the facts appended before.
    """

    def __init__(self, connection: Connection, *, now: Callable[[], int]) -> None:
        """`now` tells market time: when the facts of this transaction are recorded."""
        self._connection = connection
        self._now = now
        self._head: Head | None = None
        self._entries: list[Entry] = []
        self._known: dict[str, Entry | None] = {}
        self.kinds: set[str] = set()
        """Kinds of the facts appended so far."""

    @property
    def connection(self) -> Connection:
        """The connection of this transaction, for views; facts appended so far are visible through it."""
        self.flush()
        return self._connection

    @property
    def head(self) -> Head:
        """The last entry, those of this transaction included."""
        if self._head is None:
            self._head = read_head(self._connection)
        return self._head

    def append(self, fact: Fact | Prepared, *, key: str | None = None) -> Entry:
        """Add one fact and return its entry.

        `key` names the fact for good where its own `journal_key` does not. This function will return the first entry
        with `repeated` set where the key was used with the same fact before, raise KeyReused where it was used with
        another, and NotCanonical for a fact with a document that has no canonical JSON.
        """
        if isinstance(fact, Prepared):
            kind, key, text = fact.kind, key or fact.key, fact.text
        else:
            kind, key, text = fact.KIND, key or fact.journal_key, fact.text()
        if key is not None:
            first = self.find(key)
            if first is not None:
                return _repeated(first, kind=kind, text=text, key=key)
        made = fact if isinstance(fact, Prepared) else _salted(kind, key, text)
        previous = self.head
        sequence = previous.sequence + 1
        chained = entry_hash(sequence=sequence, kind=kind, payload_hash=made.digest, previous=previous.hash)
        recorded_at = max(self._now(), previous.recorded_at)  # so that a span of time is a span of sequences
        entry = Entry(
            sequence=sequence,
            kind=kind,
            text=made.text.decode("utf-8"),
            salt=made.salt,
            payload_hash=made.digest,
            previous=previous.hash,
            hash=chained,
            key=key,
            recorded_at=recorded_at,
        )
        if not isinstance(fact, Prepared):
            entry.__dict__["fact"] = fact  # what it would read, without reading it again
        self._head = Head(sequence=sequence, hash=chained, recorded_at=recorded_at)
        self._entries.append(entry)
        self.kinds.add(kind)
        if key is not None:
            self._known[key] = entry
        return entry

    def find(self, key: str) -> Entry | None:
        """The entry appended under this key, if any."""
        if key not in self._known:
            self.preload([key])
        return self._known[key]

    def preload(self, keys: Iterable[str]) -> None:
        """Look many keys up at once, so that each later `find` or `append` with one of them needs no query."""
        fresh = [key for key in keys if key not in self._known]
        found = find_entries(self._connection, fresh)
        self._known.update((key, found.get(key)) for key in fresh)

    def cursor(self, name: str) -> int:
        """Sequence of the last entry this reader has dealt with; 0 where it has not begun."""
        query = select(journal_cursor.c.sequence).where(journal_cursor.c.name == name)
        return self._connection.execute(query).scalar() or 0

    def advance(self, name: str, sequence: int) -> None:
        """Move a cursor forward. Raises CursorMovedBack where it stands further already."""
        query = select(journal_cursor.c.sequence).where(journal_cursor.c.name == name)
        at = self._connection.execute(query).scalar()
        if at is None:
            self._connection.execute(insert(journal_cursor).values(name=name, sequence=sequence))
            return
        if sequence < at:
            raise CursorMovedBack(name=name, at=at, to=sequence)
        self._connection.execute(update(journal_cursor).where(journal_cursor.c.name == name).values(sequence=sequence))

    def forget(self, name: str) -> None:
        """Put a cursor back to the beginning, for a view that is made anew."""
        self._connection.execute(delete(journal_cursor).where(journal_cursor.c.name == name))

    def entries(self, *, after: int = 0, kinds: Kinds | None = None, limit: int = 1000) -> list[Entry]:
        """As `Record.entries`, seeing this transaction's own facts."""
        return read_entries(self.connection, after=after, kinds=kinds, limit=limit)

    def flush(self) -> None:
        """Write the collected appends; `Record.begin` calls it before it commits."""
        if not self._entries:
            return
        entries, self._entries = self._entries, []
        self._connection.execute(insert(journal_entry), [_header(entry) for entry in entries])
        self._connection.execute(
            insert(journal_payload),
            [{"sequence": entry.sequence, "salt": entry.salt, "payload": entry.text} for entry in entries],
        )
        keys = [{"key": entry.key, "sequence": entry.sequence} for entry in entries if entry.key is not None]
        if keys:
            self._connection.execute(insert(journal_key), keys)


def _header(entry: Entry) -> dict[str, Any]:
    return {
        "sequence": entry.sequence,
        "kind": entry.kind,
        "payload_hash": entry.payload_hash,
        "previous": entry.previous,
        "hash": entry.hash,
        "recorded_at": entry.recorded_at,
    }


def _repeated(first: Entry, *, kind: str, text: bytes, key: str) -> Entry:
    if first.kind != kind:
        raise KeyReused(key=key, sequence=first.sequence)
    if first.text is not None and first.text.encode() != text:
        raise KeyReused(key=key, sequence=first.sequence)
    return replace(first, repeated=True)
