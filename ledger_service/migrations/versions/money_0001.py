"""Money: movements in pairs, balances with credit lines, redemptions on their way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "money_0001"
down_revision = None
branch_labels = ("money",)
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the views of money."""
    op.create_table(
        "money_movement",
        sa.Column("sequence", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("account", sa.LargeBinary(20), nullable=False),
        sa.Column("other", sa.LargeBinary(20), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("amount_neur", sa.String(32), nullable=False),
        sa.Column("area", sa.String(128), nullable=True),
        sa.Column("period", _INTEGER64, nullable=True),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("sequence", "position", name="pk_money_movement"),
    )
    op.create_index("ix_money_movement_key", "money_movement", ["key"])
    op.create_index("ix_money_movement_account_sequence", "money_movement", ["account", "sequence"])
    op.create_table(
        "money_account",
        sa.Column("account", sa.LargeBinary(20), nullable=False),
        sa.Column("balance_neur", sa.String(32), nullable=False),
        sa.Column("credit_neur", sa.String(32), nullable=False),
        sa.Column("guarantor", sa.LargeBinary(20), nullable=True),
        sa.PrimaryKeyConstraint("account", name="pk_money_account"),
    )
    op.create_table(
        "money_redemption",
        sa.Column("account", sa.LargeBinary(20), nullable=False),
        sa.Column("ref", sa.LargeBinary(32), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("amount_neur", sa.String(32), nullable=False),
        sa.Column("ready_at", _INTEGER64, nullable=False),
        sa.Column("redeemed_neur", sa.String(32), nullable=True),
        sa.Column("redeemed_key", sa.String(200), nullable=True),
        sa.PrimaryKeyConstraint("account", "ref", name="pk_money_redemption"),
        sa.UniqueConstraint("key", name="uq_money_redemption_key"),
    )
