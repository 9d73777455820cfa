"""Which sessions the chain has: those opened until now passed for opened, and their gates must not wait for it."""

from __future__ import annotations

from alembic import op

revision = "market_0002"
down_revision = "market_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Note them as included."""
    op.execute(
        "INSERT INTO market_inclusion (key, sequence)"
        " SELECT 'openSession:' || market || ':' || session, sequence FROM market_session"
    )
