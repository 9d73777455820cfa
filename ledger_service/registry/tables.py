"""Views of the registry."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from domain.members import CODE_LENGTH_MAX
from ledger_service.record.tables import Integer64, metadata

ADDRESS_LENGTH = 42
"""An address as 0x hex."""

_Code = String(CODE_LENGTH_MAX)
_Address = String(ADDRESS_LENGTH)
_Signature = LargeBinary(65)

NOT_SIGNED = ""
"""What stands where rows of an older form have no signature: none that counts."""


def _sequence() -> Column[int]:
    return Column("sequence", Integer64, ForeignKey("journal_entry.sequence"), nullable=False)


registry_area = Table(
    "registry_area",
    metadata,
    Column("area", _Code, primary_key=True),
    Column("zone", String(64), nullable=False),
    Column("attest_seconds", Integer, nullable=False),
    Column("horizon_seconds", Integer, nullable=False),
    Column("challenge_seconds", Integer, nullable=False),
    Column("grid_model", Text, nullable=False),
    Column("grid_model_hash", LargeBinary(32), nullable=False),
    Column("attesters", Text, nullable=False),
    Column("threshold", Integer, nullable=False),
    _sequence(),
    Index("ix_registry_area_sequence", "sequence"),
)

registry_market = Table(
    "registry_market",
    metadata,
    Column("market", _Code, primary_key=True),
    Column("area", _Code, nullable=False),
    Column("lot_wh", Integer, nullable=False),
    Column("tick_neur_per_wh", Integer, nullable=False),
    Column("min_limit_neur_per_wh", Integer64, nullable=False),
    Column("max_limit_neur_per_wh", Integer64, nullable=False),
    Column("grace_seconds", Integer, nullable=False),
    Column("sign_seconds", Integer, nullable=False),
    Column("clear_seconds", Integer, nullable=False),
    Column("gate_local", String(5), nullable=False),
    Column("later_gates_local", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    _sequence(),
    Index("ix_registry_market_area_market", "area", "market"),
    Index("ix_registry_market_sequence", "sequence"),
)

registry_tariff = Table(
    "registry_tariff",
    metadata,
    Column("tariff", _Code, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("area", _Code, nullable=False),
    Column("retailer", _Address, nullable=False),
    Column("valid_from_mtu", Integer64, nullable=False),
    Column("supply_neur_per_wh", Integer64, nullable=False),
    Column("feed_in_neur_per_wh", Integer64, nullable=False),
    Column("imbalance_surplus_neur_per_wh", Integer64, nullable=False),
    Column("imbalance_shortfall_neur_per_wh", Integer64, nullable=False),
    Column("excess_neur_per_wh", Integer64, nullable=False),
    Column("grid_fee_neur_per_wh", Integer64, nullable=False),
    Column("grid_fee_local_neur_per_wh", Integer64, nullable=False),
    Column("levy_neur_per_wh", Integer64, nullable=False),
    Column("compensation_neur_per_wh", Integer64, nullable=False),
    Column("vat_bp", Integer, nullable=False),
    Column("retailer_signature", LargeBinary(65), nullable=False),
    Column("dso_signature", LargeBinary(65), nullable=False),
    Column("registrar_signature", LargeBinary(65), nullable=False),
    _sequence(),
    Index("ix_registry_tariff_valid_from_mtu", "valid_from_mtu"),
)

registry_agreement = Table(
    "registry_agreement",
    metadata,
    Column("agreement", _Code, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("account", _Address, nullable=False),
    Column("retailer", _Address, nullable=False),
    Column("tariff", _Code, nullable=False),
    Column("valid_from_mtu", Integer64, nullable=False),
    Column("account_signature", LargeBinary(65), nullable=False),
    Column("retailer_signature", LargeBinary(65), nullable=False),
    _sequence(),
    Index("ix_registry_agreement_account_valid_from_mtu", "account", "valid_from_mtu"),
    Index("ix_registry_agreement_retailer_account", "retailer", "account"),
    Index("ix_registry_agreement_valid_from_mtu", "valid_from_mtu"),
)

registry_participant = Table(
    "registry_participant",
    metadata,
    Column("participant", _Code, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("area", _Code, nullable=False),
    Column("account", _Address, nullable=False),
    Column("point", _Code, nullable=True),
    Column("connection_import_w", Integer64, nullable=False),
    Column("connection_export_w", Integer64, nullable=False),
    Column("valid_from_mtu", Integer64, nullable=False, server_default="0"),
    Column("account_signature", _Signature, nullable=False, server_default=NOT_SIGNED),
    Column("dso_signature", _Signature, nullable=False),
    _sequence(),
    UniqueConstraint("account"),
    Index("ix_registry_participant_point_valid_from_mtu", "point", "valid_from_mtu"),
    Index("ix_registry_participant_area_participant", "area", "participant"),
    Index("ix_registry_participant_sequence", "sequence"),
)

registry_meter = Table(
    "registry_meter",
    metadata,
    Column("meter", _Code, primary_key=True),
    Column("valid_from_mtu", Integer64, primary_key=True, autoincrement=False),
    Column("point", _Code, nullable=False),
    Column("public_key", LargeBinary(32), nullable=False),
    Column("area", _Code, nullable=False),
    Column("dso_signature", _Signature, nullable=False, server_default=NOT_SIGNED),
    _sequence(),
    Index("ix_registry_meter_area_meter_valid_from_mtu", "area", "meter", "valid_from_mtu"),
    Index("ix_registry_meter_point", "point"),
    Index("ix_registry_meter_valid_from_mtu", "valid_from_mtu"),
)

registry_key = Table(
    "registry_key",
    metadata,
    Column("order_key", _Address, primary_key=True),
    Column("account", _Address, nullable=False),
    Column("point", _Code, nullable=True),
    Column("valid_from_mtu", Integer64, nullable=False),
    Column("signature", LargeBinary(65), nullable=False),
    _sequence(),
    Index("ix_registry_key_account_valid_from_mtu", "account", "valid_from_mtu"),
)

registry_guarantee = Table(
    "registry_guarantee",
    metadata,
    Column("account", _Address, primary_key=True),
    Column("guarantor", _Address, primary_key=True),
    Column("nonce", Integer64, primary_key=True, autoincrement=False),
    Column("credit_neur", Integer64, nullable=False),
    Column("deadline", Integer64, nullable=False, server_default="0"),
    Column("signature", LargeBinary(65), nullable=False),
    Column("account_signature", LargeBinary(65), nullable=True),
    _sequence(),
)

registry_end = Table(
    "registry_end",
    metadata,
    Column("term", String(16), primary_key=True),
    Column("name", _Code, primary_key=True),
    Column("area", _Code, nullable=False),
    Column("account", _Address, nullable=True),
    Column("retailer", _Address, nullable=True),
    Column("end_mtu", Integer64, nullable=False),
    Column("account_signature", _Signature, nullable=True),
    Column("retailer_signature", _Signature, nullable=True),
    Column("dso_signature", _Signature, nullable=True),
    _sequence(),
    Index("ix_registry_end_end_mtu", "end_mtu"),
)

registry_replacement = Table(
    "registry_replacement",
    metadata,
    Column("account", _Address, primary_key=True),
    Column("successor", _Address, nullable=False),
    Column("valid_from_mtu", Integer64, nullable=False),
    _sequence(),
    UniqueConstraint("successor"),
)
"""Accounts that gave way to others. All other views of the registry name the present account of a participant."""

registry_mandate = Table(
    "registry_mandate",
    metadata,
    Column("tag", LargeBinary(16), primary_key=True),
    Column("account", _Address, nullable=False),
    Column("agent", _Address, nullable=False),
    Column("mandate", Text, nullable=False),
    Column("from_mtu", Integer64, nullable=False),
    Column("order_key", _Address, nullable=False),
    Column("signature", _Signature, nullable=False),
    Column("market_time", Integer64, nullable=False),
    Column("revoked_sequence", Integer64, ForeignKey("journal_entry.sequence"), nullable=True),
    Column("revoked_time", Integer64, nullable=True),
    _sequence(),
    Index("ix_registry_mandate_account_from_mtu_tag", "account", "from_mtu", "tag"),
    Index("ix_registry_mandate_agent_from_mtu_tag", "agent", "from_mtu", "tag"),
    Index("ix_registry_mandate_account_agent_sequence", "account", "agent", "sequence"),
)

TABLES = (
    registry_area,
    registry_market,
    registry_tariff,
    registry_agreement,
    registry_participant,
    registry_meter,
    registry_key,
    registry_guarantee,
    registry_end,
    registry_replacement,
    registry_mandate,
)
"""Every view of this package."""
