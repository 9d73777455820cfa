"""The overview: what edges list, one row per thing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "overview_0001"
down_revision = None
branch_labels = ("overview",)
depends_on = "record_0001"

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _table(name: str, *items: sa.schema.SchemaItem, primary_key: tuple[str, ...]) -> None:
    op.create_table(
        name,
        *items,
        sa.ForeignKeyConstraint(["sequence"], ["journal_entry.sequence"], name=f"fk_{name}_sequence"),
        sa.PrimaryKeyConstraint(*primary_key, name=f"pk_{name}"),
    )


def upgrade() -> None:
    """Create the tables of the overview."""
    _create_market()
    _create_own()
    _create_record()


def _create_market() -> None:
    op.create_table(
        "overview_program",
        sa.Column("market", sa.String(100), nullable=False),
        sa.Column("session", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("area", sa.String(100), nullable=False),
        sa.Column("period", _INTEGER64, nullable=False),
        sa.Column("first_mtu", _INTEGER64, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("book_sequence", _INTEGER64, nullable=True),
        sa.Column("validated_sequence", _INTEGER64, nullable=True),
        sa.Column("deadline", _INTEGER64, nullable=True),
        sa.Column("signed_sequence", _INTEGER64, nullable=True),
        sa.Column("refused_sequence", _INTEGER64, nullable=True),
        sa.Column("done_sequence", _INTEGER64, nullable=True),
        sa.Column("traded", sa.Integer(), nullable=False),
        sa.Column("given_up", sa.Integer(), nullable=False),
        sa.Column("cleared", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("market", "session", name="pk_overview_program"),
    )
    op.create_index("ix_overview_program_area_first_mtu_market", "overview_program", ["area", "first_mtu", "market"])
    op.create_index("ix_overview_program_market_first_mtu", "overview_program", ["market", "first_mtu"])
    _table(
        "overview_mtu",
        sa.Column("market", sa.String(100), nullable=False),
        sa.Column("session", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("mtu", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("price_neur_per_wh", _INTEGER64, nullable=True),
        sa.Column("volume_lots", _INTEGER64, nullable=False),
        sa.Column("tradeless", sa.Boolean(), nullable=False),
        sa.Column("void", sa.Boolean(), nullable=True),
        sa.Column("sequence", _INTEGER64, nullable=False),
        primary_key=("market", "session", "mtu"),
    )
    op.create_index("ix_overview_mtu_market_mtu_session", "overview_mtu", ["market", "mtu", "session"])


def _create_own() -> None:
    _table(
        "overview_trade",
        sa.Column("account", sa.String(42), nullable=False),
        sa.Column("mtu", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("order_id", sa.LargeBinary(16), nullable=False),
        sa.Column("market", sa.String(100), nullable=False),
        sa.Column("session", _INTEGER64, nullable=False),
        sa.Column("tag", sa.LargeBinary(16), nullable=False),
        sa.Column("side", sa.Integer(), nullable=False),
        sa.Column("accepted_lots", _INTEGER64, nullable=False),
        sa.Column("price_neur_per_wh", _INTEGER64, nullable=False),
        sa.Column("sequence", _INTEGER64, nullable=False),
        primary_key=("account", "mtu", "order_id"),
    )
    _table(
        "overview_set_point",
        sa.Column("point", sa.String(100), nullable=False),
        sa.Column("mtu", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("market", sa.String(100), nullable=False),
        sa.Column("session", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("import_cap_wh", _INTEGER64, nullable=True),
        sa.Column("export_cap_wh", _INTEGER64, nullable=True),
        sa.Column("sequence", _INTEGER64, nullable=False),
        primary_key=("point", "mtu", "market", "session"),
    )
    _table(
        "overview_statement",
        sa.Column("account", sa.String(42), nullable=False),
        sa.Column("period", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("revision", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("area", sa.String(100), nullable=False),
        sa.Column("first_mtu", _INTEGER64, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("amount_neur", sa.String(32), nullable=False),
        sa.Column("due_neur", sa.String(32), nullable=False),
        sa.Column("sequence", _INTEGER64, nullable=False),
        primary_key=("account", "period", "revision", "area"),
    )
    op.create_index("ix_overview_statement_area_period_revision", "overview_statement", ["area", "period", "revision"])
    _table(
        "overview_deposit",
        sa.Column("sequence", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("account", sa.String(42), nullable=False),
        sa.Column("amount_neur", sa.String(32), nullable=False),
        sa.Column("ref", sa.LargeBinary(32), nullable=False),
        primary_key=("sequence",),
    )
    op.create_index("ix_overview_deposit_account_sequence", "overview_deposit", ["account", "sequence"])
    _table(
        "overview_redemption",
        sa.Column("account", sa.LargeBinary(20), nullable=False),
        sa.Column("ref", sa.LargeBinary(32), nullable=False),
        sa.Column("amount_neur", sa.String(32), nullable=False),
        sa.Column("sequence", _INTEGER64, nullable=False),
        primary_key=("account", "ref"),
    )


def _create_record() -> None:
    _table(
        "overview_access",
        sa.Column("sequence", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("area", sa.String(100), nullable=True),
        sa.Column("auditor", sa.String(42), nullable=False),
        sa.Column("what", sa.String(64), nullable=False),
        sa.Column("market_time", _INTEGER64, nullable=False),
        primary_key=("sequence",),
    )
    op.create_index("ix_overview_access_area_sequence", "overview_access", ["area", "sequence"])
    _table(
        "overview_anchor",
        sa.Column("sequence", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("anchored_sequence", _INTEGER64, nullable=False),
        sa.Column("head", sa.LargeBinary(32), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("block", _INTEGER64, nullable=False),
        primary_key=("sequence",),
    )
    _table(
        "overview_inclusion",
        sa.Column("sequence", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("block_time", _INTEGER64, nullable=False),
        primary_key=("sequence",),
    )
