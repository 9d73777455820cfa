"""Views of settlement: periods, what the chain resolved in them, and signatures collected so far."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from ledger_service.record.tables import KEY_LENGTH_MAX, Integer64, metadata

CODE_LENGTH_MAX = 128
"""Longest area or market code in characters."""

settlement_period = Table(
    "settlement_period",
    metadata,
    Column("area", String(CODE_LENGTH_MAX), primary_key=True),
    Column("period", Integer64, primary_key=True, autoincrement=False),
    Column("first_mtu", Integer64, nullable=False),
    Column("count", Integer, nullable=False),
    # revisions that took effect on chain, and the market time at which this view learned of the first
    Column("settled", Integer, nullable=False),
    Column("settled_at", Integer64, nullable=True),
    Column("settled_readings_root", LargeBinary(32), nullable=True),
    Column("is_final", Boolean, nullable=False),
    # the newest proposal: its entry, revision and digest of the roots it was computed from
    Column("proposal_sequence", Integer64, nullable=True),
    Column("proposal_revision", Integer, nullable=True),
    Column("proposal_roots", LargeBinary(64), nullable=True),
    Column("signed_sequence", Integer64, nullable=True),
    Index("ix_settlement_period_area_first_mtu", "area", "first_mtu"),
    Index("ix_settlement_period_first_mtu_area", "first_mtu", "area"),
)

settlement_event = Table(
    "settlement_event",
    metadata,
    Column("block", Integer64, primary_key=True, autoincrement=False),
    Column("sequence", Integer64, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("key", String(KEY_LENGTH_MAX), nullable=False, index=True),
    Column("what", String(16), nullable=False),
    Column("area", String(CODE_LENGTH_MAX), nullable=False),
    Column("period", Integer64, nullable=False),
    Column("market", String(CODE_LENGTH_MAX), nullable=True),
    Column("mtu", Integer64, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("data", Text, nullable=False),
    Index("ix_settlement_event_area_period", "area", "period"),
)

settlement_source = Table(
    "settlement_source",
    metadata,
    Column("sequence", Integer64, primary_key=True, autoincrement=False),
    Column("kind", String(64), nullable=False),
    Column("area", String(CODE_LENGTH_MAX), nullable=False),
    Column("period", Integer64, nullable=False),
    Index("ix_settlement_source_area_period_kind", "area", "period", "kind"),
)

settlement_session = Table(
    "settlement_session",
    metadata,
    Column("market", String(CODE_LENGTH_MAX), primary_key=True),
    Column("session", Integer64, primary_key=True, autoincrement=False),
    Column("area", String(CODE_LENGTH_MAX), nullable=False),
    Column("period", Integer64, nullable=False),
)

settlement_failed = Table(
    "settlement_failed",
    metadata,
    # requests to settle or finalise that failed and were not asked for again, with the market time this view learned it
    Column("key", String(KEY_LENGTH_MAX), primary_key=True),
    Column("area", String(CODE_LENGTH_MAX), nullable=False),
    Column("period", Integer64, nullable=False),
    Column("page", Integer64, nullable=False),
    Column("failed_at", Integer64, nullable=False),
    Index("ix_settlement_failed_area_period", "area", "period"),
)

settlement_signature = Table(
    "settlement_signature",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("attester", LargeBinary(20), primary_key=True),
    Column("signature", LargeBinary(65), nullable=False),
)
