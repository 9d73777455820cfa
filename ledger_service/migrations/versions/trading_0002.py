"""Orders of an account by MTU, and schedules of a point, are found through an index."""

from __future__ import annotations

from alembic import op

revision = "trading_0002"
down_revision = "trading_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the indexes that lists are paged by."""
    op.create_index("ix_trading_order_account_mtu_order_id", "trading_order", ["account", "mtu", "order_id"])
    op.create_index("ix_trading_schedule_point_session_market", "trading_schedule", ["point", "session", "market"])
