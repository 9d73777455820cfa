"""Calls that wait are found by their sender and in order through an index."""

from __future__ import annotations

from alembic import op

revision = "chain_0003"
down_revision = "chain_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index in place of the one that knew no order."""
    op.drop_index("ix_chain_awaiting_role", "chain_awaiting")
    op.create_index("ix_chain_awaiting_role_request", "chain_awaiting", ["role", "request"])
