"""Orders: signed submissions in, receipts out, one or up to 500 at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import Response

from domain.hashing import from_hex, to_hex
from edge.answers import model_answer
from edge.paging import INT64, TEXT, UINT32, Bytes, Paging, page_answer, paging
from edge.policy import allow
from edge.problems import NoSuchThing
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotYours, Role
from ledger_service.overview import holdings
from ledger_service.overview import queries as overview
from ledger_service.overview.queries import BookKey, MtuEnd, OrderState, TradeRow
from ledger_service.record import PayloadErased
from ledger_service.record.paging import only
from ledger_service.record.spans import ALWAYS, MtuSpan
from ledger_service.registry import queries as registry
from ledger_service.trading import (
    SignedCancel,
    SignedOrder,
    SignedSchedule,
    queries,
)
from wallet_api.declaring import lists, reads, submits
from wallet_api.fields import MarketName, OrderId, SessionGate
from wallet_api.filters import InTime
from wallet_api.lookup import market_named, own_one, own_place
from wallet_api.roles import SIGNERS_OF_ORDERS, TRADERS
from wallet_api.routers.submitting import own_order, refusals, submit
from wallet_api.schemas import trading as schemas
from wallet_api.services import API_PREFIX, services_of

ORDER_ID = Bytes(16)

router = APIRouter(prefix=API_PREFIX, tags=["trading"])


@router.post(
    "/orders", **submits(schemas.OrderBody, schemas.Acceptance, schemas.Outcomes, failing=refusals(SignedOrder))
)
async def place_orders(request: Request, who: Annotated[Principal, allow(*SIGNERS_OF_ORDERS)]) -> Response:
    """Place or change orders until the gate. One: 201 with its receipt, 200 for a repeat. A list: an outcome each.

    The order id is the natural key: the same body again gives the same receipt, another body is refused.
    """
    return await submit(request, who=who, kind=SignedOrder)


@router.post(
    "/orders/cancellations",
    **submits(schemas.CancelBody, schemas.Acceptance, schemas.Outcomes, failing=refusals(SignedCancel)),
)
async def cancel_orders(request: Request, who: Annotated[Principal, allow(*SIGNERS_OF_ORDERS)]) -> Response:
    """Withdraw orders until the gate; answered like orders."""
    return await submit(request, who=who, kind=SignedCancel)


@router.post(
    "/schedules",
    **submits(schemas.ScheduleBody, schemas.Acceptance, schemas.Outcomes, failing=refusals(SignedSchedule)),
)
async def nominate_schedules(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """Nominate the net schedule of one's point for a session until its gate; sales must be covered by it."""
    return await submit(request, who=who, kind=SignedSchedule)


@router.get("/schedules", **lists(schemas.Schedule))
def list_schedules(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(Role.PROSUMER)],
) -> Response:
    """The schedules of one's point in their last revisions: Wh per MTU, + = import; the next revision is one more."""
    with services_of(request).record.read() as connection:
        mine = when.within(own_place(connection, who.account))
        found = holdings.schedules(connection, point=str(who.point), span=mine, part=page.part((INT64, TEXT)))
    return page_answer(
        request, page=page, items=found, key=lambda one: (one.session, one.market), shape=_schedule_shown
    )


@router.get("/schedules/{market:path}/{session}", **reads(schemas.Schedule, failing=(NoSuchThing, NotYours)))
def one_schedule(
    request: Request, market: MarketName, session: SessionGate, who: Annotated[Principal, allow(Role.PROSUMER)]
) -> Response:
    """The schedule of one's point for a session of a market."""
    with services_of(request).record.read() as connection:
        code = market_named(connection, market).market
        mine = own_place(connection, who.account)
        found = holdings.schedules(connection, point=str(who.point), span=mine, part=only(session, code))
    return model_answer(_schedule_shown(own_one(found, "schedule")))


def _schedule_shown(one: queries.Schedule) -> schemas.Schedule:
    return schemas.Schedule(
        market=one.market,
        session=one.session,
        point=one.point,
        first_mtu=one.first_mtu,
        count=len(one.net_wh),
        revision=one.revision,
        net_wh=list(one.net_wh),
    )


@router.get("/orders", **lists(schemas.Order))
def list_orders(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(*SIGNERS_OF_ORDERS)],
) -> Response:
    """One's own orders in their last revision, by MTU and id, withdrawn ones included, each with its outcome.

    To an agent those that it signed itself, for whichever account.
    """
    part = page.part((UINT32, ORDER_ID))
    with services_of(request).record.read() as connection:
        if who.role is Role.AGENT:
            found = holdings.orders_signed_by(connection, order_key=who.account, span=when, part=part)
        else:
            found = holdings.orders(connection, account=who.account, span=when, part=part)
        outcomes = _outcomes(connection, found, span=when)
    return page_answer(
        request,
        page=page,
        items=found,
        key=lambda one: (one.mtu, one.order_id),
        shape=lambda one: _order_shown(one, outcomes=outcomes),
    )


@dataclass(frozen=True, slots=True)
class _Outcomes:
    """How the MTUs of some orders ended, and what was accepted of them, by tag."""

    ended: dict[BookKey, MtuEnd]
    trades: dict[bytes, TradeRow]


def _outcomes(connection: Connection, orders: list[queries.BookOrder], *, span: MtuSpan) -> _Outcomes:
    ended = overview.ends_of(connection, {(order.market, order.session, order.mtu) for order in orders})
    if not orders:
        return _Outcomes(ended={}, trades={})
    mtus = [order.mtu for order in orders]
    near = MtuSpan(first=max(span.first, min(mtus)), end=min(span.end, max(mtus) + 1))
    holders = {registry.present_account(connection, account) for account in {order.account for order in orders}}
    trades = [trade for holder in holders for trade in overview.trades(connection, account=holder, span=near)]
    return _Outcomes(ended=ended, trades={trade.tag: trade for trade in trades})


def _order_shown(order: queries.BookOrder, *, outcomes: _Outcomes) -> schemas.Order:
    end = None if order.withdrawn else outcomes.ended.get((order.market, order.session, order.mtu))
    trade = outcomes.trades.get(order.tag)
    decided = end is not None and not end.void
    return schemas.Order(
        order_id=to_hex(order.order_id),
        market=order.market,
        session=order.session,
        mtu=order.mtu,
        side="ask" if order.side else "bid",
        limit_neur_per_wh=order.limit_neur_per_wh,
        quantity_lots=order.quantity_lots,
        revision=order.revision,
        tag=to_hex(order.tag),
        point=order.point,
        order_key=order.order_key,
        mandate=None if order.mandate is None else to_hex(order.mandate),
        market_time=order.market_time,
        sequence=order.sequence,
        state=_order_state(order, end),
        lapsed_reason=None if end is None else end.lapsed_reason,
        accepted_lots=None if not decided else 0 if trade is None else trade.accepted_lots,
        price_neur_per_wh=end.price_neur_per_wh if end is not None else None,
    )


def _order_state(order: queries.BookOrder, end: MtuEnd | None) -> OrderState:
    if order.withdrawn:
        return "withdrawn"
    if end is None:
        return "in_book"
    return end.state


@router.get("/orders/{order_id}", **reads(schemas.Order, failing=(NotYours,)))
def one_order(request: Request, order_id: OrderId, who: Annotated[Principal, allow(*SIGNERS_OF_ORDERS)]) -> Response:
    """One of one's own orders, with what was accepted of it once its MTU has ended."""
    with services_of(request).record.read() as connection:
        order = own_order(connection, who, from_hex(order_id))
        if order is None:
            raise NotYours(what="order")
        outcomes = _outcomes(connection, [order], span=ALWAYS)
    return model_answer(_order_shown(order, outcomes=outcomes))


@router.get("/orders/{order_id}/receipt", **reads(schemas.Receipt, failing=(NotYours, PayloadErased)))
def receipt(request: Request, order_id: OrderId, who: Annotated[Principal, allow(*SIGNERS_OF_ORDERS)]) -> Response:
    """The operator's receipt of an order's last revision, the same bytes as when it was first given."""
    services = services_of(request)
    with services.record.read() as connection:
        order = own_order(connection, who, from_hex(order_id))
        if order is None:
            raise NotYours(what="order")
        entry = queries.entry_of_order(connection, order)
    return model_answer(schemas.Receipt(**services.intake.receipt_of(entry).as_json()))
