"""When each entry was recorded, for lists to be filtered by; what is older counts as recorded in 1970."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "record_0002"
down_revision = "record_0001"
branch_labels = None
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the column and its index."""
    op.add_column("journal_entry", sa.Column("recorded_at", _INTEGER64, nullable=False, server_default="0"))
    op.create_index("ix_journal_entry_recorded_at_sequence", "journal_entry", ["recorded_at", "sequence"])
