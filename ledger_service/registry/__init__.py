"""Who and what takes part: areas, markets, participants, order keys, meters, tariffs, agreements and guarantees."""

from ledger_service.registry.models import Area, Attester, Guarantee, Meter, OrderKey, Participant
from ledger_service.registry.views import REGISTRY_KINDS, rebuild_views

__all__ = [
    "Area",
    "Attester",
    "Guarantee",
    "Meter",
    "OrderKey",
    "Participant",
    "REGISTRY_KINDS",
    "rebuild_views",
]
