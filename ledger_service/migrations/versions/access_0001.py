"""Access: what was answered to an Idempotency-Key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "access_0001"
down_revision = None
branch_labels = ("access",)
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the table of repeated requests."""
    op.create_table(
        "request_answer",
        sa.Column("principal", sa.LargeBinary(20), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("input_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("answered_at", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint("principal", "key", name="pk_request_answer"),
    )
    op.create_index("ix_request_answer_answered_at", "request_answer", ["answered_at"])
