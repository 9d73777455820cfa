"""The line that stands behind an account, beside the one that new orders count with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "money_0005"
down_revision = "money_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; so far both were one."""
    op.add_column("money_account", sa.Column("locked_neur", sa.String(32), nullable=False, server_default="0"))
    op.execute("UPDATE money_account SET locked_neur = credit_neur")
