"""Views of the registry."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "registry_0001"
down_revision = None
branch_labels = ("registry",)
depends_on = "record_0001"

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_CODE = sa.String(100)
_ADDRESS = sa.String(42)


def _table(name: str, *items: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        *items,
        sa.Column("sequence", _INTEGER64, nullable=False),
        sa.ForeignKeyConstraint(["sequence"], ["journal_entry.sequence"], name=f"fk_{name}_sequence"),
    )


def _prices() -> list[sa.Column[int]]:
    names = ("supply", "feed_in", "imbalance_surplus", "imbalance_shortfall", "excess", "grid_fee", "grid_fee_local")
    return [sa.Column(f"{name}_neur_per_wh", _INTEGER64, nullable=False) for name in (*names, "levy", "compensation")]


def upgrade() -> None:
    """Create the registry's tables."""
    _create_places()
    _create_agreements()
    _create_parties()


def _create_places() -> None:
    _table(
        "registry_area",
        sa.Column("area", _CODE, nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("attest_seconds", sa.Integer(), nullable=False),
        sa.Column("horizon_seconds", sa.Integer(), nullable=False),
        sa.Column("challenge_seconds", sa.Integer(), nullable=False),
        sa.Column("grid_model", sa.Text(), nullable=False),
        sa.Column("grid_model_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("attesters", sa.Text(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("area", name="pk_registry_area"),
    )
    _table(
        "registry_market",
        sa.Column("market", _CODE, nullable=False),
        sa.Column("area", _CODE, nullable=False),
        sa.Column("lot_wh", sa.Integer(), nullable=False),
        sa.Column("tick_neur_per_wh", sa.Integer(), nullable=False),
        sa.Column("min_limit_neur_per_wh", _INTEGER64, nullable=False),
        sa.Column("max_limit_neur_per_wh", _INTEGER64, nullable=False),
        sa.Column("grace_seconds", sa.Integer(), nullable=False),
        sa.Column("sign_seconds", sa.Integer(), nullable=False),
        sa.Column("clear_seconds", sa.Integer(), nullable=False),
        sa.Column("gate_local", sa.String(5), nullable=False),
        sa.Column("later_gates_local", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("market", name="pk_registry_market"),
    )


def _create_agreements() -> None:
    _table(
        "registry_tariff",
        sa.Column("tariff", _CODE, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("valid_from_mtu", _INTEGER64, nullable=False),
        *_prices(),
        sa.Column("vat_bp", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tariff", "version", name="pk_registry_tariff"),
    )
    _table(
        "registry_agreement",
        sa.Column("agreement", _CODE, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account", _ADDRESS, nullable=False),
        sa.Column("retailer", _ADDRESS, nullable=False),
        sa.Column("tariff", _CODE, nullable=False),
        sa.Column("valid_from_mtu", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint("agreement", "version", name="pk_registry_agreement"),
    )
    op.create_index("ix_registry_agreement_account_valid_from_mtu", "registry_agreement", ["account", "valid_from_mtu"])
    op.create_index("ix_registry_agreement_retailer", "registry_agreement", ["retailer"])


def _create_parties() -> None:
    _table(
        "registry_participant",
        sa.Column("participant", _CODE, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("area", _CODE, nullable=False),
        sa.Column("account", _ADDRESS, nullable=False),
        sa.Column("point", _CODE, nullable=True),
        sa.Column("connection_import_w", _INTEGER64, nullable=False),
        sa.Column("connection_export_w", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint("participant", name="pk_registry_participant"),
        sa.UniqueConstraint("account", name="uq_registry_participant_account"),
        sa.UniqueConstraint("point", name="uq_registry_participant_point"),
    )
    op.create_index("ix_registry_participant_area", "registry_participant", ["area"])
    _table(
        "registry_meter",
        sa.Column("meter", _CODE, nullable=False),
        sa.Column("valid_from_mtu", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("point", _CODE, nullable=False),
        sa.Column("public_key", sa.LargeBinary(32), nullable=False),
        sa.Column("area", _CODE, nullable=False),
        sa.PrimaryKeyConstraint("meter", "valid_from_mtu", name="pk_registry_meter"),
    )
    op.create_index("ix_registry_meter_area", "registry_meter", ["area"])
    op.create_index("ix_registry_meter_point", "registry_meter", ["point"])
    _table(
        "registry_key",
        sa.Column("order_key", _ADDRESS, nullable=False),
        sa.Column("account", _ADDRESS, nullable=False),
        sa.Column("point", _CODE, nullable=True),
        sa.Column("valid_from_mtu", _INTEGER64, nullable=False),
        sa.Column("signature", sa.LargeBinary(65), nullable=False),
        sa.PrimaryKeyConstraint("order_key", name="pk_registry_key"),
    )
    op.create_index("ix_registry_key_account_valid_from_mtu", "registry_key", ["account", "valid_from_mtu"])
    _table(
        "registry_guarantee",
        sa.Column("account", _ADDRESS, nullable=False),
        sa.Column("guarantor", _ADDRESS, nullable=False),
        sa.Column("nonce", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("credit_neur", _INTEGER64, nullable=False),
        sa.Column("signature", sa.LargeBinary(65), nullable=False),
        sa.PrimaryKeyConstraint("account", "guarantor", "nonce", name="pk_registry_guarantee"),
    )
