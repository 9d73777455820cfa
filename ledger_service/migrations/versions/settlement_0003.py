"""Periods are listed in order of delivery, of one area or of all, through an index."""

from __future__ import annotations

from alembic import op

revision = "settlement_0003"
down_revision = "settlement_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the indexes."""
    op.create_index("ix_settlement_period_area_first_mtu", "settlement_period", ["area", "first_mtu"])
    op.create_index("ix_settlement_period_first_mtu_area", "settlement_period", ["first_mtu", "area"])
