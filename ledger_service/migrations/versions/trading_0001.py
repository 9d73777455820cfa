"""Views of trading."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "trading_0001"
down_revision = None
branch_labels = ("trading",)
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


def upgrade() -> None:
    """Create trading's tables."""
    _table(
        "trading_order",
        sa.Column("account", _ADDRESS, nullable=False),
        sa.Column("order_id", sa.LargeBinary(16), nullable=False),
        sa.Column("market", _CODE, nullable=False),
        sa.Column("session", _INTEGER64, nullable=False),
        sa.Column("mtu", _INTEGER64, nullable=False),
        sa.Column("side", sa.Integer(), nullable=False),
        sa.Column("limit_neur_per_wh", _INTEGER64, nullable=False),
        sa.Column("quantity_lots", _INTEGER64, nullable=False),
        sa.Column("revision", _INTEGER64, nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("tag", sa.LargeBinary(16), nullable=False),
        sa.Column("point", _CODE, nullable=True),
        sa.Column("order_key", _ADDRESS, nullable=False),
        sa.Column("market_time", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint("account", "order_id", name="pk_trading_order"),
    )
    op.create_index("ix_trading_order_market_session_mtu", "trading_order", ["market", "session", "mtu"])
    op.create_index("ix_trading_order_tag", "trading_order", ["tag"])
    _table(
        "trading_schedule",
        sa.Column("market", _CODE, nullable=False),
        sa.Column("session", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("point", _CODE, nullable=False),
        sa.Column("first_mtu", _INTEGER64, nullable=False),
        sa.Column("revision", _INTEGER64, nullable=False),
        sa.Column("net_wh", sa.Text(), nullable=False),
        sa.Column("market_time", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint("market", "session", "point", name="pk_trading_schedule"),
    )
