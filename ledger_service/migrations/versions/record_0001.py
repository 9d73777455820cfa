"""The journal: headers, payloads, keys and cursors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "record_0001"
down_revision = None
branch_labels = ("record",)
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the journal's tables."""
    op.create_table(
        "journal_entry",
        sa.Column("sequence", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("payload_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("previous", sa.LargeBinary(32), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_journal_entry"),
    )
    op.create_index("ix_journal_entry_kind_sequence", "journal_entry", ["kind", "sequence"])
    op.create_table(
        "journal_payload",
        sa.Column("sequence", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("salt", sa.LargeBinary(32), nullable=True),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name="pk_journal_payload"),
        sa.ForeignKeyConstraint(["sequence"], ["journal_entry.sequence"], name="fk_journal_payload_sequence"),
    )
    op.create_table(
        "journal_key",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("sequence", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_journal_key"),
        sa.ForeignKeyConstraint(["sequence"], ["journal_entry.sequence"], name="fk_journal_key_sequence"),
        sa.UniqueConstraint("sequence", name="uq_journal_key_sequence"),
    )
    op.create_table(
        "journal_cursor",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("sequence", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_journal_cursor"),
    )
