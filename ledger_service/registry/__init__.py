"""Who and what takes part: areas, markets, participants, order keys, meters, tariffs, agreements and guarantees."""

from ledger_service.registry.models import (
    Agreement,
    Area,
    Attester,
    Guarantee,
    Market,
    Meter,
    OrderKey,
    Participant,
    Tariff,
)
from ledger_service.registry.views import REGISTRY_KINDS, rebuild_views

__all__ = [
    "Agreement",
    "Area",
    "Attester",
    "Guarantee",
    "Market",
    "Meter",
    "OrderKey",
    "Participant",
    "REGISTRY_KINDS",
    "Tariff",
    "rebuild_views",
]
