"""Who signed a participant's part and place, from when on it holds, and who signed a meter."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "registry_0005"
down_revision = "registry_0004"
branch_labels = None
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns: what nobody signed was registered for contracts that nobody runs any more."""
    signature = sa.LargeBinary(65)
    op.add_column("registry_participant", sa.Column("valid_from_mtu", _INTEGER64, nullable=False, server_default="0"))
    op.add_column("registry_participant", sa.Column("account_signature", signature, nullable=False, server_default=""))
    op.add_column("registry_participant", sa.Column("dso_signature", signature, nullable=True))
    op.add_column("registry_meter", sa.Column("dso_signature", signature, nullable=False, server_default=""))
