"""Redemptions are burned in parts, and may be cancelled: one row per step instead of one amount."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "money_0003"
down_revision = "money_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of steps and move there what was burned."""
    op.create_table(
        "money_redemption_step",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("account", sa.LargeBinary(20), nullable=False),
        sa.Column("ref", sa.LargeBinary(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("amount_neur", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_money_redemption_step"),
    )
    op.create_index("ix_money_redemption_step_account_ref", "money_redemption_step", ["account", "ref"])
    op.execute(
        "INSERT INTO money_redemption_step (key, account, ref, kind, amount_neur) "
        "SELECT redeemed_key, account, ref, 'redeemed', redeemed_neur FROM money_redemption "
        "WHERE redeemed_key IS NOT NULL"
    )
    with op.batch_alter_table("money_redemption") as table:
        table.drop_column("redeemed_neur")
        table.drop_column("redeemed_key")
