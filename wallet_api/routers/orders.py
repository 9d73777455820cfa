"""Orders: signed submissions in, receipts out, one or up to 500 at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request
from prometheus_client import Counter
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from domain.errors import DominoesError, OutOfRange
from domain.hashing import from_hex, to_hex
from edge.answers import model_answer
from edge.paging import INT64, TEXT, UINT32, Bytes, Paging, page_answer, paging
from edge.policy import allow
from edge.problems import InvalidFields, NoSuchThing, problem_of
from edge.strict_json import parse, read_body
from edge.writes import answer_once
from ledger_service.access.directory import Principal
from ledger_service.access.idempotency import KeptAnswer
from ledger_service.access.roles import NotYours, Role
from ledger_service.overview import holdings
from ledger_service.overview import queries as overview
from ledger_service.overview.queries import BookKey, MtuEnd, OrderState, TradeRow
from ledger_service.record import PayloadErased
from ledger_service.record.paging import only
from ledger_service.record.spans import ALWAYS, MtuSpan
from ledger_service.registry import queries as registry
from ledger_service.trading import (
    Accepted,
    SignedCancel,
    SignedOrder,
    SignedSchedule,
    Submission,
    queries,
)
from ledger_service.trading.errors import MalformedSubmission
from wallet_api.declaring import lists, reads, submits
from wallet_api.fields import MarketName, OrderId, SessionGate, plain_address
from wallet_api.filters import InTime
from wallet_api.lookup import market_named, own_one
from wallet_api.roles import TRADERS
from wallet_api.routers.keys import require_own
from wallet_api.schemas import trading as schemas
from wallet_api.services import API_PREFIX, Services, services_of

SUBMISSIONS_MAX = 500
"""Most submissions of one request: a household's day with several revisions, and about 300 KiB."""

ORDER_ID = Bytes(16)

PARSED_AT_ONCE_BYTES_MAX = 16_384
"""Largest body parsed without going to a thread; one order is about 700 bytes."""

router = APIRouter(prefix=API_PREFIX, tags=["trading"])


@dataclass(frozen=True, slots=True)
class _Sender:
    """Who sends, as its session says."""

    who: Principal
    services: Services

    @property
    def point(self) -> str | None:
        """Its connection point."""
        return self.who.point

    def require_account(self, account: str) -> None:
        """Raises NotAllowed unless the account is the sender's."""
        require_own(self.who, account)

    def has_order(self, order_id: bytes) -> bool:
        """Whether the order is the sender's; asked from a thread."""
        with self.services.record.read() as connection:
            return queries.order_of(connection, account=self.who.account, order_id=order_id) is not None

    def read(self, kind: type[Submission], item: Any) -> Submission:
        """One submission of a body. Raises InvalidFields, or that it is another's."""
        if not isinstance(item, dict) or item.keys() != {kind.MEMBER, "signature"}:
            detail = f"must be an object with exactly {kind.MEMBER} and signature"
            raise InvalidFields(findings=[{"pointer": "", "detail": detail}])
        try:
            # Read by hand, not by its model: `python -m benchmarks intake` measures what an order's way costs.
            submission = kind.parse(_plain(item[kind.MEMBER]), signature=item["signature"])
        except (MalformedSubmission, OutOfRange) as error:
            raise InvalidFields(findings=[_finding(kind, error)]) from error
        submission.check_sender(self)
        return submission


def _plain(message: Any) -> Any:
    """A message whose account is in lower case, as it is signed, also where it was sent in EIP-55's."""
    if not isinstance(message, dict) or not isinstance(account := message.get("account"), str) or account.islower():
        return message
    try:
        return message | {"account": plain_address(account)}
    except ValueError as error:
        raise MalformedSubmission(field="account", reason=str(error)) from error


def _finding(kind: type[Submission], error: MalformedSubmission | OutOfRange) -> dict[str, str]:
    """The member as it was sent, and what is wrong with it."""
    place = {"body": f"/{kind.MEMBER}", "signature": "/signature"}.get(error.field, f"/{kind.MEMBER}/{error.field}")
    return {"pointer": place, "detail": str(error)}


def _refusals(kind: type[Submission]) -> tuple[type[DominoesError], ...]:
    """Why a submission may be refused; what is wrong with its members is told like that of every other body."""
    return tuple(cause for cause in kind.FAILURES if cause not in (MalformedSubmission, OutOfRange))


@router.post(
    "/orders", **submits(schemas.OrderBody, schemas.Acceptance, schemas.Outcomes, failing=_refusals(SignedOrder))
)
async def place_orders(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """Place or change orders until the gate. One: 201 with its receipt, 200 for a repeat. A list: an outcome each.

    The order id is the natural key: the same body again gives the same receipt, another body is refused.
    """
    return await _submit(request, who=who, kind=SignedOrder)


@router.post(
    "/orders/cancellations",
    **submits(schemas.CancelBody, schemas.Acceptance, schemas.Outcomes, failing=_refusals(SignedCancel)),
)
async def cancel_orders(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """Withdraw orders until the gate; answered like orders."""
    return await _submit(request, who=who, kind=SignedCancel)


@router.post(
    "/schedules",
    **submits(schemas.ScheduleBody, schemas.Acceptance, schemas.Outcomes, failing=_refusals(SignedSchedule)),
)
async def nominate_schedules(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """Nominate the net schedule of one's point for a session until its gate; sales must be covered by it."""
    return await _submit(request, who=who, kind=SignedSchedule)


@router.get("/schedules", **lists(schemas.Schedule))
def list_schedules(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(Role.PROSUMER)],
) -> Response:
    """The schedules of one's point in their last revisions: Wh per MTU, + = import; the next revision is one more."""
    with services_of(request).record.read() as connection:
        found = holdings.schedules(connection, point=str(who.point), span=when, part=page.part((INT64, TEXT)))
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
        found = holdings.schedules(connection, point=str(who.point), part=only(session, code))
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


async def _submit(request: Request, *, who: Principal, kind: type[Submission]) -> Response:
    raw = await read_body(request)

    async def do() -> KeptAnswer:
        # A batch would hold up every other request while it is parsed.
        value = parse(raw) if len(raw) <= PARSED_AT_ONCE_BYTES_MAX else await run_in_threadpool(parse, raw)
        status, shown = await _decided(request, value, who=who, kind=kind)
        return KeptAnswer(status=status, body=orjson.dumps(shown))

    return await answer_once(request, who=who, raw=raw, do=do)


async def _decided(
    request: Request, value: Any, *, who: Principal, kind: type[Submission]
) -> tuple[int, dict[str, Any]]:
    """Status and answer of one submission (its refusal is raised) or of a list of them."""
    if not isinstance(value, list):
        outcome = (await _decide(request, [value], who=who, kind=kind))[0]
        if isinstance(outcome, DominoesError):
            raise outcome
        return 200 if outcome.repeated else 201, _accepted_json(outcome)
    if not 1 <= len(value) <= SUBMISSIONS_MAX:
        detail = f"must hold 1 to {SUBMISSIONS_MAX} submissions"
        raise InvalidFields(findings=[{"pointer": "", "detail": detail}])
    outcomes = await _decide(request, value, who=who, kind=kind)
    return 200, {"items": [_outcome_json(outcome) for outcome in outcomes]}


async def _decide(
    request: Request, items: list[Any], *, who: Principal, kind: type[Submission]
) -> list[Accepted | DominoesError]:
    """One outcome per item: those of the right form go to the writer together, in their order."""
    services = services_of(request)
    if len(items) == 1 and kind is SignedOrder:
        read = _read(items, _Sender(who, services), kind)
    else:
        read = await run_in_threadpool(_read, items, _Sender(who, services), kind)
    submissions = [item for item in read if not isinstance(item, DominoesError)]
    outcomes: list[Accepted | DominoesError | None] = [
        item if isinstance(item, DominoesError) else None for item in read
    ]
    if submissions:
        future = services.intake.submit(submissions)
        answers: list[Accepted | DominoesError] = await asyncio.wrap_future(future)
        decided = iter(answers)
        outcomes = [next(decided) if outcome is None else outcome for outcome in outcomes]
    counter: Counter = request.app.state.orders
    found = [outcome for outcome in outcomes if outcome is not None]
    for outcome in found:
        counter.labels(outcome.code if isinstance(outcome, DominoesError) else "accepted").inc()
    return found


def _read(items: list[Any], sender: _Sender, kind: type[Submission]) -> list[Submission | DominoesError]:
    read: list[Submission | DominoesError] = []
    for item in items:
        try:
            read.append(sender.read(kind, item))
        except DominoesError as error:
            read.append(error)
    return read


def _accepted_json(accepted: Accepted) -> dict[str, Any]:
    # Written by hand: of an order's intake the answer is on the way that its benchmark measures.
    return {
        "status": "exists" if accepted.repeated else "accepted",
        "sequence": accepted.entry.sequence,
        "journal_head": to_hex(accepted.entry.hash),
        "receipt": None if accepted.receipt is None else accepted.receipt.as_json(),
    }


def _outcome_json(outcome: Accepted | DominoesError) -> dict[str, Any]:
    if isinstance(outcome, DominoesError):
        return {"status": "refused", "problem": problem_of(outcome)}
    return _accepted_json(outcome)


@router.get("/orders", **lists(schemas.Order))
def list_orders(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(*TRADERS)],
) -> Response:
    """One's own orders in their last revision, by MTU and id, withdrawn ones included, each with its outcome."""
    with services_of(request).record.read() as connection:
        found = holdings.orders(connection, account=who.account, span=when, part=page.part((UINT32, ORDER_ID)))
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
    """How the MTUs of some orders of one account ended, and what was accepted of them, by order id."""

    ended: dict[BookKey, MtuEnd]
    trades: dict[bytes, TradeRow]


def _outcomes(connection: Connection, orders: list[queries.BookOrder], *, span: MtuSpan) -> _Outcomes:
    ended = overview.ends_of(connection, {(order.market, order.session, order.mtu) for order in orders})
    if not orders:
        return _Outcomes(ended={}, trades={})
    mtus = [order.mtu for order in orders]
    near = MtuSpan(first=max(span.first, min(mtus)), end=min(span.end, max(mtus) + 1))
    holder = registry.present_account(connection, orders[0].account)
    trades = overview.trades(connection, account=holder, span=near)
    return _Outcomes(ended=ended, trades={trade.order_id: trade for trade in trades})


def _order_shown(order: queries.BookOrder, *, outcomes: _Outcomes) -> schemas.Order:
    end = None if order.withdrawn else outcomes.ended.get((order.market, order.session, order.mtu))
    trade = outcomes.trades.get(order.order_id)
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
        market_time=order.market_time,
        sequence=order.sequence,
        state=_order_state(order, end),
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
def one_order(request: Request, order_id: OrderId, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """One of one's own orders, with what was accepted of it once its MTU has ended."""
    with services_of(request).record.read() as connection:
        order = queries.order_of(connection, account=who.account, order_id=from_hex(order_id))
        if order is None:
            raise NotYours(what="order")
        outcomes = _outcomes(connection, [order], span=ALWAYS)
    return model_answer(_order_shown(order, outcomes=outcomes))


@router.get("/orders/{order_id}/receipt", **reads(schemas.Receipt, failing=(NotYours, PayloadErased)))
def receipt(request: Request, order_id: OrderId, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """The operator's receipt of an order's last revision, the same bytes as when it was first given."""
    services = services_of(request)
    with services.record.read() as connection:
        entry = queries.order_entry(connection, account=who.account, order_id=from_hex(order_id))
    if entry is None:
        raise NotYours(what="order")
    return model_answer(schemas.Receipt(**services.intake.receipt_of(entry).as_json()))
