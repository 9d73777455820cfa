"""What waits in suspense and for whom, debts that nobody covers, and the last nonce of each guarantor."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "money_0006"
down_revision = "money_0005"
branch_labels = None
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the column and create the views; they are filled when views are rebuilt."""
    op.add_column("money_account", sa.Column("nonce", _INTEGER64, nullable=False, server_default="0"))
    op.create_table(
        "money_suspense",
        sa.Column("suspense", sa.LargeBinary(20), nullable=False),
        sa.Column("account", sa.LargeBinary(20), nullable=False),
        sa.Column("area", sa.String(128), nullable=False),
        sa.Column("sequence", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint("suspense", name="pk_money_suspense"),
    )
    op.create_table(
        "money_uncovered",
        sa.Column("sequence", _INTEGER64, autoincrement=False, nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("account", sa.LargeBinary(20), nullable=False),
        sa.Column("lacking_neur", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("sequence", "account", name="pk_money_uncovered"),
    )
    op.create_index("ix_money_uncovered_key", "money_uncovered", ["key"])
