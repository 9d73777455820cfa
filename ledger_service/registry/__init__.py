"""Who and what takes part: areas, markets, participants, order keys, meters, tariffs, agreements and guarantees."""

from ledger_service.registry.views import REGISTRY_FACTS, rebuild_views

__all__ = ["REGISTRY_FACTS", "rebuild_views"]
