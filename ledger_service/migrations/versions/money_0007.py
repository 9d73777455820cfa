"""One transaction may ask for several redemptions, and take several down."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "money_0007"
down_revision = "money_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Number the steps of a transaction; no key is unique any more."""
    with op.batch_alter_table("money_redemption") as table:
        table.drop_constraint("uq_money_redemption_key", type_="unique")
        table.create_index("ix_money_redemption_key", ["key"])
    with op.batch_alter_table("money_redemption_step") as table:
        table.add_column(sa.Column("step", sa.Integer(), autoincrement=False, nullable=False, server_default="0"))
        table.drop_constraint("pk_money_redemption_step", type_="primary")
        table.create_primary_key("pk_money_redemption_step", ["key", "step"])
