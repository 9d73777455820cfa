"""Which accounts the chain replaced, and when; which successors are proposed; pages of settlements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "money_0008"
down_revision = "money_0007"
branch_labels = None
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the views."""
    op.create_table(
        "money_replacement",
        sa.Column("account", sa.LargeBinary(20), nullable=False),
        sa.Column("successor", sa.LargeBinary(20), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("block_time", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint("account", "key", name="pk_money_replacement"),
    )
    op.create_index("ix_money_replacement_key", "money_replacement", ["key"])
    op.create_table(
        "money_successor",
        sa.Column("account", sa.LargeBinary(20), nullable=False),
        sa.Column("sequence", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("successor", sa.LargeBinary(20), nullable=True),
        sa.Column("by", sa.LargeBinary(20), nullable=True),
        sa.Column("ready_at", _INTEGER64, nullable=True),
        sa.PrimaryKeyConstraint("account", "sequence", name="pk_money_successor"),
    )
    op.create_index("ix_money_successor_key", "money_successor", ["key"])
    op.create_table(
        "money_batch",
        sa.Column("sequence", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("batch", sa.LargeBinary(32), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("area", sa.String(128), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", "batch", name="pk_money_batch"),
    )
    op.create_index("ix_money_batch_key", "money_batch", ["key"])
