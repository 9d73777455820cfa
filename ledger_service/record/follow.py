"""Following the journal: new entries are found without the write lock, which is taken only to write what they cause.

A stage keeps one `Cursor` and, each time it runs, goes through `follow(record, cursor, kinds)`. What is slow (hashing,
solving, checking signatures) it does first; then it appends in `batch.begin()`, which also moves the cursor:

    for batch in follow(self._record, self._cursor, [BookClosed]):
        computed = self._compute(batch.entries)
        with batch.begin() as tx:
            tx.append(computed)

A batch that causes nothing is passed over without `begin`; then the cursor moves in memory alone, and after a restart
those entries are looked at once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, select

from domain.errors import DominoesError
from ledger_service.record.journal import Entry, Kinds, read_entries
from ledger_service.record.record import Record
from ledger_service.record.tables import journal_cursor
from ledger_service.record.transaction import Transaction

BATCH_ENTRIES = 1_000
"""Entries of one batch at most: what one write transaction deals with, so that others get their turn."""


class CursorTaken(DominoesError):
    """Somebody else moves this cursor: the stage runs twice."""

    status = 500
    code = "cursor-taken"

    def __init__(self, *, name: str, at: int, expected: int) -> None:
        self.name, self.at, self.expected = name, at, expected
        super().__init__(
            f"cursor {name} stands at {at}, not at {expected}: another process runs the same stage; stop one of them"
        )


class Cursor:
    """Where a reader stands: in the record under its name, and in memory past entries that caused nothing.

    `held` are entries that can't be dealt with yet: in the record it stays before them, whatever is dealt with behind
    them, so that they are met again after a restart.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.recorded = self.seen = 0
        self.held: set[int] = set()

    def load(self, connection: Connection) -> None:
        """Read where it stands in the record: after a start, or a commit of which nobody heard whether it was made."""
        self.recorded = read_cursor(connection, self.name)
        self.seen = max(self.seen, self.recorded)

    def advance(self, tx: Transaction, sequence: int) -> int:
        """Move it in the record, at the end of a transaction, as far as nothing is held; where it stands then. Raises
        CursorTaken where it is not as it was left."""
        at = tx.cursor(self.name)
        if at != self.recorded:
            raise CursorTaken(name=self.name, at=at, expected=self.recorded)
        to = max(at, min([sequence, *(held - 1 for held in self.held)]))
        tx.advance(self.name, to)
        return to


@dataclass(frozen=True, slots=True)
class Batch:
    """New entries, ascending, and the transaction in which they are dealt with."""

    record: Record
    cursor: Cursor
    entries: tuple[Entry, ...]

    @property
    def through(self) -> int:
        """Sequence of the last entry."""
        return self.entries[-1].sequence

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """The write transaction that appends what the entries cause and moves the cursor past them."""
        with self.record.begin() as tx:
            yield tx
            recorded = self.cursor.advance(tx, self.through)
        self.cursor.recorded, self.cursor.seen = recorded, self.through


def follow(record: Record, cursor: Cursor, kinds: Kinds, *, limit: int = BATCH_ENTRIES) -> Iterator[Batch]:
    """Batches of up to `limit` new entries of these kinds, until there are none. Raises StorageUnavailable.

    A batch counts as dealt with once the next one is asked for; what raises before is met again.
    """
    while True:
        with record.read() as connection:
            cursor.load(connection)
            entries = read_entries(connection, after=cursor.seen, kinds=kinds, limit=limit)
        if not entries:
            return
        yield Batch(record=record, cursor=cursor, entries=tuple(entries))
        cursor.seen = max(cursor.seen, entries[-1].sequence)


def read_cursor(connection: Connection, name: str) -> int:
    """Sequence of the last entry this reader has dealt with, as the record holds it; 0 where it has not begun."""
    query = select(journal_cursor.c.sequence).where(journal_cursor.c.name == name)
    return connection.execute(query).scalar() or 0
