"""The tables of the journal, and the metadata that every package's `tables.py` adds its own to.

Headers (`journal_entry`) are never changed and carry no personal data; payload and salt stand apart so that erasure
can empty them while the chain still verifies.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Shared by all packages of the ledger service; names of keys and indexes are the same on every database."""

Integer64 = BigInteger().with_variant(Integer(), "sqlite")
"""64-bit integer; SQLite's INTEGER is 64-bit already, and only under that name becomes the row id."""

KEY_LENGTH_MAX = 200
"""Longest idempotency key or cursor name in characters: room for a kind, a market code and a UUID."""

journal_entry = Table(
    "journal_entry",
    metadata,
    Column("sequence", Integer64, primary_key=True, autoincrement=False),
    Column("kind", String(64), nullable=False),
    Column("payload_hash", LargeBinary(32), nullable=False),
    Column("previous", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    # market time in unix seconds; for lists and no part of the chain of hashes, never below that of the entry before
    Column("recorded_at", Integer64, nullable=False, server_default="0"),
    Index("ix_journal_entry_kind_sequence", "kind", "sequence"),
    Index("ix_journal_entry_recorded_at_sequence", "recorded_at", "sequence"),
)

journal_payload = Table(
    "journal_payload",
    metadata,
    Column("sequence", Integer64, ForeignKey("journal_entry.sequence"), primary_key=True, autoincrement=False),
    Column("salt", LargeBinary(32), nullable=True),
    Column("payload", Text, nullable=True),
)

journal_key = Table(
    "journal_key",
    metadata,
    Column("key", String(KEY_LENGTH_MAX), primary_key=True),
    Column("sequence", Integer64, ForeignKey("journal_entry.sequence"), nullable=False, unique=True),
)

journal_cursor = Table(
    "journal_cursor",
    metadata,
    Column("name", String(KEY_LENGTH_MAX), primary_key=True),
    Column("sequence", Integer64, nullable=False),
)
