"""Entries of the journal: their hashes (docs/protocol.md section 6), how they are read and how they are verified."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, func, select

from domain.facts import ErasureDone, Fact, read_fact
from domain.hashing import ZERO_HASH, keccak
from ledger_service.record.errors import JournalBroken, PayloadErased
from ledger_service.record.paging import Slice, sliced
from ledger_service.record.spans import WHENEVER, SequenceSpan
from ledger_service.record.tables import journal_cursor, journal_entry, journal_key, journal_payload

READ_BATCH_ENTRIES = 1_000
"""Entries read at once when the whole journal is walked: keeps memory flat whatever the journal's length."""

Kinds = Iterable[type[Fact]]
"""Which facts are asked for, as their classes."""

_Kind = TypeVar("_Kind", bound=Fact)


def kinds_of(kinds: Kinds) -> list[str]:
    """The names of kinds, as the journal's headers hold them."""
    return [kind.KIND for kind in kinds]


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry: its sequence (0 and 32 zero bytes where the journal is empty)."""

    sequence: int
    hash: bytes
    recorded_at: int = field(default=0, compare=False)
    """Market time at which it was recorded, unix seconds."""


LARGE_TEXT = 2**18
"""Characters from which a payload's fact is kept after it was read: reading a settlement's proposal takes as long as
a thousand orders, and each stage, view and answer that deals with it would read it again."""

LARGE_KEPT = 2
"""Large facts kept: a period's proposal and a program's results are dealt with side by side."""

read_large_fact = lru_cache(maxsize=LARGE_KEPT)(read_fact)
"""As `read_fact`, keeping the last few. `Record.erase` empties it."""


@dataclass(frozen=True)
class Entry:
    """One fact in its place. `text` (its payload as canonical JSON) and `salt` are None once erased; `repeated` says
    that this append had been made before. `recorded_at` is market time in unix seconds, which no hash covers."""

    sequence: int
    kind: str
    text: str | None
    salt: bytes | None
    payload_hash: bytes
    previous: bytes
    hash: bytes
    key: str | None = None
    repeated: bool = False
    recorded_at: int = field(default=0, compare=False)

    @cached_property
    def fact(self) -> Fact | None:
        """The fact; None once it is erased. Raises FactMalformed or UnknownKind where the payload is no such fact."""
        if self.text is None:
            return None
        return read_large_fact(self.kind, self.text) if len(self.text) > LARGE_TEXT else read_fact(self.kind, self.text)

    def as_a(self, kind: type[_Kind]) -> _Kind:
        """The fact, where the caller needs it and knows its kind. Raises PayloadErased once it is gone."""
        fact = self.fact
        if fact is None:
            raise PayloadErased(sequence=self.sequence)
        if not isinstance(fact, kind):
            raise TypeError(f"entry {self.sequence} is a {self.kind} fact, not {kind.KIND}")
        return fact


@dataclass(frozen=True, slots=True)
class VerifiedJournal:
    """What a verified journal holds."""

    head: Head
    erased: int


def payload_hash(*, salt: bytes, payload_text: bytes) -> bytes:
    """keccak(salt || canonical JSON of the payload)."""
    return keccak(salt + payload_text)


def entry_hash(*, sequence: int, kind: str, payload_hash: bytes, previous: bytes) -> bytes:
    """keccak(uint64 sequence || keccak(utf8 kind) || payload hash || previous)."""
    return keccak(sequence.to_bytes(8, "big") + keccak(kind.encode("utf-8")) + payload_hash + previous)


def last_of(connection: Connection, *kinds: type[Fact], after: int = 0) -> int:
    """Sequence of the last entry of these kinds behind `after`; `after` where there is none."""
    query = select(func.max(journal_entry.c.sequence)).where(
        journal_entry.c.kind.in_(kinds_of(kinds)), journal_entry.c.sequence > after
    )
    return int(connection.execute(query).scalar() or after)


def select_entries() -> Select[Any]:
    """Headers with payloads and keys, one row per entry."""
    joined = journal_entry.join(journal_payload).outerjoin(
        journal_key, journal_key.c.sequence == journal_entry.c.sequence
    )
    return select(journal_entry, journal_payload.c.salt, journal_payload.c.payload, journal_key.c.key).select_from(
        joined
    )


def select_keyed_entries() -> Select[Any]:
    """The same rows of entries that have a key, from the key on: SQLite turns no outer join round, and would read the
    whole journal for each key."""
    joined = journal_key.join(journal_entry, journal_entry.c.sequence == journal_key.c.sequence).join(
        journal_payload, journal_payload.c.sequence == journal_entry.c.sequence
    )
    return select(journal_entry, journal_payload.c.salt, journal_payload.c.payload, journal_key.c.key).select_from(
        joined
    )


def entry_of(row: Row[Any], *, repeated: bool = False) -> Entry:
    """The entry of a row of `select_entries` or `select_keyed_entries`."""
    return Entry(
        sequence=row.sequence,
        kind=row.kind,
        text=row.payload,
        salt=row.salt,
        payload_hash=row.payload_hash,
        previous=row.previous,
        hash=row.hash,
        key=row.key,
        repeated=repeated,
        recorded_at=row.recorded_at,
    )


def read_head(connection: Connection) -> Head:
    """The last entry's sequence and hash as this connection sees them."""
    c = journal_entry.c
    query = select(c.sequence, c.hash, c.recorded_at).order_by(c.sequence.desc()).limit(1)
    row = connection.execute(query).first()
    if row is None:
        return Head(sequence=0, hash=ZERO_HASH)
    return Head(sequence=row.sequence, hash=row.hash, recorded_at=row.recorded_at)


def read_entries(connection: Connection, *, after: int, kinds: Kinds | None, limit: int) -> list[Entry]:
    """Up to `limit` entries with a sequence above `after`, ascending; only of these kinds unless None."""
    query = select_entries().where(journal_entry.c.sequence > after)
    if kinds is not None:
        query = query.where(journal_entry.c.kind.in_(kinds_of(kinds)))
    query = query.order_by(journal_entry.c.sequence).limit(limit)
    return [entry_of(row) for row in connection.execute(query)]


def read_headers(connection: Connection, *, part: Slice, within: SequenceSpan = WHENEVER) -> list[Entry]:
    """A part of the journal, or of a span of it."""
    sequence = journal_entry.c.sequence
    query = select_entries().where(within.holds(sequence))
    return [entry_of(row) for row in connection.execute(sliced(query, sequence, part=part))]


def walk_entries(connection: Connection, *, after: int = 0, kinds: Kinds | None = None) -> Iterator[Entry]:
    """Every entry after `after` in order, read in batches."""
    while batch := read_entries(connection, after=after, kinds=kinds, limit=READ_BATCH_ENTRIES):
        yield from batch
        after = batch[-1].sequence


def verify_journal(connection: Connection) -> VerifiedJournal:
    """Recompute the whole chain from its payloads. Raises JournalBroken naming the first entry that fails, and why.

    An emptied payload passes only if an erasure fact later in the chain lists it.
    """
    head = Head(sequence=0, hash=ZERO_HASH)
    missing: set[int] = set()
    erased = 0
    query = select(journal_entry, journal_payload.c.salt, journal_payload.c.payload).select_from(
        journal_entry.outerjoin(journal_payload)
    )
    while True:
        page = query.where(journal_entry.c.sequence > head.sequence).order_by(journal_entry.c.sequence)
        rows = connection.execute(page.limit(READ_BATCH_ENTRIES)).all()
        if not rows:
            break
        for row in rows:
            _check_link(row, head)
            if row.payload is None or row.salt is None:
                missing.add(row.sequence)
                erased += 1
            elif row.kind == ErasureDone.KIND:
                missing.difference_update(ErasureDone.read(row.payload).sequences)
            head = Head(sequence=row.sequence, hash=row.hash)
    if missing:
        raise JournalBroken(sequence=min(missing), check="payload is there or its erasure is a fact")
    _check_side_tables(connection, head)
    return VerifiedJournal(head=head, erased=erased)


def _check_link(row: Row[Any], head: Head) -> None:
    if row.sequence != head.sequence + 1:
        raise JournalBroken(sequence=head.sequence + 1, check="sequence has no gap")
    if row.previous != head.hash:
        raise JournalBroken(sequence=row.sequence, check="previous is the hash of the entry before")
    expected = entry_hash(sequence=row.sequence, kind=row.kind, payload_hash=row.payload_hash, previous=row.previous)
    if row.hash != expected:
        raise JournalBroken(sequence=row.sequence, check="hash covers sequence, kind, payload hash and previous")
    if row.payload is None or row.salt is None:
        return
    if payload_hash(salt=row.salt, payload_text=row.payload.encode("utf-8")) != row.payload_hash:
        raise JournalBroken(sequence=row.sequence, check="payload hash covers salt and payload")


def _check_side_tables(connection: Connection, head: Head) -> None:
    for column, check in (
        (journal_payload.c.sequence, "every payload belongs to an entry"),
        (journal_key.c.sequence, "every key names an entry"),
        (journal_cursor.c.sequence, "every cursor stands within the journal"),
    ):
        beyond = connection.execute(select(column).where(column > head.sequence).limit(1)).scalar()
        if beyond is not None:
            raise JournalBroken(sequence=beyond, check=check)
