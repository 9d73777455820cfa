"""Settlement: periods, what the chain resolved in them, where their facts are, signatures collected so far."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "settlement_0001"
down_revision = None
branch_labels = ("settlement",)
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the views of settlement."""
    op.create_table(
        "settlement_period",
        sa.Column("area", sa.String(128), nullable=False),
        sa.Column("period", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("first_mtu", _INTEGER64, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("settled", sa.Integer(), nullable=False),
        sa.Column("settled_at", _INTEGER64, nullable=True),
        sa.Column("settled_readings_root", sa.LargeBinary(32), nullable=True),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.Column("proposal_sequence", _INTEGER64, nullable=True),
        sa.Column("proposal_revision", sa.Integer(), nullable=True),
        sa.Column("proposal_roots", sa.LargeBinary(64), nullable=True),
        sa.Column("signed_sequence", _INTEGER64, nullable=True),
        sa.PrimaryKeyConstraint("area", "period", name="pk_settlement_period"),
    )
    op.create_table(
        "settlement_event",
        sa.Column("block", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("sequence", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("what", sa.String(16), nullable=False),
        sa.Column("area", sa.String(128), nullable=False),
        sa.Column("period", _INTEGER64, nullable=False),
        sa.Column("market", sa.String(128), nullable=True),
        sa.Column("mtu", _INTEGER64, nullable=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("block", "sequence", "position", name="pk_settlement_event"),
    )
    op.create_index("ix_settlement_event_key", "settlement_event", ["key"])
    op.create_index("ix_settlement_event_area_period", "settlement_event", ["area", "period"])
    op.create_table(
        "settlement_source",
        sa.Column("sequence", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("area", sa.String(128), nullable=False),
        sa.Column("period", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_settlement_source"),
    )
    op.create_index("ix_settlement_source_area_period_kind", "settlement_source", ["area", "period", "kind"])
    op.create_table(
        "settlement_session",
        sa.Column("market", sa.String(128), nullable=False),
        sa.Column("session", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("area", sa.String(128), nullable=False),
        sa.Column("period", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint("market", "session", name="pk_settlement_session"),
    )
    op.create_table(
        "settlement_signature",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("attester", sa.LargeBinary(20), nullable=False),
        sa.Column("signature", sa.LargeBinary(65), nullable=False),
        sa.PrimaryKeyConstraint("digest", "attester", name="pk_settlement_signature"),
    )
