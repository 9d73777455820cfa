"""Views of the market's frame."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "market_0001"
down_revision = None
branch_labels = ("market",)
depends_on = "record_0001"

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_CODE = sa.String(100)


def _table(name: str, *items: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        *items,
        sa.Column("sequence", _INTEGER64, nullable=False),
        sa.ForeignKeyConstraint(["sequence"], ["journal_entry.sequence"], name=f"fk_{name}_sequence"),
    )


def upgrade() -> None:
    """Create the market's tables."""
    _table(
        "market_period",
        sa.Column("area", _CODE, nullable=False),
        sa.Column("period", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_mtu", _INTEGER64, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("area", "period", name="pk_market_period"),
    )
    _table(
        "market_session",
        sa.Column("market", _CODE, nullable=False),
        sa.Column("session", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("area", _CODE, nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("first_mtu", _INTEGER64, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("market", "session", name="pk_market_session"),
    )
    op.create_index("ix_market_session_closed_session", "market_session", ["closed", "session"])
    op.create_index("ix_market_session_session_market", "market_session", ["session", "market"])
    op.create_index("ix_market_session_area_first_mtu", "market_session", ["area", "first_mtu"])
    _table(
        "market_inclusion",
        sa.Column("key", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_market_inclusion"),
    )
