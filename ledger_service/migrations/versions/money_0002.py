"""Money: completions of redemptions that failed, to be asked for again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "money_0002"
down_revision = "money_0001"
branch_labels = None
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the view of failed completions."""
    op.create_table(
        "money_failed",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("account", sa.LargeBinary(20), nullable=False),
        sa.Column("ref", sa.LargeBinary(32), nullable=False),
        sa.Column("failed_at", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_money_failed"),
    )
