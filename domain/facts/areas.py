"""Areas and their markets."""

from __future__ import annotations

from domain.areas import Area
from domain.facts.base import Fact, fact
from domain.markets import Market


@fact
class AreaDefined(Fact):
    """A grid area with its deadlines, its grid model and its attesters. Its members are those of `Area`."""

    KIND = "area.defined"
    FLAT = "area"
    area: Area

    @property
    def journal_key(self) -> str:
        """One definition per area."""
        return f"area:{self.area.area}"


@fact
class MarketDefined(Fact):
    """A market of an area with the parameters it trades under. Its members are those of `Market`."""

    KIND = "market.defined"
    FLAT = "market"
    market: Market

    @property
    def journal_key(self) -> str:
        """One definition per market."""
        return f"market:{self.market.market}"
