"""Mandates: what an account's order key lets an agent's key trade for it (docs/protocol.md section 10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field

from domain.eip712 import MANDATE, MANDATE_REVOCATION, Domain
from domain.hashing import from_hex
from domain.members import Address, Code, MeteredWh, Mtu, Natural, PriceNeurPerWh, Says, Tag
from domain.mtu import local_date, mtu_start
from domain.orders import tag_of
from domain.words import Side

PLACES_MAX = 16
"""Most points, and most markets, that one mandate names."""

Zone = Annotated[str, Field(min_length=1, max_length=64), Says("IANA time zone")]
"""The zone in which a mandate's days are local days."""

MandateUsed = Annotated[Tag | None, Field(exclude_if=lambda value: value is None), Says("16 bytes; missing where none")]
"""The mandate under which an agent signed; the member is missing where the account's own key did."""


@dataclass(frozen=True, slots=True)
class Mandate:
    """An agent's key may sign orders of an account, within limits, for MTUs from `from_mtu` on and before `to_mtu`.

    Prices in nEUR/Wh: the agent bids no more than `highest_buy` and asks no less than `lowest_sell`. Energies in Wh,
    never negative, over all markets and sessions: what its orders under this mandate buy, and what they sell, in one
    MTU and in one local day of `zone`. `points` has none where the account stands at the transformer.
    """

    account: Address
    agent: Address
    points: tuple[Code, ...]
    markets: tuple[Code, ...]
    highest_buy_neur_per_wh: PriceNeurPerWh
    lowest_sell_neur_per_wh: PriceNeurPerWh
    mtu_buy_wh: MeteredWh
    mtu_sell_wh: MeteredWh
    day_buy_wh: MeteredWh
    day_sell_wh: MeteredWh
    zone: Zone
    from_mtu: Mtu
    to_mtu: Mtu
    nonce: Natural

    def values(self) -> dict[str, Any]:
        """The members of the signed struct."""
        return {
            "account": from_hex(self.account),
            "agent": from_hex(self.agent),
            "points": list(self.points),
            "markets": list(self.markets),
            "highestBuyNeurPerWh": self.highest_buy_neur_per_wh,
            "lowestSellNeurPerWh": self.lowest_sell_neur_per_wh,
            "mtuBuyWh": self.mtu_buy_wh,
            "mtuSellWh": self.mtu_sell_wh,
            "dayBuyWh": self.day_buy_wh,
            "daySellWh": self.day_sell_wh,
            "zone": self.zone,
            "fromMtu": self.from_mtu,
            "toMtu": self.to_mtu,
            "nonce": self.nonce,
        }

    def digest(self, domain: Domain) -> bytes:
        """What the account's order key signs, under the Market contract's domain."""
        return domain.digest(MANDATE, self.values())

    def tag(self, domain: Domain) -> bytes:
        """The 16 bytes by which the mandate is known."""
        return tag_of(self.digest(domain))

    def outside(self, *, market: str, point: str | None, mtu: int) -> Iterator[str]:
        """What of these is not the agent's to trade: `market`, `point`, `mtu`; the market is given by its code."""
        if market not in self.markets:
            yield "market"
        if (point not in self.points) if point is not None else self.points:
            yield "point"
        if not self.from_mtu <= mtu < self.to_mtu:
            yield "mtu"

    def allows_price(self, side: Side, limit_neur_per_wh: int) -> bool:
        """Whether the agent may bid (ask) with this limit."""
        if side is Side.BID:
            return limit_neur_per_wh <= self.highest_buy_neur_per_wh
        return limit_neur_per_wh >= self.lowest_sell_neur_per_wh

    def price_limit(self, side: Side) -> int:
        """The highest bid (lowest ask), nEUR/Wh."""
        return self.highest_buy_neur_per_wh if side is Side.BID else self.lowest_sell_neur_per_wh

    def mtu_limit_wh(self, side: Side) -> int:
        """Most energy bought (sold) in one MTU."""
        return self.mtu_buy_wh if side is Side.BID else self.mtu_sell_wh

    def day_limit_wh(self, side: Side) -> int:
        """Most energy bought (sold) in one local day."""
        return self.day_buy_wh if side is Side.BID else self.day_sell_wh


def revocation_digest(*, domain: Domain, account: str, agent: str, mandate: bytes) -> bytes:
    """What the account's order key signs to end a mandate, named by its tag."""
    values = {"account": from_hex(account), "agent": from_hex(agent), "mandate": mandate}
    return domain.digest(MANDATE_REVOCATION, values)


@lru_cache(maxsize=4_096)
def day_of(mtu: int, zone: str) -> date:
    """The local day whose limits an MTU counts towards: the one in which it begins.

    >>> day_of(1_972_508, "Europe/Berlin"), day_of(1_972_507, "Europe/Berlin")
    (datetime.date(2026, 4, 4), datetime.date(2026, 4, 3))
    """
    return local_date(mtu_start(mtu), ZoneInfo(zone))
