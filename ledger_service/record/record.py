"""Opening the record on SQLite or PostgreSQL, its one write transaction at a time, and its readers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from domain.facts import ErasureDone
from ledger_service.record.engine import BUSY_TIMEOUT_MS, begin_write, open_engine
from ledger_service.record.errors import (
    ErasureUnfinished,
    JournalBroken,
    NestedTransaction,
    NotErasable,
    StorageUnavailable,
)
from ledger_service.record.journal import (
    Entry,
    Head,
    Kinds,
    VerifiedJournal,
    kinds_of,
    read_entries,
    read_head,
    read_large_fact,
    verify_journal,
)
from ledger_service.record.keys import erased_key, find_entries
from ledger_service.record.migrate import migrate_to_head
from ledger_service.record.tables import journal_entry, journal_key, journal_payload
from ledger_service.record.transaction import Transaction
from ledger_service.record.turns import Turns
from ledger_service.record.views import View

READERS_WAIT_MS = 2_000
"""How long an erasure waits for readers of a SQLite record before it says that their log still holds the bytes."""


class Record:
    """The journal and the views beside it. Safe to use from several threads; several processes may share a database."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url)
        self._writing = Turns()
        self._writer: int | None = None
        self._views: dict[str, tuple[View, frozenset[str]]] = {}
        self._now: Callable[[], int] = lambda: 0
        self._appended: Callable[[], None] = lambda: None

    @classmethod
    def open(cls, url: str) -> Record:
        """Open a record, made where there is none, its tables brought up to date.

        `url` is `sqlite:///<path>` or `postgresql://…`. Raises UnknownDatabase or StorageUnavailable.
        """
        record = cls(url)
        with _storage():
            migrate_to_head(record.engine)
        return record

    def timed_by(self, now: Callable[[], int]) -> None:
        """Note from now on when facts are recorded, in market time (unix seconds): lists are filtered by it.

        Nothing that is checked follows from it: no hash covers it. Without a clock a fact takes the time of the one
        before.
        """
        self._now = now

    def call_when_appended(self, told: Callable[[], None]) -> None:
        """Call `told` after each commit of this process that appended facts, on the thread that committed; it must
        only note it. Other processes' commits are not told."""
        self._appended = told

    def close(self) -> None:
        """Give the connections back; on SQLite the last one to close folds the WAL into the file."""
        self.engine.dispose()

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """The write transaction: committed at the end of the block, undone where the block raises.

        Only one runs at a time over all threads and processes, so what is checked in it still holds when it commits.
        Raises StorageUnavailable where the database can't be written, NestedTransaction where this thread holds one.
        """
        me = threading.get_ident()
        if self._writer == me:
            raise NestedTransaction
        with self._writing:
            self._writer = me
            try:
                with _storage(), self.engine.connect() as connection, begin_write(connection):
                    tx = Transaction(connection, now=self._now)
                    yield tx
                    tx.flush()
                    self._keep_views(tx)
            finally:
                self._writer = None
        if tx.kinds:
            self._appended()

    def keep(self, *views: View) -> None:
        """Bring views up to date, and from now on with every commit of this record; every process keeps the same."""
        self._views |= {view.name: (view, frozenset(kinds_of(view.facts))) for view in views}
        with self.begin() as tx:
            for view in views:
                view.follow(tx)

    def _keep_views(self, tx: Transaction) -> None:
        for view, kinds in self._views.values():
            if not kinds.isdisjoint(tx.kinds):
                view.follow(tx)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one committed state of the record throughout; what is written through it is undone."""
        with _storage(), self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin() as transaction:
                yield connection
                transaction.rollback()

    def entries(
        self,
        *,
        after: int = 0,
        kinds: Kinds | None = None,
        limit: int = 1000,
        connection: Connection | None = None,
    ) -> list[Entry]:
        """Up to `limit` entries with a sequence above `after`, ascending; only of these kinds unless None."""
        if connection is not None:
            return read_entries(connection, after=after, kinds=kinds, limit=limit)
        with self.read() as fresh:
            return read_entries(fresh, after=after, kinds=kinds, limit=limit)

    def find(self, key: str) -> Entry | None:
        """The entry appended under this key, if any."""
        with self.read() as connection:
            return find_entries(connection, [key]).get(key)

    def head(self) -> Head:
        """The last committed entry's sequence and hash."""
        with self.read() as connection:
            return read_head(connection)

    def verify(self) -> VerifiedJournal:
        """Recompute the whole chain. Raises JournalBroken naming the first entry that fails."""
        with self.read() as connection:
            return verify_journal(connection)

    def erase(
        self,
        sequences: Sequence[int],
        reason: str,
        *,
        tags: Sequence[bytes] = (),
        copies: Callable[[Transaction], None] = lambda tx: None,
    ) -> Entry:
        """Empty payload and salt of these entries for good and append the `erasure.done` fact that says so.

        `reason` and `tags` (of the orders whose openings go) stand in that fact; the reason must name nobody. Views
        hold copies, which `copies` takes out in the same transaction, or which a rebuild of those views does; so do
        backups and bundles made before. Raises JournalBroken
        where an entry does not exist, NotErasable for an erasure's own fact, ErasureUnfinished where readers keep
        the bytes in the database's log.
        """
        wanted = sorted(set(sequences))
        with self.begin() as tx:
            head = tx.head
            if not wanted or wanted[0] < 1 or wanted[-1] > head.sequence:
                raise JournalBroken(sequence=wanted[-1] if wanted else 0, check="an entry to erase exists")
            refused = _erasures_among(tx.connection, wanted)
            if refused:
                raise NotErasable(sequence=refused[0], kind=ErasureDone.KIND)
            for sequence in wanted:
                _empty(tx.connection, sequence)
            copies(tx)
            entry = tx.append(ErasureDone(sequences=tuple(wanted), reason=reason, tags=tuple(tags)))
        read_large_fact.cache_clear()
        with _storage():
            self.forget_old_pages(wanted)
        return entry

    def forget_old_pages(self, sequences: Sequence[int]) -> None:
        """See that the bytes of entries that are erased leave the database's files: what was overwritten still stands
        in logs or dead rows. Raises ErasureUnfinished."""
        if self.engine.dialect.name == "sqlite":
            with self.engine.connect() as connection:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={READERS_WAIT_MS}")
                busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar()
                connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            if busy:
                raise ErasureUnfinished(sequences=list(sequences))
            return
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in (journal_payload, journal_key):
                connection.exec_driver_sql(f"VACUUM (FULL) {table.name}")


def _erasures_among(connection: Connection, sequences: Sequence[int]) -> list[int]:
    table = journal_entry
    query = select(table.c.sequence).where(table.c.sequence.in_(sequences), table.c.kind == ErasureDone.KIND)
    return [int(sequence) for sequence in connection.execute(query.order_by(table.c.sequence)).scalars()]


def _empty(connection: Connection, sequence: int) -> None:
    connection.execute(
        update(journal_payload).where(journal_payload.c.sequence == sequence).values(salt=None, payload=None)
    )
    row = connection.execute(journal_key.select().where(journal_key.c.sequence == sequence)).first()
    if row is not None:
        connection.execute(
            update(journal_key).where(journal_key.c.sequence == sequence).values(key=erased_key(row.key))
        )


@contextmanager
def _storage() -> Iterator[None]:
    """Turn a database that can't be reached or written into one clear, retryable error."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise StorageUnavailable(reason=str(error.orig)) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise StorageUnavailable(reason=str(error.orig)) from error
        raise
