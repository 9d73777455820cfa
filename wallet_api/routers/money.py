"""Money: balances, movements, deposits, redemptions. Amounts in nEUR as decimal text, + is a credit of the holder."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import Response

from domain.eip712 import REDEMPTION
from domain.errors import OutOfRange
from domain.facts import DepositBooked
from domain.hashing import from_hex, to_hex
from domain.mtu import isoformat_utc
from domain.signing import BadSignature
from edge.answers import (
    INT32_MAX,
    INT64_MAX,
    Paging,
    cursor_of,
    json_answer,
    number_key,
    page_answer,
    paging,
)
from edge.models import Body
from edge.policy import allow
from edge.writes import Created, write
from ledger_service.access.directory import Principal
from ledger_service.access.queries import entries_with_key
from ledger_service.access.roles import Role
from ledger_service.chain import stored_transactions
from ledger_service.chain.tables import FAILED, INCLUDED
from ledger_service.money import operations, queries
from ledger_service.money.operations import (
    BadReference,
    BalanceTooHigh,
    BalanceTooLow,
    DeadlinePassed,
    ReferenceUsed,
    WrongHolder,
)
from ledger_service.record import Entry
from ledger_service.registry import queries as registry
from ledger_service.registry.errors import NotRegistered
from ledger_service.settlement import queries as settlement
from ledger_service.trading import queries as trading
from ledger_service.trading.state import worst_cost_neur
from wallet_api.amounts import money
from wallet_api.declaring import lists, reads, writes
from wallet_api.fields import Address, AmountNeur, Bytes32, MarketTime, Signature
from wallet_api.lookup import entries_where
from wallet_api.roles import TRADERS
from wallet_api.routers.keys import require_own
from wallet_api.routers.registrar import created
from wallet_api.schemas import money as schemas
from wallet_api.services import API_PREFIX, services_of

REDEMPTIONS_READ_MAX = 1_000
"""Most redemptions of one account that are listed."""

ORDERS_RESERVED_MAX = 100_000
"""Most live orders of one account that are summed: beyond any household's or retailer's two open days."""

router = APIRouter(prefix=API_PREFIX, tags=["money"])


class DepositBody(Body):
    """Money that came in by bank: for whom, how much, and the payment's reference, which is booked once."""

    account: Address
    amount_neur: AmountNeur
    ref: Bytes32


class RedemptionBody(Body):
    """Money to be paid out, signed by the account (Redemption); `deadline` in unix seconds of market time."""

    account: Address
    amount_neur: AmountNeur
    ref: Bytes32
    deadline: MarketTime
    signature: Signature


@router.post(
    "/deposits",
    **writes(
        DepositBody,
        schemas.DepositFact,
        failing=(NotRegistered, OutOfRange, BadReference, BalanceTooHigh, ReferenceUsed),
    ),
)
async def deposit(request: Request, who: Annotated[Principal, allow(Role.TREASURER)]) -> Response:
    """Book a deposit; the payment reference is its natural key."""

    services = services_of(request)

    def work(body: DepositBody) -> Created:
        with services.record.begin() as tx:
            if registry.participant_of(tx.connection, body.account) is None:
                raise NotRegistered(what="account", name=body.account)
            entry = operations.deposit(
                tx, account=from_hex(body.account), amount_neur=int(body.amount_neur), ref=from_hex(body.ref)
            )
        return created(entry)

    return await write(request, who=who, shape=DepositBody, work=work)


@router.get("/deposits", **lists(schemas.Deposit))
def list_deposits(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    who: Annotated[Principal, allow(*TRADERS, Role.TREASURER)],
) -> Response:
    """One's own deposits, and to the treasurer all of them: booked, on-chain (it counts in the balance), or failed."""
    record = services_of(request).record
    found = entries_where(
        record,
        kind=DepositBooked,
        page=page,
        wanted=lambda payload: who.role is Role.TREASURER or payload["account"] == who.account,
    )
    with record.read() as connection:
        states = stored_transactions.statuses(
            connection, [operations.deposit_key(entry.as_a(DepositBooked).ref) for entry in found]
        )
    return page_answer(
        request,
        items=found,
        key=lambda entry: number_key(entry.sequence),
        page=page,
        shape=lambda entry: _deposit_json(entry, states=states),
    )


def _deposit_json(entry: Entry, *, states: dict[str, str]) -> dict[str, Any]:
    payload = entry.content()
    state = states.get(operations.deposit_key(from_hex(payload["ref"])))
    return {
        "sequence": entry.sequence,
        "account": payload["account"],
        "amount": money(int(payload["amount_neur"])),
        "ref": payload["ref"],
        "state": {INCLUDED: "on-chain", FAILED: "failed"}.get(state or "", "booked"),
    }


@router.post(
    "/redemptions",
    **writes(
        RedemptionBody,
        schemas.RedemptionFact,
        failing=(OutOfRange, BadReference, BadSignature, WrongHolder, DeadlinePassed, BalanceTooLow, ReferenceUsed),
    ),
)
async def redeem(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """Ask for money to be paid out; it is done after the challenge window, at most the balance then."""

    services = services_of(request)

    def work(body: RedemptionBody) -> Created:
        require_own(who, body.account)
        entry = operations.request_redemption(
            services.record,
            account=from_hex(body.account),
            amount_neur=int(body.amount_neur),
            ref=from_hex(body.ref),
            deadline=body.deadline,
            signature=from_hex(body.signature),
            now=services.clock.now(),
            domain=services.deployment.domain_of(REDEMPTION),
        )
        return created(entry)

    return await write(request, who=who, shape=RedemptionBody, work=work)


@router.get("/redemptions", **lists(schemas.RedemptionPage))
def list_redemptions(
    request: Request, page: Annotated[Paging, Depends(paging)], who: Annotated[Principal, allow(*TRADERS)]
) -> Response:
    """One's own redemptions: waiting for the chain, in the challenge window (`ready_at`), done or cancelled."""
    services = services_of(request)
    with services.record.read() as connection:
        known = {one.ref: one for one in queries.redemptions(connection, account=who.address)}
        asked = entries_with_key(connection, prefix=f"redemption:{who.account}:", limit=REDEMPTIONS_READ_MAX)
    found = [_redemption_json(one) for one in known.values()]
    found += [
        {"ref": entry.payload["ref"], "amount": money(int(entry.payload["amount_neur"])), "state": "requested"}
        for entry in asked
        if entry.payload is not None and from_hex(entry.payload["ref"]) not in known
    ]
    return page_answer(request, items=found, key=lambda one: str(one["ref"]), page=page)


def _redemption_json(one: queries.RedemptionState) -> dict[str, Any]:
    ended = "redeemed" if one.redeemed_neur == one.amount_neur else "cancelled"
    return {
        "ref": to_hex(one.ref),
        "amount": money(one.amount_neur),
        "ready_at": one.ready_at,
        "ready_at_utc": isoformat_utc(one.ready_at),
        "redeemed": money(one.redeemed_neur) if one.redeemed_neur else None,
        "state": "in-challenge-window" if one.left_neur else ended,
    }


@router.get("/balance", **reads(schemas.Balance))
def balance(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """One's balance, credit line, what live orders may cost at worst, and what is left for new ones."""
    services = services_of(request)
    with services.record.read() as connection:
        held = queries.balance_neur(connection, account=who.address)
        credit = queries.credit_neur(connection, account=who.address)
        reserved = reserved_neur(connection, who=who)
    shown = {
        "account": who.account,
        "balance": money(held),
        "credit": money(credit),
        "reserved": money(reserved),
        "available": money(held + credit - reserved),
    }
    return json_answer(shown)


def reserved_neur(connection: Connection, *, who: Principal) -> int:
    """The most that one's live orders of unsettled MTUs may cost, in nEUR, as order intake counts it."""
    periods = settlement.period_states(connection, area=who.area)
    unsettled = [state.first_mtu for state in periods if state.settled == 0]
    if not unsettled:
        return 0
    markets = {market.market: market for market in registry.markets(connection)}
    live = trading.orders_of(connection, account=who.account, first_mtu=min(unsettled), limit=ORDERS_RESERVED_MAX)
    return sum(
        worst_cost_neur(
            market=markets[order.market],
            side=order.side,
            limit_neur_per_wh=order.limit_neur_per_wh,
            quantity_lots=order.quantity_lots,
        )
        for order in live
        if not order.withdrawn
    )


@router.get("/postings", **lists(schemas.Posting))
def postings(
    request: Request, page: Annotated[Paging, Depends(paging)], who: Annotated[Principal, allow(*TRADERS)]
) -> Response:
    """The movements of one's account in order, each with its other side; their sum is the balance."""
    after = cursor_of(page, INT64_MAX, INT32_MAX)
    start = (0, -1) if after is None else (after[0][0], after[0][1])
    with services_of(request).record.read() as connection:
        found = queries.postings(connection, account=who.address, after=start, limit=page.limit + 1)
    return page_answer(
        request,
        items=found,
        key=lambda one: number_key(one.sequence, one.position),
        page=page,
        shape=lambda one: {
            "sequence": one.sequence,
            "position": one.position,
            "kind": one.kind,
            "other": to_hex(one.other),
            "amount": money(one.amount_neur),
            "area": one.area,
            "period": one.period,
            "revision": one.revision,
        },
    )
