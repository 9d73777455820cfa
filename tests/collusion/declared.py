"""All frauds, by what they are about. Whoever has another kind adds a module here."""

from tests.collusion.deeds import metering, money, places, records, terms, trading
from tests.collusion.frauds import FRAUDS

__all__ = ["FRAUDS", "metering", "money", "places", "records", "terms", "trading"]
