"""Terms end, and the next household comes to a point; whoever takes part was admitted by the DSO."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "registry_0008"
down_revision = "registry_0007"
branch_labels = None
depends_on = None

_INTEGER64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PARTICIPANT = "registry_participant"


def upgrade() -> None:
    """Create the view of ends; a point may have had several households. Whom no DSO admitted takes no part."""
    op.execute(sa.text(f"DELETE FROM {_PARTICIPANT} WHERE dso_signature IS NULL"))
    with op.batch_alter_table(_PARTICIPANT) as table:
        table.drop_constraint("uq_registry_participant_point", type_="unique")
        table.alter_column("dso_signature", existing_type=sa.LargeBinary(65), nullable=False)
    op.create_index("ix_registry_participant_point_valid_from_mtu", _PARTICIPANT, ["point", "valid_from_mtu"])
    op.create_table(
        "registry_end",
        sa.Column("term", sa.String(16), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("area", sa.String(100), nullable=False),
        sa.Column("account", sa.String(42), nullable=True),
        sa.Column("retailer", sa.String(42), nullable=True),
        sa.Column("end_mtu", _INTEGER64, nullable=False),
        *(
            sa.Column(f"{party}_signature", sa.LargeBinary(65), nullable=True)
            for party in ("account", "retailer", "dso")
        ),
        sa.Column("sequence", _INTEGER64, nullable=False),
        sa.ForeignKeyConstraint(["sequence"], ["journal_entry.sequence"], name="fk_registry_end_sequence"),
        sa.PrimaryKeyConstraint("term", "name", name="pk_registry_end"),
    )
    op.create_index("ix_registry_end_end_mtu", "registry_end", ["end_mtu"])
