"""Terms carry the signatures of those whom they bind: their tables are made anew, for none without them counts."""

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
_PRICES = (
    *("supply", "feed_in", "imbalance_surplus", "imbalance_shortfall", "excess", "grid_fee", "grid_fee_local"),
    *("levy", "compensation"),
)
_INDEXES = (
    ("registry_tariff", ("valid_from_mtu",)),
    ("registry_agreement", ("account", "valid_from_mtu")),
    ("registry_agreement", ("retailer", "account")),
    ("registry_agreement", ("valid_from_mtu",)),
)


def upgrade() -> None:
    """Make the tables anew: facts of terms that nobody signed can't be read any more."""
    for table in ("registry_tariff", "registry_agreement"):
        op.drop_table(table)
    _create(
        "registry_tariff",
        sa.Column("area", _CODE, nullable=False),
        sa.Column("retailer", _ADDRESS, nullable=False),
        sa.Column("valid_from_mtu", _INTEGER64, nullable=False),
        *(sa.Column(f"{name}_neur_per_wh", _INTEGER64, nullable=False) for name in _PRICES),
        sa.Column("vat_bp", sa.Integer(), nullable=False),
        *_signatures("retailer", "dso", "registrar"),
    )
    _create(
        "registry_agreement",
        sa.Column("account", _ADDRESS, nullable=False),
        sa.Column("retailer", _ADDRESS, nullable=False),
        sa.Column("tariff", _CODE, nullable=False),
        sa.Column("valid_from_mtu", _INTEGER64, nullable=False),
        *_signatures("account", "retailer"),
    )
    for table, columns in _INDEXES:
        op.create_index("_".join(("ix", table, *columns)), table, list(columns))


def _signatures(*parties: str) -> list[sa.Column[bytes]]:
    return [sa.Column(f"{party}_signature", sa.LargeBinary(65), nullable=False) for party in parties]


def _create(table: str, *columns: sa.schema.SchemaItem) -> None:
    """A table of versions of terms, by code and version."""
    code = table.removeprefix("registry_")
    op.create_table(
        table,
        sa.Column(code, _CODE, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        *columns,
        sa.Column("sequence", _INTEGER64, nullable=False),
        sa.PrimaryKeyConstraint(code, "version", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["sequence"], ["journal_entry.sequence"], name=f"fk_{table}_sequence"),
    )
