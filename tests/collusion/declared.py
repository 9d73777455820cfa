"""All frauds, by what they are about. Whoever has another kind adds a module here."""

from tests.collusion.deeds import agents, ends, metering, money, places, policies, records, terms, trading
from tests.collusion.frauds import FRAUDS

__all__ = ["FRAUDS", "agents", "ends", "metering", "money", "places", "policies", "records", "terms", "trading"]
