"""Whether agents' orders stand within their mandates, as far as a package shows (docs/protocol.md section 10).

A package has no order of recording but market times: what happened at the same time may have happened in either order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from domain.eip712 import Domain
from domain.facts import MandateGranted, MandateRevoked, OrderAccepted
from domain.hashing import text_id, to_hex
from domain.mandates import day_of, revocation_digest
from domain.mtu import is_zone
from domain.orders import tag_of
from domain.parties import first_accounts
from domain.signing import recover
from domain.words import OrderWord, Side
from settling.package import Basis
from settling.unpacking import WrongInput, tag_bytes


@dataclass(frozen=True, slots=True)
class ShownMandate:
    """A mandate, and its end where it has one."""

    granted: MandateGranted
    revoked: MandateRevoked | None


ShownMandates = Mapping[bytes, ShownMandate]
"""Mandates by tag."""


def check_mandates(basis: Basis, market: Domain) -> ShownMandates:
    """Mandates and revocations are signed by the keys that they name. Raises WrongInput, BadSignature, OutOfRange.

    Whether such a key is the account's is asked where an order counts on it; who ends a mandate only takes away.
    """
    revoked = {item.mandate: item for item in basis.revocations}
    found: dict[bytes, ShownMandate] = {}
    for item in basis.mandates:
        _check_signed(f"mandate {to_hex(item.tag)}", item.mandate.digest(market), item)
        if not is_zone(item.mandate.zone):
            raise WrongInput(record=f"mandate {to_hex(item.tag)}", reason="it counts its days in no zone")
        found[item.tag] = ShownMandate(item, revoked.get(item.tag))
    for ended in basis.revocations:
        name, known = f"revocation {to_hex(ended.tag)}", found.get(ended.mandate)
        account, agent = ended.account, ended.agent
        digest = revocation_digest(domain=market, account=account, agent=agent, mandate=ended.mandate)
        _check_signed(name, digest, ended)
        if known is None or (known.granted.mandate.account, known.granted.mandate.agent) != (account, agent):
            raise WrongInput(record=name, reason="it ends no mandate of its account and agent that is shown")
    return found


def _check_signed(name: str, digest: bytes, item: MandateGranted | MandateRevoked) -> None:
    if tag_of(digest) != item.tag:
        raise WrongInput(record=name, reason="its tag is not that of what was signed")
    if to_hex(recover(digest, item.signature)) != item.order_key:
        raise WrongInput(record=name, reason="not signed by its order key")


def check_under_mandate(basis: Basis, item: OrderAccepted, mandates: ShownMandates) -> str:
    """The agent's mandate names the order's account, place and price, and was in force; the key that signed it.

    Raises WrongInput.
    """
    name, found = f"order {to_hex(item.tag)}", mandates.get(item.mandate or b"")
    if found is None:
        raise WrongInput(record=name, reason="the mandate that it names is not shown")
    mandate, order = found.granted.mandate, item.order
    if (mandate.account, mandate.agent) != (to_hex(order.account), item.order_key):
        raise WrongInput(record=name, reason="its mandate is another account's, or another agent's")
    if item.market_time < found.granted.market_time:
        raise WrongInput(record=name, reason="its mandate was recorded after it")
    if found.revoked is not None and item.market_time > found.revoked.market_time:
        raise WrongInput(record=name, reason="its mandate had been revoked")
    market = next((code for code in mandate.markets if text_id(code) == order.market), "")
    outside = list(mandate.outside(market=market, point=_point_of(basis, mandate.account), mtu=order.mtu))
    if outside:
        raise WrongInput(record=name, reason=f"its {outside[0]} is not in its mandate")
    if not mandate.allows_price(order.side, order.limit_neur_per_wh):
        raise WrongInput(record=name, reason="its limit is beyond its mandate's price")
    return found.granted.order_key


def _point_of(basis: Basis, account: str) -> str | None:
    """Where the account stands, as it signed itself."""
    first = first_accounts(basis.replacements)
    return next((party.point for party in basis.parties if party.account == first(account)), None)


def check_energies(basis: Basis, mandates: ShownMandates) -> None:
    """What was accepted of each mandate's orders is within its energy in each MTU and each local day of the period.

    Raises WrongInput.
    """
    for (tag, side), spans in traded_wh(basis, mandates).items():
        mandate = mandates[tag].granted.mandate
        for span, energy_wh in spans.items():
            limit_wh = mandate.day_limit_wh(side) if isinstance(span, date) else mandate.mtu_limit_wh(side)
            if energy_wh > limit_wh:
                reason = f"its orders traded {energy_wh} Wh in {span}, it allows {limit_wh} Wh"
                raise WrongInput(record=f"mandate {to_hex(tag)}", reason=reason)


def traded_wh(basis: Basis, mandates: ShownMandates) -> dict[tuple[bytes, Side], dict[int | date, int]]:
    """What was accepted of agents' orders, by mandate and side, then by MTU and by local day."""
    mandate_of = {item.tag: item.mandate for item in basis.orders if item.mandate is not None}
    found: dict[tuple[bytes, Side], dict[int | date, int]] = {}
    if not mandate_of:
        return found
    lot_wh = {market.market: market.lot_wh for market in basis.markets}
    for session in basis.sessions:
        for clearing in session.clearings:
            for word in map(OrderWord.unpack, clearing.words):
                tag = mandate_of.get(tag_bytes(word))
                if tag is None or not word.accepted_lots:
                    continue
                spans = found.setdefault((tag, word.side), {})
                day = day_of(clearing.mtu, mandates[tag].granted.mandate.zone)
                for span in (clearing.mtu, day):
                    spans[span] = spans.get(span, 0) + word.accepted_lots * lot_wh.get(session.market, 0)
    return found
