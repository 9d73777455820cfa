"""Agents in a town: a key of their own, mandates for it, and what it signs for an account."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from domain.hashing import to_hex
from domain.mandates import Mandate, revocation_digest
from domain.orders import Order, cancel_digest
from domain.signing import SigningKey
from ledger_service.trading import SignedCancel, SignedMandate, SignedOrder, SignedRevocation
from tests.integration.ledger.town import MARKET, MARKET_DOMAIN, Resident, Town, accepted


def mandate(resident: Resident, agent: bytes, *, first_mtu: int, **changes: Any) -> Mandate:
    """A mandate for the whole day from an MTU on: 1 kWh an MTU and 2 kWh a day, up to 12 ct/kWh, down to 8."""
    base = Mandate(
        account=resident.account_hex,
        agent=to_hex(agent),
        points=() if resident.point is None else (resident.point,),
        markets=(MARKET,),
        highest_buy_neur_per_wh=120_000,
        lowest_sell_neur_per_wh=80_000,
        mtu_buy_wh=1_000,
        mtu_sell_wh=1_000,
        day_buy_wh=2_000,
        day_sell_wh=2_000,
        zone="Europe/Berlin",
        from_mtu=first_mtu,
        to_mtu=first_mtu + 96,
        nonce=1,
    )
    return replace(base, **changes)


def signed_mandate(given: Mandate, key: SigningKey) -> SignedMandate:
    """A mandate with a key's signature."""
    return SignedMandate(mandate=given, signature=key.sign(given.digest(MARKET_DOMAIN)))


def revocation(given: Mandate, key: SigningKey) -> SignedRevocation:
    """The end of a mandate with a key's signature."""
    named = {"account": given.account, "agent": given.agent, "mandate": given.tag(MARKET_DOMAIN)}
    return SignedRevocation(**named, signature=key.sign(revocation_digest(domain=MARKET_DOMAIN, **named)))


class Agent(Resident):
    """An agent of a household: what it signs names the household's account and point."""

    def __init__(self, town: Town, resident: Resident, **changes: Any) -> None:
        super().__init__(f"agent of {resident.name}", resident.point)
        self.account, self.resident = resident.account, resident
        self.mandate = mandate(resident, self.device.address, first_mtu=town.session.first_mtu, **changes)

    def grant(self, town: Town) -> Agent:
        """Have the household's device sign the mandate, and hand it in."""
        accepted(town, signed_mandate(self.mandate, self.resident.device))
        return self

    def revoke(self, town: Town) -> None:
        """Have the household's device end it."""
        accepted(town, revocation(self.mandate, self.resident.device))

    def bid(self, *, mtu: int, lots: int, **changes: Any) -> SignedOrder:
        """A bid of so many lots of 10 Wh at 10 ct/kWh."""
        return self.order(mtu=mtu, quantity_lots=lots, **changes)


def cancel_of(order: Order, key: SigningKey, *, revision: int = 1) -> SignedCancel:
    """A cancel that any key signed."""
    names = {"market": order.market, "session": order.session, "mtu": order.mtu}
    names |= {"order_id": order.order_id, "revision": revision}
    return SignedCancel(**names, signature=key.sign(cancel_digest(domain=MARKET_DOMAIN, **names)))
