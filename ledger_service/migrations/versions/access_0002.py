"""Access: answers to Idempotency-Keys are kept compressed; those kept so far are forgotten, which harms nobody."""

from __future__ import annotations

from alembic import op

revision = "access_0002"
down_revision = "access_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forget what was answered: a repeat meets the natural key of its fact."""
    op.execute("DELETE FROM request_answer")
