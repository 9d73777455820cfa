"""Settlement: requests to settle or finalise that failed, to be asked for again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "settlement_0002"
down_revision = "settlement_0001"
branch_labels = None
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the view of failed requests."""
    op.create_table(
        "settlement_failed",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("area", sa.String(128), nullable=False),
        sa.Column("period", _INTEGER64, nullable=False),
        sa.Column("page", _INTEGER64, nullable=False),
        sa.Column("failed_at", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_settlement_failed"),
    )
    op.create_index("ix_settlement_failed_area_period", "settlement_failed", ["area", "period"])
