"""Tables of the overview: one row per thing that is listed, with an index for whose it is and when."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from domain.members import CODE_LENGTH_MAX
from ledger_service.money.tables import AMOUNT_LENGTH_MAX
from ledger_service.record.tables import Integer64, metadata
from ledger_service.registry.tables import ADDRESS_LENGTH

_Code = String(CODE_LENGTH_MAX)
_Address = String(ADDRESS_LENGTH)
_Amount = String(AMOUNT_LENGTH_MAX)


def _sequence(*, primary_key: bool = False) -> Column[int]:
    place = ForeignKey("journal_entry.sequence")
    return Column("sequence", Integer64, place, primary_key=primary_key, autoincrement=False, nullable=False)


overview_program = Table(
    "overview_program",
    metadata,
    Column("market", _Code, primary_key=True),
    Column("session", Integer64, primary_key=True, autoincrement=False),
    Column("area", _Code, nullable=False),
    Column("period", Integer64, nullable=False),
    Column("first_mtu", Integer64, nullable=False),
    Column("count", Integer, nullable=False),
    # the entries that say what became of it
    Column("book_sequence", Integer64, nullable=True),
    Column("validated_sequence", Integer64, nullable=True),
    Column("deadline", Integer64, nullable=True),
    Column("signed_sequence", Integer64, nullable=True),
    Column("refused_sequence", Integer64, nullable=True),
    Column("done_sequence", Integer64, nullable=True),
    Column("traded", Integer, nullable=False),
    Column("given_up", Integer, nullable=False),
    Column("cleared", Integer, nullable=False),
    Column("lapsed_reason", Text, nullable=True),
    Index("ix_overview_program_market_first_mtu", "market", "first_mtu"),
    Index("ix_overview_program_area_first_mtu_market", "area", "first_mtu", "market"),
)
"""The MTUs of one gate of one market."""

overview_mtu = Table(
    "overview_mtu",
    metadata,
    Column("market", _Code, primary_key=True),
    Column("session", Integer64, primary_key=True, autoincrement=False),
    Column("mtu", Integer64, primary_key=True, autoincrement=False),
    Column("price_neur_per_wh", Integer64, nullable=True),
    Column("volume_lots", Integer64, nullable=False),
    # validated with nothing to trade, and not given up: once the program is signed, it is not void
    Column("tradeless", Boolean, nullable=False),
    Column("void", Boolean, nullable=True),
    _sequence(),
    Index("ix_overview_mtu_market_mtu_session", "market", "mtu", "session"),
)
"""Each MTU of a session, and how it ended: `void` is null until then. `sequence`: what it was last told of by."""

overview_trade = Table(
    "overview_trade",
    metadata,
    Column("account", _Address, primary_key=True),
    Column("mtu", Integer64, primary_key=True, autoincrement=False),
    Column("order_id", LargeBinary(16), primary_key=True),
    Column("market", _Code, nullable=False),
    Column("session", Integer64, nullable=False),
    Column("tag", LargeBinary(16), nullable=False),
    Column("side", Integer, nullable=False),
    Column("accepted_lots", Integer64, nullable=False),
    Column("price_neur_per_wh", Integer64, nullable=False),
    _sequence(),
)
"""What was accepted of an order."""

overview_set_point = Table(
    "overview_set_point",
    metadata,
    Column("point", _Code, primary_key=True),
    Column("mtu", Integer64, primary_key=True, autoincrement=False),
    Column("market", _Code, primary_key=True),
    Column("session", Integer64, primary_key=True, autoincrement=False),
    Column("import_cap_wh", Integer64, nullable=True),
    Column("export_cap_wh", Integer64, nullable=True),
    _sequence(),
)
"""Envelopes in force, by point."""

overview_statement = Table(
    "overview_statement",
    metadata,
    Column("account", _Address, primary_key=True),
    Column("period", Integer64, primary_key=True, autoincrement=False),
    Column("revision", Integer64, primary_key=True, autoincrement=False),
    Column("area", _Code, primary_key=True),
    Column("first_mtu", Integer64, nullable=False),
    Column("count", Integer, nullable=False),
    Column("amount_neur", _Amount, nullable=False),
    Column("due_neur", _Amount, nullable=False),
    _sequence(),
    Index("ix_overview_statement_area_period_revision", "area", "period", "revision"),
)
"""The newest statement of each account and revision, and the entry of the proposal that holds it."""

overview_deposit = Table(
    "overview_deposit",
    metadata,
    _sequence(primary_key=True),
    Column("account", _Address, nullable=False),
    Column("amount_neur", _Amount, nullable=False),
    Column("ref", LargeBinary(32), nullable=False),
    Index("ix_overview_deposit_account_sequence", "account", "sequence"),
)
"""Deposits booked."""

overview_redemption = Table(
    "overview_redemption",
    metadata,
    Column("account", LargeBinary(20), primary_key=True),
    Column("ref", LargeBinary(32), primary_key=True),
    Column("amount_neur", _Amount, nullable=False),
    _sequence(),
)
"""Redemptions asked for here; those that the chain knows are in the views of money."""

overview_access = Table(
    "overview_access",
    metadata,
    _sequence(primary_key=True),
    Column("area", _Code, nullable=True),
    Column("auditor", _Address, nullable=False),
    Column("what", String(64), nullable=False),
    Column("market_time", Integer64, nullable=False),
    Index("ix_overview_access_area_sequence", "area", "sequence"),
)
"""Readings of personal data by auditors; no area: of all."""

overview_anchor = Table(
    "overview_anchor",
    metadata,
    _sequence(primary_key=True),
    Column("anchored_sequence", Integer64, nullable=False),
    Column("head", LargeBinary(32), nullable=False),
    Column("tx_hash", LargeBinary(32), nullable=False),
    Column("block", Integer64, nullable=False),
)
"""Heads of the journal that a block holds; `sequence` is the entry that says so."""

overview_inclusion = Table(
    "overview_inclusion",
    metadata,
    _sequence(primary_key=True),
    Column("block_time", Integer64, nullable=False),
)
"""When what the chain did to accounts was included, in unix seconds of block time."""

TABLES = (
    overview_program,
    overview_mtu,
    overview_trade,
    overview_set_point,
    overview_statement,
    overview_deposit,
    overview_redemption,
    overview_access,
    overview_anchor,
    overview_inclusion,
)
"""Every table of this package."""
