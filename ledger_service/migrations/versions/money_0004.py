"""Since when a credit line is what it is, when the chain took a redemption in, and guarantees by guarantor."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "money_0004"
down_revision = "money_0003"
branch_labels = None
depends_on = "record_0001"

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns and the index; what is older counts from the last entry on."""
    op.add_column("money_account", sa.Column("guaranteed_sequence", _INTEGER64, nullable=True))
    op.add_column("money_redemption", sa.Column("sequence", _INTEGER64, nullable=False, server_default="0"))
    last = "(SELECT max(sequence) FROM journal_entry)"
    op.execute(f"UPDATE money_account SET guaranteed_sequence = {last} WHERE guarantor IS NOT NULL")
    op.execute(f"UPDATE money_redemption SET sequence = {last}")
    op.create_index("ix_money_account_guarantor_account", "money_account", ["guarantor", "account"])
