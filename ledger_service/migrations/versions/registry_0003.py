"""Until when a guarantee's signatures count, and the account's consent to its guarantor."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "registry_0003"
down_revision = "registry_0002"
branch_labels = None
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns: guarantees without a deadline were made for contracts that nobody runs any more."""
    op.add_column("registry_guarantee", sa.Column("deadline", _INTEGER64, nullable=False, server_default="0"))
    op.add_column("registry_guarantee", sa.Column("account_signature", sa.LargeBinary(65), nullable=True))
