"""Orders that an agent signed name its mandate, and are found by who signed them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "trading_0003"
down_revision = "trading_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and its indexes: orders from before name no mandate."""
    op.add_column("trading_order", sa.Column("mandate", sa.LargeBinary(16), nullable=True))
    op.create_index("ix_trading_order_mandate_mtu", "trading_order", ["mandate", "mtu"])
    op.create_index("ix_trading_order_order_key_mtu_order_id", "trading_order", ["order_key", "mtu", "order_id"])
