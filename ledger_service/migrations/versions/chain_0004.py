"""Transactions of others are kept, so that those whose block vanishes are withdrawn."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "chain_0004"
down_revision = "chain_0003"
branch_labels = None
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the view."""
    op.create_table(
        "chain_observed",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("block_number", _INTEGER64, nullable=False),
        sa.Column("block_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_chain_observed"),
    )
    op.create_index("ix_chain_observed_is_final_block_number", "chain_observed", ["is_final", "block_number"])
