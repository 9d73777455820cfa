"""Views of the market's frame: periods, sessions, and which requests about them the chain has."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table

from domain.members import CODE_LENGTH_MAX
from ledger_service.record.tables import KEY_LENGTH_MAX, Integer64, metadata

_Code = String(CODE_LENGTH_MAX)


def _sequence() -> Column[int]:
    return Column("sequence", Integer64, ForeignKey("journal_entry.sequence"), nullable=False)


market_period = Table(
    "market_period",
    metadata,
    Column("area", _Code, primary_key=True),
    Column("period", Integer, primary_key=True, autoincrement=False),
    Column("first_mtu", Integer64, nullable=False),
    Column("count", Integer, nullable=False),
    _sequence(),
)

market_session = Table(
    "market_session",
    metadata,
    Column("market", _Code, primary_key=True),
    Column("session", Integer64, primary_key=True, autoincrement=False),
    Column("area", _Code, nullable=False),
    Column("period", Integer, nullable=False),
    Column("first_mtu", Integer64, nullable=False),
    Column("count", Integer, nullable=False),
    Column("closed", Boolean, nullable=False),
    _sequence(),
    Index("ix_market_session_closed_session", "closed", "session"),
    Index("ix_market_session_session_market", "session", "market"),
    Index("ix_market_session_area_first_mtu", "area", "first_mtu"),
)

market_inclusion = Table(
    "market_inclusion",
    metadata,
    Column("key", String(KEY_LENGTH_MAX), primary_key=True),
    _sequence(),
)

TABLES = (market_period, market_session, market_inclusion)
"""Every view of this package."""
