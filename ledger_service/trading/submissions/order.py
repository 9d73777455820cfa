"""A limit order, new or changed, signed by the account's order key or by an agent under a mandate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from domain.eip712 import ORDER, Domain
from domain.facts import OrderAccepted, OrderRules, order_revision_key
from domain.hashing import MAX_SAFE_INTEGER, keccak, to_hex
from domain.orders import ORDER_ID_BYTES, SALT_BYTES, Order, tag_of
from domain.parties import ParticipantKind
from domain.units import MAX_LOTS, NO_PRICE
from domain.words import Side
from ledger_service.market.queries import Session
from ledger_service.record import Entry
from ledger_service.registry.errors import NoAgreement
from ledger_service.trading import errors
from ledger_service.trading.queries import BookOrder
from ledger_service.trading.receipts import RECEIPT_RULE
from ledger_service.trading.state import MarketBook, TradingState, worst_cost_neur
from ledger_service.trading.submissions.reading import UINT32_MAX, Message, read_signature
from ledger_service.trading.submissions.submission import (
    FAILURES_OF_AGENTS,
    FAILURES_OF_ALL,
    IntakeRules,
    RecoveredSigner,
    Sender,
    Submission,
    VerifiedSubmission,
    open_session,
    require_present,
    revised_order,
    same_or_conflict,
    verified,
    verified_agent,
)
from ledger_service.trading.submissions.within import check_order, mandate_in_force

_NUMBER = 2**256


def order_digest(*, domain: Domain, order: Order) -> bytes:
    """`order.digest(domain)` without the general encoder, whose checks cost as much as a quarter of the recovery.

    An Order's fields are in range and of their lengths; tests hold both equal.
    """
    members = (
        ORDER.type_hash,
        order.market,
        order.session.to_bytes(32, "big"),
        order.mtu.to_bytes(32, "big"),
        int(order.side).to_bytes(32, "big"),
        (order.limit_neur_per_wh % _NUMBER).to_bytes(32, "big"),
        order.quantity_lots.to_bytes(32, "big"),
        order.account.rjust(32, b"\x00"),
        order.order_id.ljust(32, b"\x00"),
        order.revision.to_bytes(32, "big"),
        order.salt,
    )
    return keccak(b"\x19\x01" + domain.separator + keccak(b"".join(members)))


@dataclass(frozen=True, slots=True)
class SignedOrder(Submission):
    """An order, new or changed, and its device's signature."""

    MEMBER = "order"
    FAILURES = (
        *FAILURES_OF_ALL,
        *FAILURES_OF_AGENTS,
        errors.MandatePrice,
        errors.MandateEnergy,
        errors.AccountGaveWay,
        errors.OffTick,
        errors.OutOfBand,
        errors.OrderUnknown,
        errors.OrderMoved,
        errors.OrderWithdrawn,
        errors.TagTaken,
        errors.BeyondConnection,
        errors.BeyondSchedule,
        errors.BeyondCredit,
        errors.NoGuarantor,
        errors.GuarantorCalled,
        errors.SelfTrade,
        NoAgreement,
    )

    order: Order
    signature: bytes

    @classmethod
    def parse(cls, message: object, *, signature: object) -> Self:
        """From the message of an Order's typed data. Raises MalformedSubmission, OutOfRange."""
        members = Message.of(
            message,
            *("market", "session", "mtu", "side", "limitPriceNeurPerWh", "quantityLots"),
            *("account", "orderId", "revision", "salt"),
        )
        order = Order(
            market=members.bytes_of("market", 32),
            session=members.whole("session", lowest=0, highest=MAX_SAFE_INTEGER),
            mtu=members.whole("mtu", lowest=0, highest=UINT32_MAX),
            side=Side(members.whole("side", lowest=0, highest=1)),
            limit_neur_per_wh=members.whole("limitPriceNeurPerWh", lowest=NO_PRICE + 1, highest=2**31 - 1),
            quantity_lots=members.whole("quantityLots", lowest=1, highest=MAX_LOTS),
            account=members.bytes_of("account", 20),
            order_id=members.bytes_of("orderId", ORDER_ID_BYTES),
            revision=members.whole("revision", lowest=0, highest=UINT32_MAX),
            salt=members.bytes_of("salt", SALT_BYTES),
        )
        return cls(order=order, signature=read_signature(signature))

    def check_sender(self, sender: Sender) -> None:
        """The order must name the sender's account."""
        sender.require_account(to_hex(self.order.account))

    def digest(self, domain: Domain) -> bytes:
        """What is signed."""
        return order_digest(domain=domain, order=self.order)

    def verify(self, state: TradingState, signer: RecoveredSigner) -> VerifiedSubmission:
        """The signer must be the account's key at the order's MTU, or its agent. Raises UnknownMarket, KeyNotValid."""
        order = self.order
        claimed = to_hex(order.account)
        if state.account_by_key.get(signer.address) == claimed:
            return verified(state, market=order.market, mtu=order.mtu, signer=signer, key_of=self._key)
        return verified_agent(
            state, market=order.market, mtu=order.mtu, account=claimed, signer=signer, key_of=self._key
        )

    def _key(self, account: str, book: MarketBook) -> str:
        return order_revision_key(account=account, order_id=self.order.order_id, revision=self.order.revision)

    def check_repeat(self, first: Entry, found: VerifiedSubmission) -> None:
        """All that is signed is the same. Raises OrderConflict, PayloadErased."""
        order = self.order
        body = {"order": order}
        same_or_conflict(first, fact=OrderAccepted, body=body, name=to_hex(order.order_id), revision=order.revision)

    def decide(self, state: TradingState, rules: IntakeRules, found: VerifiedSubmission, now: int) -> OrderAccepted:
        """The order in its book: within the market's rules, the connection, the schedule and the credit."""
        require_present(state, found.account)
        order, market, tag = self.order, found.book.market, tag_of(found.digest)
        given = mandate_in_force(state, found, order.mtu)
        session = open_session(found.book, session=order.session, mtu=order.mtu, now=now)
        if order.limit_neur_per_wh % market.tick_neur_per_wh:
            raise errors.OffTick(limit_neur_per_wh=order.limit_neur_per_wh, tick_neur_per_wh=market.tick_neur_per_wh)
        lowest, highest = market.min_limit_neur_per_wh, market.max_limit_neur_per_wh
        if not lowest <= order.limit_neur_per_wh <= highest:
            raise errors.OutOfBand(limit_neur_per_wh=order.limit_neur_per_wh, lowest=lowest, highest=highest)
        before = self._before(state, found)
        if (order.mtu, tag) in state.tags.get((market.market, order.session), ()):
            raise errors.TagTaken(tag=to_hex(tag))
        if given is not None:
            check_order(state, order, found, given, before)
        _check_supplied(state, found, order.mtu)
        _check_self_trade(state, order, found, before)
        _check_energy(state, rules, order, found, session, before)
        _check_credit(rules, order, found, before)
        return OrderAccepted(
            order=order,
            signature=self.signature,
            order_key=found.order_key,
            tag=tag,
            market=market.market,
            point=found.holder.participant.point,
            market_time=now,
            rules=OrderRules(receipts=RECEIPT_RULE),
            mandate=None if given is None else given.tag,
        )

    def _before(self, state: TradingState, found: VerifiedSubmission) -> BookOrder | None:
        """The revision that this one takes the place of."""
        order = self.order
        if order.revision == 0:
            if (found.account, order.order_id) in state.orders:
                raise errors.OrderConflict(order_id=to_hex(order.order_id), revision=0)
            return None
        return revised_order(
            state,
            found,
            order_id=order.order_id,
            session=order.session,
            mtu=order.mtu,
            revision=order.revision,
        )


def _check_supplied(state: TradingState, found: VerifiedSubmission, mtu: int) -> None:
    """What a household trades must be settled under its agreement; a retailer's own orders need none."""
    if found.holder.participant.kind is ParticipantKind.HOUSEHOLD and not state.is_supplied(found.holder, mtu):
        raise NoAgreement(name=found.account, mtu=mtu)


def _check_self_trade(state: TradingState, order: Order, found: VerifiedSubmission, before: BookOrder | None) -> None:
    """Nobody trades with itself: every live bid of an account stays below every live ask of it in the same book."""
    market = found.book.market
    key = (market.market, order.session)
    usage = state.areas[market.area].usage_of(account=found.account, key=key, mtu=order.mtu)
    if usage is None:
        return
    other = usage.limits(Side.ASK if order.side is Side.BID else Side.BID)
    if before is not None and before.side is not order.side:
        other = list(other)
        other.remove(before.limit_neur_per_wh)  # the revision takes the place of this one
    if not other:
        return
    limit = order.limit_neur_per_wh
    nearest = other[0] if order.side is Side.BID else other[-1]
    if (limit >= nearest) if order.side is Side.BID else (limit <= nearest):
        raise errors.SelfTrade(mtu=order.mtu, limit_neur_per_wh=limit, own_limit_neur_per_wh=nearest)


def _check_energy(
    state: TradingState,
    rules: IntakeRules,
    order: Order,
    found: VerifiedSubmission,
    session: Session,
    before: BookOrder | None,
) -> None:
    """What the connection carries, over all markets of the area; for sales what schedule or earlier purchases cover."""
    market, participant = found.book.market, found.holder.participant
    is_bid = order.side is Side.BID
    positions = state.areas[market.area]
    energy_wh = positions.energy_wh(account=found.account, mtu=order.mtu, side=order.side)
    energy_wh += order.quantity_lots * market.lot_wh
    if before is not None and before.side is order.side:
        energy_wh -= before.quantity_lots * market.lot_wh
    if participant.point is None:
        limit_wh = rules.limits.retailer_energy_wh
    else:
        limit_wh = participant.import_limit_wh if is_bid else participant.export_limit_wh
    if energy_wh > limit_wh:
        raise errors.BeyondConnection(mtu=order.mtu, energy_wh=energy_wh, limit_wh=limit_wh)
    if not is_bid and participant.point is not None:
        export_wh = positions.export_wh(gate=session.session, point=participant.point, mtu=order.mtu)
        if energy_wh > export_wh:
            raise errors.BeyondSchedule(mtu=order.mtu, energy_wh=energy_wh, export_wh=export_wh)


def _check_credit(rules: IntakeRules, order: Order, found: VerifiedSubmission, before: BookOrder | None) -> None:
    """What all live orders may cost at worst is within what its line lets it spend.

    The line is the last one given or the one on chain, whichever is lower: a lowered one counts at once.
    """
    market, holder, backing = found.book.market, found.holder, rules.backing(found.account)
    if not holder.credit_neur:
        raise errors.NoGuarantor(account=found.account)
    if backing.missing_neur > 0 and order.side is Side.BID:
        raise errors.GuarantorCalled(guarantor=str(holder.guarantor), missing_neur=backing.missing_neur)
    line_neur = min(holder.credit_neur, backing.line_neur)
    if holder.guarantor == found.account:
        available_neur = min(line_neur, backing.has_neur)  # it is a part of its own balance
    else:
        available_neur = line_neur + backing.has_neur
    exposure_neur = holder.exposure_neur + worst_cost_neur(
        market=market,
        side=order.side,
        limit_neur_per_wh=order.limit_neur_per_wh,
        quantity_lots=order.quantity_lots,
    )
    if before is not None:
        exposure_neur -= worst_cost_neur(
            market=market,
            side=before.side,
            limit_neur_per_wh=before.limit_neur_per_wh,
            quantity_lots=before.quantity_lots,
        )
    if exposure_neur > available_neur:
        raise errors.BeyondCredit(exposure_neur=exposure_neur, available_neur=available_neur)
