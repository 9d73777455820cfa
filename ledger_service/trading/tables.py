"""Views of trading."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from domain.members import CODE_LENGTH_MAX
from ledger_service.record.tables import Integer64, metadata
from ledger_service.registry.tables import ADDRESS_LENGTH

_Code = String(CODE_LENGTH_MAX)
_Address = String(ADDRESS_LENGTH)


def _sequence(name: str = "sequence") -> Column[int]:
    return Column(name, Integer64, ForeignKey("journal_entry.sequence"), nullable=False)


trading_order = Table(
    "trading_order",
    metadata,
    Column("account", _Address, primary_key=True),
    Column("order_id", LargeBinary(16), primary_key=True),
    Column("market", _Code, nullable=False),
    Column("session", Integer64, nullable=False),
    Column("mtu", Integer64, nullable=False),
    Column("side", Integer, nullable=False),
    Column("limit_neur_per_wh", Integer64, nullable=False),
    Column("quantity_lots", Integer64, nullable=False),
    Column("revision", Integer64, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
    Column("tag", LargeBinary(16), nullable=False),
    Column("point", _Code, nullable=True),
    Column("order_key", _Address, nullable=False),
    Column("market_time", Integer64, nullable=False),
    Column("mandate", LargeBinary(16), nullable=True),
    _sequence(),
    Index("ix_trading_order_market_session_mtu", "market", "session", "mtu"),
    Index("ix_trading_order_tag", "tag"),
    Index("ix_trading_order_account_mtu_order_id", "account", "mtu", "order_id"),
    Index("ix_trading_order_mandate_mtu", "mandate", "mtu"),
    Index("ix_trading_order_order_key_mtu_order_id", "order_key", "mtu", "order_id"),
)

trading_schedule = Table(
    "trading_schedule",
    metadata,
    Column("market", _Code, primary_key=True),
    Column("session", Integer64, primary_key=True, autoincrement=False),
    Column("point", _Code, primary_key=True),
    Column("first_mtu", Integer64, nullable=False),
    Column("revision", Integer64, nullable=False),
    Column("net_wh", Text, nullable=False),
    Column("market_time", Integer64, nullable=False),
    _sequence(),
    Index("ix_trading_schedule_point_session_market", "point", "session", "market"),
)

TABLES = (trading_order, trading_schedule)
"""Every view of this package."""
