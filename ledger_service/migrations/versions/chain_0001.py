"""Chain: transactions by request, their signed attempts, and the blocks seen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "chain_0001"
down_revision = None
branch_labels = ("chain",)
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the views of the chain's facts."""
    op.create_table(
        "chain_transaction",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("request", _INTEGER64, nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("sender", sa.LargeBinary(20), nullable=False),
        sa.Column("nonce", _INTEGER64, nullable=False),
        sa.Column("contract", sa.String(32), nullable=False),
        sa.Column("function", sa.String(64), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("gas_price_wei", _INTEGER64, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("block_number", _INTEGER64, nullable=True),
        sa.Column("block_hash", sa.LargeBinary(32), nullable=True),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_chain_transaction"),
        sa.UniqueConstraint("sender", "nonce", name="uq_chain_transaction_sender_nonce"),
    )
    op.create_index("ix_chain_transaction_status_is_final", "chain_transaction", ["status", "is_final"])
    op.create_table(
        "chain_attempt",
        sa.Column("tx_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tx_hash", name="pk_chain_attempt"),
    )
    op.create_index("ix_chain_attempt_key", "chain_attempt", ["key"])
    op.create_table(
        "chain_block",
        sa.Column("number", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("timestamp", _INTEGER64, nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_chain_block"),
    )
