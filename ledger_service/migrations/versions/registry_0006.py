"""Accounts whose key was lost, or given up, and who took their place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "registry_0006"
down_revision = "registry_0005"
branch_labels = None
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the view."""
    op.create_table(
        "registry_replacement",
        sa.Column("account", sa.String(42), nullable=False),
        sa.Column("successor", sa.String(42), nullable=False),
        sa.Column("valid_from_mtu", _INTEGER64, nullable=False),
        sa.Column("sequence", _INTEGER64, nullable=False),
        sa.ForeignKeyConstraint(["sequence"], ["journal_entry.sequence"], name="fk_registry_replacement_sequence"),
        sa.PrimaryKeyConstraint("account", name="pk_registry_replacement"),
        sa.UniqueConstraint("successor", name="uq_registry_replacement_successor"),
    )
