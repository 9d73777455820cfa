"""Mandates of agents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "registry_0007"
down_revision = "registry_0006"
branch_labels = None
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the view."""
    op.create_table(
        "registry_mandate",
        sa.Column("tag", sa.LargeBinary(16), nullable=False),
        sa.Column("account", sa.String(42), nullable=False),
        sa.Column("agent", sa.String(42), nullable=False),
        sa.Column("mandate", sa.Text(), nullable=False),
        sa.Column("from_mtu", _INTEGER64, nullable=False),
        sa.Column("order_key", sa.String(42), nullable=False),
        sa.Column("signature", sa.LargeBinary(65), nullable=False),
        sa.Column("market_time", _INTEGER64, nullable=False),
        sa.Column("revoked_sequence", _INTEGER64, nullable=True),
        sa.Column("revoked_time", _INTEGER64, nullable=True),
        sa.Column("sequence", _INTEGER64, nullable=False),
        sa.ForeignKeyConstraint(
            ["revoked_sequence"], ["journal_entry.sequence"], name="fk_registry_mandate_revoked_sequence"
        ),
        sa.ForeignKeyConstraint(["sequence"], ["journal_entry.sequence"], name="fk_registry_mandate_sequence"),
        sa.PrimaryKeyConstraint("tag", name="pk_registry_mandate"),
    )
    op.create_index("ix_registry_mandate_account_from_mtu_tag", "registry_mandate", ["account", "from_mtu", "tag"])
    op.create_index("ix_registry_mandate_agent_from_mtu_tag", "registry_mandate", ["agent", "from_mtu", "tag"])
    op.create_index("ix_registry_mandate_account_agent_sequence", "registry_mandate", ["account", "agent", "sequence"])
