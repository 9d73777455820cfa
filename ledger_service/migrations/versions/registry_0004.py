"""Agreements carry the signatures of account and retailer: the table is made anew, for none without them counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "registry_0004"
down_revision = "registry_0003"
branch_labels = None
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_CODE = sa.String(100)
_ADDRESS = sa.String(42)
_INDEXES = (("account", "valid_from_mtu"), ("retailer", "account"), ("valid_from_mtu",))


def upgrade() -> None:
    """Make the table anew: facts of agreements that nobody signed can't be read any more."""
    op.drop_table("registry_agreement")
    op.create_table(
        "registry_agreement",
        sa.Column("agreement", _CODE, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("account", _ADDRESS, nullable=False),
        sa.Column("retailer", _ADDRESS, nullable=False),
        sa.Column("tariff", _CODE, nullable=False),
        sa.Column("valid_from_mtu", _INTEGER64, nullable=False),
        sa.Column("account_signature", sa.LargeBinary(65), nullable=False),
        sa.Column("retailer_signature", sa.LargeBinary(65), nullable=False),
        sa.Column("sequence", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint("agreement", "version", name="pk_registry_agreement"),
        sa.ForeignKeyConstraint(["sequence"], ["journal_entry.sequence"], name="fk_registry_agreement_sequence"),
    )
    for columns in _INDEXES:
        op.create_index("_".join(("ix", "registry_agreement", *columns)), "registry_agreement", list(columns))
