"""Whether what an agent signed is within its mandate: asked by the writer alone, so that no two overrun it together."""

from __future__ import annotations

from domain.hashing import to_hex
from domain.mandates import day_of
from domain.orders import Order
from domain.words import Side
from ledger_service.registry.mandates import Granted
from ledger_service.trading import errors
from ledger_service.trading.queries import BookOrder
from ledger_service.trading.state import TradingState
from ledger_service.trading.submissions.submission import VerifiedSubmission


def mandate_in_force(state: TradingState, found: VerifiedSubmission, mtu: int) -> Granted | None:
    """The mandate by which an agent may trade for the account at this place now; None where no agent signed.

    Raises MandateEnded, OutsideMandate.
    """
    given = state.mandates.of(account=found.account, agent=found.order_key) if found.by_agent else None
    if given is None:
        return None
    tag, mandate = to_hex(given.tag), given.mandate
    if given.revoked is not None:
        reason = f"it was revoked at market time {given.revoked.market_time}"
        raise errors.MandateEnded(mandate=tag, reason=reason)
    if found.holder.key_at(mtu) != given.order_key:
        reason = f"{given.order_key}, which signed it, is not the account's order key at MTU {mtu}"
        raise errors.MandateEnded(mandate=tag, reason=reason)
    place = {"market": found.book.market.market, "point": found.holder.participant.point, "mtu": mtu}
    allowed = {
        "market": ", ".join(mandate.markets),
        "point": ", ".join(mandate.points) or "none",
        "mtu": f"{mandate.from_mtu} to {mandate.to_mtu - 1}",
    }
    for name in mandate.outside(market=found.book.market.market, point=found.holder.participant.point, mtu=mtu):
        raise errors.OUTSIDE_MANDATE[name](mandate=tag, name=name, given=place[name], allowed=allowed[name])
    return given


def check_order(
    state: TradingState, order: Order, found: VerifiedSubmission, given: Granted, before: BookOrder | None
) -> None:
    """Its price is allowed, and what the mandate's orders have traded and have open stays within its energies.

    `before` is the revision that this one takes the place of. Raises OutsideMandate, MandateEnergy.
    """
    tag, mandate = to_hex(given.tag), given.mandate
    if not mandate.allows_price(order.side, order.limit_neur_per_wh):
        bound = "at most" if order.side is Side.BID else "at least"
        allowed = f"{bound} {mandate.price_limit(order.side)} nEUR/Wh"
        raise errors.MandatePrice(mandate=tag, name="limit", given=order.limit_neur_per_wh, allowed=allowed)
    lot_wh = found.book.market.lot_wh
    energy_wh, freed_wh = order.quantity_lots * lot_wh, 0
    if before is not None and before.mandate == given.tag and before.side is order.side:
        freed_wh = before.quantity_lots * lot_wh
    mtu_wh = state.mandates.mtu_wh(given.tag, mtu=order.mtu, side=order.side)
    day_wh = state.mandates.day_wh(given.tag, mtu=order.mtu, side=order.side)
    day = f"local day {day_of(order.mtu, mandate.zone).isoformat()}"
    for span, used_wh, limit_wh in (
        (f"MTU {order.mtu}", mtu_wh, mandate.mtu_limit_wh(order.side)),
        (day, day_wh, mandate.day_limit_wh(order.side)),
    ):
        left_wh = limit_wh - used_wh + freed_wh
        if energy_wh > left_wh:
            raise errors.MandateEnergy(
                mandate=tag, span=span, energy_wh=energy_wh, limit_wh=limit_wh, left_wh=max(left_wh, 0)
            )
