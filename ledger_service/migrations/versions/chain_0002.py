"""Calls that wait for the signature of the organisation that sends them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "chain_0002"
down_revision = "chain_0001"
branch_labels = None
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the view."""
    op.create_table(
        "chain_awaiting",
        sa.Column("request", _INTEGER64, nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("nonce", _INTEGER64, nullable=True),
        sa.Column("gas_price_wei", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint("request", name="pk_chain_awaiting"),
    )
    op.create_index("ix_chain_awaiting_role", "chain_awaiting", ["role"])
