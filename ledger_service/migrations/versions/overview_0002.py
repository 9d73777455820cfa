"""Why a session lapsed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "overview_0002"
down_revision = "overview_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("overview_program", sa.Column("lapsed_reason", sa.Text(), nullable=True))
