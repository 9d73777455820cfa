"""Views of metering: attestations recorded, and the latest reading of each meter and MTU."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from ledger_service.record.tables import Integer64, metadata

CODE_LENGTH_MAX = 100
"""Longest code of an area, point or meter."""

metering_attestation = Table(
    "metering_attestation",
    metadata,
    Column("area", String(CODE_LENGTH_MAX), primary_key=True),
    Column("mtu", Integer64, primary_key=True, autoincrement=False),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("period", Integer64, nullable=False),
    Column("unread", Boolean, nullable=False),
    Column("root", String(66), nullable=False),
    Column("chain_key", String(200), nullable=True),
    Column("attestation", Text, nullable=True),
    Column("sequence", Integer64, ForeignKey("journal_entry.sequence"), nullable=False),
    Index("ix_metering_attestation_chain_key", "chain_key"),
)
"""One row per accepted attestation (its JSON as in `reading.attested`) or mark Unread; none that the chain refused."""

metering_reading = Table(
    "metering_reading",
    metadata,
    Column("area", String(CODE_LENGTH_MAX), primary_key=True),
    Column("mtu", Integer64, primary_key=True, autoincrement=False),
    Column("meter", String(CODE_LENGTH_MAX), primary_key=True),
    Column("point", String(CODE_LENGTH_MAX), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("import_wh", Integer64, nullable=False),
    Column("export_wh", Integer64, nullable=False),
    Column("import_register_wh", Integer64, nullable=False),
    Column("export_register_wh", Integer64, nullable=False),
    Column("quality", Integer, nullable=False),
    Index("ix_metering_reading_point_mtu", "point", "mtu"),
)
"""The latest attested reading of each meter and MTU."""

metering_pending = Table(
    "metering_pending",
    metadata,
    Column("chain_key", String(200), primary_key=True),
    Column("area", String(CODE_LENGTH_MAX), nullable=False),
    Column("period", Integer64, nullable=False),
    Column("first_mtu", Integer64, nullable=False),
    Column("count", Integer, nullable=False),
)
"""Marks Unread that were asked of the chain and have not been answered."""

TABLES = (metering_attestation, metering_reading, metering_pending)
"""Every view of this package."""
