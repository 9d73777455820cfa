"""Orders: signed submissions in, receipts out, one or up to 500 at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Query, Request
from prometheus_client import Counter
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from domain.errors import DominoesError
from domain.hashing import to_hex
from domain.mtu import isoformat_utc, mtu_start
from edge.answers import INT64_MAX, Paging, cursor_of, json_answer, number_key, page_answer, paging
from edge.models import Body
from edge.policy import allow
from edge.problems import InvalidFields, problem_of
from edge.strict_json import parse, read_body
from edge.writes import answer_once
from ledger_service.access.directory import Principal
from ledger_service.access.idempotency import Answer
from ledger_service.access.roles import NotYours, Role
from ledger_service.record import PayloadErased
from ledger_service.trading import (
    Accepted,
    SignedCancel,
    SignedOrder,
    SignedSchedule,
    Submission,
    queries,
)
from ledger_service.trading.submissions.schedule import SCHEDULE_VALUES_MAX
from wallet_api.declaring import lists, reads, submits
from wallet_api.fields import (
    Address,
    Bytes16,
    Bytes32,
    Code,
    FirstMtu,
    Int32,
    Mtu,
    NeurPerWh,
    OrderId,
    OrderLots,
    PositiveInt,
    Revision,
    Signature,
)
from wallet_api.projection import Outcome, accepted_by_tag
from wallet_api.roles import TRADERS
from wallet_api.routers.keys import require_own
from wallet_api.schemas import trading as schemas
from wallet_api.services import API_PREFIX, Services, projection_of, services_of

SUBMISSIONS_MAX = 500
"""Most submissions of one request: a household's day with several revisions, and about 300 KiB."""

ORDER_ID_BYTES = 16

PARSED_AT_ONCE_BYTES_MAX = 16_384
"""Largest body parsed without going to a thread; one order is about 700 bytes."""

router = APIRouter(prefix=API_PREFIX, tags=["trading"])


class OrderMessage(Body):
    """The signed members of an Order, named as in its typed data. side 0 = bid (buys), 1 = ask (sells)."""

    market: Bytes32
    mtu: Mtu
    side: Literal[0, 1] = Field(description="0 = bid (buys), 1 = ask (sells)")
    limitPriceNeurPerWh: NeurPerWh = Field(description="The most a bid pays, the least an ask takes, in nEUR/Wh")
    quantityLots: OrderLots
    account: Address
    orderId: Bytes16 = Field(description="Made by the device; names the order through all its revisions")
    revision: Revision
    salt: Bytes32 = Field(description="Random, so that the order can't be guessed from its tag")


class OrderBody(Body):
    """An order, new (revision 0) or changed (last revision + 1), and its device's signature."""

    order: OrderMessage
    signature: Signature


class CancelMessage(Body):
    """The signed members of a Cancel; `revision` is the order's last one + 1."""

    market: Bytes32
    mtu: Mtu
    orderId: Bytes16
    revision: PositiveInt = Field(description="Last revision of the order + 1", examples=[1])


class CancelBody(Body):
    """A withdrawal and its signature."""

    cancel: CancelMessage
    signature: Signature


class ScheduleMessage(Body):
    """A net schedule over one program: Wh per MTU, + = import; the signature covers the hash of `netWh`."""

    market: Bytes32
    firstMtu: Mtu = Field(description="First MTU of the program")
    point: Code
    netWh: list[Int32] = Field(
        min_length=1, max_length=SCHEDULE_VALUES_MAX, description="Net energy in Wh, one per MTU; + = import"
    )
    revision: Revision


class ScheduleBody(Body):
    """A schedule and its signature."""

    schedule: ScheduleMessage
    signature: Signature


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
        """One submission of a body. Raises InvalidFields, MalformedSubmission, OutOfRange or that it is another's."""
        if not isinstance(item, dict) or item.keys() != {kind.MEMBER, "signature"}:
            detail = f"must be an object with exactly {kind.MEMBER} and signature"
            raise InvalidFields(findings=[{"pointer": "", "detail": detail}])
        submission = kind.parse(item[kind.MEMBER], signature=item["signature"])
        submission.check_sender(self)
        return submission


@router.post("/orders", **submits(OrderBody, schemas.Acceptance, schemas.Outcomes, failing=SignedOrder.FAILURES))
async def place_orders(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """Place or change orders until the gate. One: 201 with its receipt, 200 for a repeat. A list: an outcome each.

    The order id is the natural key: the same body again gives the same receipt, another body is refused.
    """
    return await _submit(request, who=who, kind=SignedOrder)


@router.post(
    "/orders/cancellations", **submits(CancelBody, schemas.Acceptance, schemas.Outcomes, failing=SignedCancel.FAILURES)
)
async def cancel_orders(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """Withdraw orders until the gate; answered like orders."""
    return await _submit(request, who=who, kind=SignedCancel)


@router.post(
    "/schedules", **submits(ScheduleBody, schemas.Acceptance, schemas.Outcomes, failing=SignedSchedule.FAILURES)
)
async def nominate_schedules(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """Nominate the net schedule of one's point for a program until its gate; sales must be covered by it."""
    return await _submit(request, who=who, kind=SignedSchedule)


@router.get("/schedules", **lists(schemas.Schedule))
def list_schedules(
    request: Request, page: Annotated[Paging, Depends(paging)], who: Annotated[Principal, allow(Role.PROSUMER)]
) -> Response:
    """The schedules of one's point in their last revisions: Wh per MTU, + = import; the next revision is one more."""
    with services_of(request).record.read() as connection:
        found = queries.schedules_of(connection, point=str(who.point))
    return page_answer(
        request,
        items=found,
        key=lambda one: f"{one.market} {number_key(one.first_mtu)}",
        page=page,
        shape=lambda one: {
            "market": one.market,
            "point": one.point,
            "first_mtu": one.first_mtu,
            "starts": isoformat_utc(mtu_start(one.first_mtu)),
            "revision": one.revision,
            "net_wh": list(one.net_wh),
        },
    )


async def _submit(request: Request, *, who: Principal, kind: type[Submission]) -> Response:
    raw = await read_body(request)

    async def do() -> Answer:
        # A batch would hold up every other request while it is parsed.
        value = parse(raw) if len(raw) <= PARSED_AT_ONCE_BYTES_MAX else await run_in_threadpool(parse, raw)
        status, shown = await _decided(request, value, who=who, kind=kind)
        return Answer(status=status, body=orjson.dumps(shown))

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
    who: Annotated[Principal, allow(*TRADERS)],
    first_mtu: FirstMtu = 0,
    count: Annotated[int, Query(ge=1, le=2**32 - 1, description="Number of MTUs of the range")] = 2**32 - 1,
) -> Response:
    """One's own orders in their last revision, by MTU and id, withdrawn ones included."""
    after = cursor_of(page, INT64_MAX, id_bytes=ORDER_ID_BYTES)
    with services_of(request).record.read() as connection:
        found = queries.orders_of(
            connection,
            account=who.account,
            first_mtu=first_mtu,
            count=count,
            limit=page.limit + 1,
            after=None if after is None else (after[0][0], after[1]),
        )
    ended = {market: projection_of(request).ended(market=market) for market in {order.market for order in found}}
    return page_answer(
        request,
        items=found,
        key=_order_cursor,
        page=page,
        shape=lambda order: _order_json(order, outcome=ended[order.market].get(order.mtu)),
    )


def _order_cursor(order: queries.BookOrder) -> str:
    return f"{number_key(order.mtu)} {order.order_id.hex()}"


def _order_json(order: queries.BookOrder, *, outcome: Outcome | None) -> dict[str, Any]:
    state = "withdrawn" if order.withdrawn else "in-book"
    if outcome is not None and not order.withdrawn:
        state = "void" if outcome.void else "cleared"
    return {
        "order_id": to_hex(order.order_id),
        "market": order.market,
        "mtu": order.mtu,
        "starts": isoformat_utc(mtu_start(order.mtu)),
        "side": "ask" if order.side else "bid",
        "limit_neur_per_wh": order.limit_neur_per_wh,
        "quantity_lots": order.quantity_lots,
        "revision": order.revision,
        "tag": to_hex(order.tag),
        "point": order.point,
        "order_key": order.order_key,
        "market_time": order.market_time,
        "sequence": order.sequence,
        "state": state,
    }


def _own_order(request: Request, who: Principal, order_id: str) -> queries.BookOrder:
    with services_of(request).record.read() as connection:
        found = queries.order_of(connection, account=who.account, order_id=bytes.fromhex(order_id[2:]))
    if found is None:
        raise NotYours(what="order")
    return found


@router.get("/orders/{order_id}", **reads(schemas.OrderNow, failing=(NotYours,)))
def one_order(request: Request, order_id: OrderId, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """One of one's own orders, with what was accepted of it once its MTU is cleared."""
    order = _own_order(request, who, order_id)
    projection = projection_of(request)
    outcome = projection.ended(market=order.market).get(order.mtu)
    shown = _order_json(order, outcome=outcome)
    if outcome is not None and shown["state"] == "cleared":
        word = accepted_by_tag(projection.payload(outcome.sequence)).get(to_hex(order.tag))
        shown |= {
            "accepted_lots": 0 if word is None else word.accepted_lots,
            "price_neur_per_wh": outcome.price_neur_per_wh,
        }
    return json_answer(shown)


@router.get("/orders/{order_id}/receipt", **reads(schemas.Receipt, failing=(NotYours, PayloadErased)))
def receipt(request: Request, order_id: OrderId, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """The operator's receipt of an order's last revision, the same bytes as when it was first given."""
    services = services_of(request)
    with services.record.read() as connection:
        entry = queries.order_entry(connection, account=who.account, order_id=bytes.fromhex(order_id[2:]))
    if entry is None:
        raise NotYours(what="order")
    return json_answer(services.intake.receipt_of(entry).as_json())
