"""The journal: the one write path for facts, and the database everything else is a view in."""

from ledger_service.record.engine import sqlite_url
from ledger_service.record.errors import (
    CursorMovedBack,
    JournalBroken,
    KeyReused,
    NestedTransaction,
    PayloadErased,
    StorageUnavailable,
    UnknownDatabase,
)
from ledger_service.record.follow import Batch, Cursor, CursorTaken, follow
from ledger_service.record.journal import Entry, Head, VerifiedJournal
from ledger_service.record.record import Record
from ledger_service.record.transaction import Prepared, Transaction, prepare
from ledger_service.record.views import View

__all__ = [
    "Batch",
    "Cursor",
    "CursorMovedBack",
    "CursorTaken",
    "Entry",
    "Head",
    "JournalBroken",
    "KeyReused",
    "NestedTransaction",
    "PayloadErased",
    "Prepared",
    "Record",
    "StorageUnavailable",
    "Transaction",
    "UnknownDatabase",
    "VerifiedJournal",
    "View",
    "follow",
    "prepare",
    "sqlite_url",
]
