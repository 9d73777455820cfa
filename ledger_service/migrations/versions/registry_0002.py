"""Lists of the registry are filtered by area and by time through indexes."""

from __future__ import annotations

from alembic import op

revision = "registry_0002"
down_revision = "registry_0001"
branch_labels = None
depends_on = None

_INDEXES = (
    ("registry_area", ("sequence",)),
    ("registry_market", ("area", "market")),
    ("registry_market", ("sequence",)),
    ("registry_tariff", ("valid_from_mtu",)),
    ("registry_agreement", ("retailer", "account")),
    ("registry_agreement", ("valid_from_mtu",)),
    ("registry_participant", ("area", "participant")),
    ("registry_participant", ("sequence",)),
    ("registry_meter", ("area", "meter", "valid_from_mtu")),
    ("registry_meter", ("valid_from_mtu",)),
)


def upgrade() -> None:
    """Create the indexes."""
    for old, table in (
        ("ix_registry_agreement_retailer", "registry_agreement"),
        ("ix_registry_participant_area", "registry_participant"),
        ("ix_registry_meter_area", "registry_meter"),
    ):
        op.drop_index(old, table)
    for table, columns in _INDEXES:
        op.create_index("_".join(("ix", table, *columns)), table, list(columns))
