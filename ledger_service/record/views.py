"""Views kept at every commit: whoever reads them sees exactly what the journal says, and no stage lags behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Table, delete

from domain.facts import Fact
from ledger_service.record.journal import Entry
from ledger_service.record.transaction import Transaction

FOLD_BATCH_ENTRIES = 500
"""Entries folded at once; bounds memory while a long journal is read."""


@dataclass(frozen=True)
class View:
    """Tables made of facts of some kinds and of earlier views, in the journal's order."""

    name: str
    """Of its cursor."""
    facts: tuple[type[Fact], ...]
    tables: tuple[Table, ...]
    fold: Callable[[Connection, Entry], None]
    """Brings the tables up to date with one fact; erased facts are not handed to it."""

    def follow(self, tx: Transaction) -> None:
        """Fold what was committed or appended since the last time, and move the cursor."""
        after = tx.cursor(self.name)
        while entries := tx.entries(after=after, kinds=self.facts, limit=FOLD_BATCH_ENTRIES):
            for entry in entries:
                if entry.text is not None:
                    self.fold(tx.connection, entry)
            after = entries[-1].sequence
            tx.advance(self.name, after)

    def rebuild(self, tx: Transaction) -> None:
        """Empty the tables and fold every fact again."""
        for table in reversed(self.tables):
            tx.connection.execute(delete(table))
        tx.forget(self.name)
        self.follow(tx)
