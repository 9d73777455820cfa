"""The anchor stage: puts the journal's head on chain, often enough that a rewrite would show."""

from __future__ import annotations

from sqlalchemy import Connection, select

from contracts.bindings import Anchors, read_events
from contracts.bindings.settlement import PeriodFinalised, PeriodSettled
from domain.facts import (
    HAPPENED,
    BlockMined,
    BookClosed,
    ChainFailed,
    ChainRequested,
    ChainSigned,
    ErasureDone,
    Happened,
    SettlementSigned,
    Subject,
)
from domain.roles import ChainRole
from ledger_service.evidence.recorded import NothingAnchored, last_anchor
from ledger_service.outbox import happened, request
from ledger_service.record import Cursor, Record
from ledger_service.record.journal import kinds_of, read_entries
from ledger_service.record.tables import journal_entry

ANCHOR_SECONDS = 3_600
"""Market time between two anchors while facts keep coming: a rewrite of older facts than that is excluded."""

AT_ONCE = frozenset(kinds_of((BookClosed, SettlementSigned, ErasureDone)))
"""Kinds that are anchored without waiting: what others must be able to rely on."""

CHAIN_KINDS = frozenset(kinds_of((ChainRequested, ChainSigned, *HAPPENED, ChainFailed, BlockMined)))
"""Facts about transactions: they alone cause no anchor, or each anchor would cause the next."""

_HAPPENED = frozenset(kinds_of(HAPPENED))

STEP_MAX = 100_000
"""Most entries from one anchor to the next, as the contract takes them: where more came, several lead to the head."""

ENTRIES_PER_RUN = 1_000

CURSOR = "anchor"


class AnchorStage:
    """Asks for an anchor when there are new facts and the last anchor is old enough, or a fact can't wait."""

    name = "anchor"

    def __init__(self, record: Record, *, every_seconds: int = ANCHOR_SECONDS) -> None:
        self._record = record
        self._every = every_seconds
        self._cursor = Cursor(CURSOR)
        self._pending = self._urgent = False
        self._last: int | None = None

    def run(self, now: int) -> bool:
        """Look at new facts; ask for one anchor where it is due at market time `now`."""
        with self._record.read() as connection:
            self._cursor.load(connection)
            self._look(connection)
        waited = self._last is None or now - self._last >= self._every
        if not self._urgent and not (self._pending and waited):
            return False
        self.anchor()
        self._last = now
        return True

    def anchor(self) -> None:
        """Ask for the head as it is now, whatever was anchored before; nothing happens for an empty journal."""
        with self._record.read() as connection:
            self._cursor.load(connection)
            after = _anchored_sequence(connection)
        with self._record.begin() as tx:
            head = tx.head
            if head.sequence > self._cursor.recorded:
                for sequence in (*range(after + STEP_MAX, head.sequence, STEP_MAX), head.sequence):
                    call = Anchors.anchor(sequence=sequence, head=_hash_of(tx.connection, sequence))
                    request(tx, call, key=f"anchor:{sequence}", role=ChainRole.OPERATOR, about=Subject())
                self._cursor.advance(tx, head.sequence)
        self._cursor.recorded = self._cursor.seen = head.sequence
        self._pending = self._urgent = False

    def _look(self, connection: Connection) -> None:
        """Note whether there are facts after the last anchor, and whether one of them can't wait."""
        after = self._cursor.seen
        table = journal_entry
        query = select(table.c.sequence, table.c.kind).where(table.c.sequence > after).order_by(table.c.sequence)
        rows = connection.execute(query.limit(ENTRIES_PER_RUN)).all()
        if not rows:
            return
        kinds = {row.kind for row in rows}
        self._pending |= bool(kinds - CHAIN_KINDS)
        self._urgent |= bool(kinds & AT_ONCE)
        if kinds & _HAPPENED:
            told = read_entries(connection, after=after, kinds=HAPPENED, limit=len(rows))
            facts = happened(entry for entry in told if entry.sequence <= rows[-1].sequence)
            self._urgent |= any(_ends_a_period(fact) for fact in facts)
        self._cursor.seen = rows[-1].sequence


def _ends_a_period(fact: Happened) -> bool:
    """Whether a settlement or the end of corrections is on chain: anchored at once, so that evidence holds it all."""
    return next(read_events(fact.events, PeriodSettled, PeriodFinalised), None) is not None


def _anchored_sequence(connection: Connection) -> int:
    """The sequence of the last anchor that stands on chain; 0 before the first."""
    try:
        return last_anchor(connection).sequence
    except NothingAnchored:
        return 0


def _hash_of(connection: Connection, sequence: int) -> bytes:
    query = select(journal_entry.c.hash).where(journal_entry.c.sequence == sequence)
    return bytes(connection.execute(query).scalar_one())
