"""Views of metering."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "metering_0001"
down_revision = None
branch_labels = ("metering",)
depends_on = "record_0001"

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_CODE = sa.String(100)


def upgrade() -> None:
    """Create the views of metering."""
    op.create_table(
        "metering_attestation",
        sa.Column("area", _CODE, nullable=False),
        sa.Column("mtu", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("period", _INTEGER64, nullable=False),
        sa.Column("unread", sa.Boolean(), nullable=False),
        sa.Column("root", sa.String(66), nullable=False),
        sa.Column("chain_key", sa.String(200), nullable=True),
        sa.Column("attestation", sa.Text(), nullable=True),
        sa.Column("sequence", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint("area", "mtu", "revision", name="pk_metering_attestation"),
        sa.ForeignKeyConstraint(["sequence"], ["journal_entry.sequence"], name="fk_metering_attestation_sequence"),
    )
    op.create_index("ix_metering_attestation_chain_key", "metering_attestation", ["chain_key"])
    op.create_table(
        "metering_reading",
        sa.Column("area", _CODE, nullable=False),
        sa.Column("mtu", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("meter", _CODE, nullable=False),
        sa.Column("point", _CODE, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("import_wh", _INTEGER64, nullable=False),
        sa.Column("export_wh", _INTEGER64, nullable=False),
        sa.Column("import_register_wh", _INTEGER64, nullable=False),
        sa.Column("export_register_wh", _INTEGER64, nullable=False),
        sa.Column("quality", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("area", "mtu", "meter", name="pk_metering_reading"),
    )
    op.create_index("ix_metering_reading_point_mtu", "metering_reading", ["point", "mtu"])
    op.create_table(
        "metering_pending",
        sa.Column("chain_key", sa.String(200), nullable=False),
        sa.Column("area", _CODE, nullable=False),
        sa.Column("period", _INTEGER64, nullable=False),
        sa.Column("first_mtu", _INTEGER64, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("chain_key", name="pk_metering_pending"),
    )


def downgrade() -> None:
    """Drop them; rebuilding the views brings them back."""
    for name in ("metering_pending", "metering_reading", "metering_attestation"):
        op.drop_table(name)
