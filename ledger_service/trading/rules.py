"""What intake accepts: pure decisions on the state, each refusal its own error, checks from cheap to dear.

The signer must be the right one first. Then a repeat is told from a conflict, and only what is new meets the
market's rules at market time `now`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domain.hashing import text_id, to_hex
from domain.words import Side
from ledger_service.market.queries import Program
from ledger_service.record import Entry
from ledger_service.registry.errors import NoAgreement
from ledger_service.trading.errors import (
    BeyondConnection,
    BeyondCredit,
    BeyondSchedule,
    GateClosed,
    KeyNotValid,
    NoGuarantor,
    NotAProgram,
    OffTick,
    OrderConflict,
    OrderMoved,
    OrderUnknown,
    OrderWithdrawn,
    OutOfBand,
    ProgramNotOpen,
    RevisionOutOfOrder,
    SelfTrade,
    TagTaken,
    UnknownMarket,
    WrongPoint,
)
from ledger_service.trading.parse import SignedCancel, SignedOrder, SignedSchedule
from ledger_service.trading.queries import BookOrder
from ledger_service.trading.signers import Signer
from ledger_service.trading.state import Holder, MarketBook, TradingState, Usage, worst_cost_neur

RETAILER_ENERGY_WH = 250_000
"""Most energy a retailer may bid (or ask) per MTU: 1 MW, more than a low-voltage transformer carries."""

RETAILER_CREDIT_NEUR = 100_000 * 10**9
"""Credit of a retailer's own orders: 100,000 EUR; retailers are licensed parties and guarantee for others."""


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """Limits of those who trade at the transformer, without connection, schedule or guarantor."""

    retailer_energy_wh: int = RETAILER_ENERGY_WH
    retailer_credit_neur: int = RETAILER_CREDIT_NEUR


@dataclass(frozen=True, slots=True)
class Fact:
    """An accepted submission, ready to append."""

    kind: str
    key: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rules:
    """What limits hold, and who knows the balances."""

    limits: IntakeLimits
    balance_neur: Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Verified:
    """A submission whose signer may speak for `account`, with the key under which its fact is (or will be) known."""

    book: MarketBook
    holder: Holder
    account: str
    order_key: str
    key: str
    tag: bytes = b""


def order_fact_key(*, account: str, order_id: bytes, revision: int) -> str:
    """An order's revisions, changes and cancels alike, each have one place in the journal."""
    return f"order:{account}:{order_id.hex()}:{revision}"


def schedule_fact_key(*, market: str, point: str, first_mtu: int, revision: int) -> str:
    """The journal key of a schedule's revision; the point by its hash, which keeps the key short."""
    return f"schedule:{text_id(market).hex()[:32]}:{text_id(point).hex()[:32]}:{first_mtu}:{revision}"


# Whose key it is.


def _book(state: TradingState, market: bytes) -> MarketBook:
    book = state.markets.get(market)
    if book is None:
        raise UnknownMarket(market=to_hex(market))
    return book


def _holder_of_key(state: TradingState, *, book: MarketBook, signer: str, mtu: int) -> tuple[str, Holder]:
    account = state.account_by_key.get(signer)
    holder = None if account is None else state.holders[account]
    if account is None or holder is None or holder.key_at(mtu) != signer:
        raise KeyNotValid(signer=signer, account=account, mtu=mtu)
    if holder.participant.area != book.market.area:
        raise KeyNotValid(signer=signer, account=account, mtu=mtu)
    return account, holder


def verify_order(state: TradingState, item: SignedOrder, signer: Signer) -> Verified:
    """The signer must be the account's key at the order's MTU. Raises UnknownMarket, KeyNotValid."""
    order = item.order
    book = _book(state, order.market)
    claimed = to_hex(order.account)
    if state.account_by_key.get(signer.address) != claimed:
        raise KeyNotValid(signer=signer.address, account=claimed, mtu=order.mtu)
    account, holder = _holder_of_key(state, book=book, signer=signer.address, mtu=order.mtu)
    key = order_fact_key(account=account, order_id=order.order_id, revision=order.revision)
    return Verified(book=book, holder=holder, account=account, order_key=signer.address, key=key, tag=signer.tag)


def verify_cancel(state: TradingState, item: SignedCancel, signer: Signer) -> Verified:
    """The signer must be some account's key at the MTU. Raises UnknownMarket, KeyNotValid."""
    book = _book(state, item.market)
    account, holder = _holder_of_key(state, book=book, signer=signer.address, mtu=item.mtu)
    key = order_fact_key(account=account, order_id=item.order_id, revision=item.revision)
    return Verified(book=book, holder=holder, account=account, order_key=signer.address, key=key)


def verify_schedule(state: TradingState, item: SignedSchedule, signer: Signer) -> Verified:
    """The signer must be the key of the point's account. Raises UnknownMarket, KeyNotValid, WrongPoint."""
    book = _book(state, item.market)
    account, holder = _holder_of_key(state, book=book, signer=signer.address, mtu=item.first_mtu)
    if holder.participant.point != item.point:
        raise WrongPoint(point=item.point)
    key = schedule_fact_key(
        market=book.market.market, point=item.point, first_mtu=item.first_mtu, revision=item.revision
    )
    return Verified(book=book, holder=holder, account=account, order_key=signer.address, key=key)


# Whether it was there before.


def check_repeat(first: Entry, *, body: dict[str, Any], kind: str, name: str, revision: int) -> None:
    """The first entry under this key must hold the same body, else OrderConflict. Raises PayloadErased."""
    payload = first.content()
    if first.kind != kind or any(payload.get(member) != value for member, value in body.items()):
        raise OrderConflict(order_id=name, revision=revision)


def order_body(item: SignedOrder) -> dict[str, Any]:
    """What makes two sendings of an order the same: all that is signed."""
    return {"order": item.order.as_json()}


def cancel_body(item: SignedCancel, found: Verified) -> dict[str, Any]:
    """What makes two sendings of a cancel the same."""
    return {"market": found.book.market.market, "mtu": item.mtu, "order_id": to_hex(item.order_id)}


def schedule_body(item: SignedSchedule) -> dict[str, Any]:
    """What makes two sendings of a schedule the same."""
    return {"point": item.point, "first_mtu": item.first_mtu, "net_wh": list(item.net_wh)}


# Whether it may come in.


def _open_program(book: MarketBook, *, mtu: int, now: int) -> Program:
    program = book.programs.get(mtu)
    if program is None:
        if mtu < book.closed_end_mtu:
            raise GateClosed(market=book.market.market, mtu=mtu, gate=None)
        raise ProgramNotOpen(market=book.market.market, mtu=mtu)
    if now >= program.gate:
        raise GateClosed(market=book.market.market, mtu=mtu, gate=program.gate)
    return program


def _last_revision(state: TradingState, *, account: str, order_id: bytes) -> BookOrder:
    last = state.orders.get((account, order_id))
    if last is None:
        raise OrderUnknown(order_id=to_hex(order_id))
    if last.withdrawn:
        raise OrderWithdrawn(order_id=to_hex(order_id))
    return last


def _check_next_revision(last: BookOrder, *, market: str, mtu: int, revision: int) -> None:
    if (last.market, last.mtu) != (market, mtu):
        raise OrderMoved(order_id=to_hex(last.order_id), mtu=last.mtu)
    if revision != last.revision + 1:
        name = f"order {to_hex(last.order_id)}"
        raise RevisionOutOfOrder(name=name, expected=last.revision + 1, given=revision)


def decide_order(state: TradingState, rules: Rules, item: SignedOrder, found: Verified, now: int) -> Fact:
    """The fact of a new or changed order, or its refusal."""
    order, market = item.order, found.book.market
    program = _open_program(found.book, mtu=order.mtu, now=now)
    if order.limit_neur_per_wh % market.tick_neur_per_wh:
        raise OffTick(limit_neur_per_wh=order.limit_neur_per_wh, tick_neur_per_wh=market.tick_neur_per_wh)
    lowest, highest = market.min_limit_neur_per_wh, market.max_limit_neur_per_wh
    if not lowest <= order.limit_neur_per_wh <= highest:
        raise OutOfBand(limit_neur_per_wh=order.limit_neur_per_wh, lowest=lowest, highest=highest)
    before = None
    if order.revision == 0:
        if (found.account, order.order_id) in state.orders:
            raise OrderConflict(order_id=to_hex(order.order_id), revision=0)
    else:
        before = _last_revision(state, account=found.account, order_id=order.order_id)
        _check_next_revision(before, market=market.market, mtu=order.mtu, revision=order.revision)
    if (order.mtu, found.tag) in state.tags[market.market]:
        raise TagTaken(tag=to_hex(found.tag))
    _check_supplied(state, found, order.mtu)
    _check_self_trade(state, item, found, before)
    _check_energy(state, rules, item, found, program, before)
    _check_credit(rules, item, found, before)
    payload = {
        "order": order.as_json(),
        "signature": to_hex(item.signature),
        "order_key": found.order_key,
        "tag": to_hex(found.tag),
        "market": market.market,
        "point": found.holder.participant.point,
        "market_time": now,
    }
    return Fact(kind="order.accepted", key=found.key, payload=payload)


def _check_supplied(state: TradingState, found: Verified, mtu: int) -> None:
    """What a household trades must be settled under its agreement; a retailer's own orders need none."""
    if found.holder.participant.kind == "household" and not state.is_supplied(found.holder, mtu):
        raise NoAgreement(name=found.account, mtu=mtu)


def _check_self_trade(state: TradingState, item: SignedOrder, found: Verified, before: BookOrder | None) -> None:
    """Nobody trades with itself: every live bid of an account stays below every live ask of it in the same MTU."""
    order = item.order
    usage = state.usage.get((found.account, found.book.market.market, order.mtu))
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
        raise SelfTrade(mtu=order.mtu, limit_neur_per_wh=limit, own_limit_neur_per_wh=nearest)


def _check_energy(
    state: TradingState,
    rules: Rules,
    item: SignedOrder,
    found: Verified,
    program: Program,
    before: BookOrder | None,
) -> None:
    order, market, participant = item.order, found.book.market, found.holder.participant
    usage = state.usage.get((found.account, market.market, order.mtu), Usage())
    is_bid = order.side is Side.BID
    energy_wh = (usage.bid_wh if is_bid else usage.ask_wh) + order.quantity_lots * market.lot_wh
    if before is not None and before.side is order.side:
        energy_wh -= before.quantity_lots * market.lot_wh
    if participant.point is None:
        limit_wh = rules.limits.retailer_energy_wh
    else:
        limit_wh = participant.import_limit_wh if is_bid else participant.export_limit_wh
    if energy_wh > limit_wh:
        raise BeyondConnection(mtu=order.mtu, energy_wh=energy_wh, limit_wh=limit_wh)
    if not is_bid and participant.point is not None:
        export_wh = state.export_wh(market=market.market, program=program, point=participant.point, mtu=order.mtu)
        if energy_wh > export_wh:
            raise BeyondSchedule(mtu=order.mtu, energy_wh=energy_wh, export_wh=export_wh)


def _check_credit(rules: Rules, item: SignedOrder, found: Verified, before: BookOrder | None) -> None:
    order, market, holder = item.order, found.book.market, found.holder
    if holder.participant.kind == "retailer":
        credit_neur = rules.limits.retailer_credit_neur
    elif not holder.credit_neur:
        raise NoGuarantor(account=found.account)
    else:
        credit_neur = holder.credit_neur
    available_neur = rules.balance_neur(found.account) + credit_neur
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
        raise BeyondCredit(exposure_neur=exposure_neur, available_neur=available_neur)


def decide_cancel(state: TradingState, item: SignedCancel, found: Verified, now: int) -> Fact:
    """The fact of a withdrawal, or its refusal."""
    market = found.book.market.market
    _open_program(found.book, mtu=item.mtu, now=now)
    last = _last_revision(state, account=found.account, order_id=item.order_id)
    _check_next_revision(last, market=market, mtu=item.mtu, revision=item.revision)
    payload = {
        "market": market,
        "mtu": item.mtu,
        "order_id": to_hex(item.order_id),
        "revision": item.revision,
        "account": found.account,
        "order_key": found.order_key,
        "tag": to_hex(last.tag),
        "signature": to_hex(item.signature),
        "market_time": now,
    }
    return Fact(kind="order.cancelled", key=found.key, payload=payload)


def decide_schedule(state: TradingState, item: SignedSchedule, found: Verified, now: int) -> Fact:
    """The fact of a nomination, or its refusal: it must fit the connection and still cover the asks that are live."""
    market, participant = found.book.market.market, found.holder.participant
    program = _open_program(found.book, mtu=item.first_mtu, now=now)
    if (program.first_mtu, program.count) != (item.first_mtu, len(item.net_wh)):
        raise NotAProgram(market=market, first_mtu=item.first_mtu, count=len(item.net_wh))
    last = state.schedules.get((market, item.first_mtu, item.point))
    expected = 0 if last is None else last.revision + 1
    if item.revision != expected:
        name = f"schedule of {item.point} from MTU {item.first_mtu}"
        raise RevisionOutOfOrder(name=name, expected=expected, given=item.revision)
    for mtu, net_wh in zip(program.mtus, item.net_wh, strict=True):
        limit_wh = participant.import_limit_wh if net_wh > 0 else participant.export_limit_wh
        if abs(net_wh) > limit_wh:
            raise BeyondConnection(mtu=mtu, energy_wh=abs(net_wh), limit_wh=limit_wh)
        usage = state.usage.get((found.account, market, mtu))
        if usage is not None and usage.ask_wh > max(-net_wh, 0):
            raise BeyondSchedule(mtu=mtu, energy_wh=usage.ask_wh, export_wh=max(-net_wh, 0))
    payload = {
        "market": market,
        "first_mtu": item.first_mtu,
        "point": item.point,
        "net_wh": list(item.net_wh),
        "revision": item.revision,
        "account": found.account,
        "order_key": found.order_key,
        "signature": to_hex(item.signature),
        "market_time": now,
    }
    return Fact(kind="schedule.nominated", key=found.key, payload=payload)
