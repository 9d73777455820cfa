"""Money: balances, movements, deposits, redemptions. Amounts in nEUR as decimal text, + is a credit of the holder."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy import Connection
from starlette.responses import Response

from domain.eip712 import REDEMPTION
from domain.errors import OutOfRange
from domain.hashing import from_hex, to_hex
from domain.mtu import mtu_start
from domain.signing import BadSignature
from edge.answers import model_answer
from edge.paging import INT32, INT64, Bytes, Paging, page_answer, paging
from edge.policy import allow
from edge.writes import Created, write
from ledger_service.access.directory import Principal
from ledger_service.access.queries import entries_with_key
from ledger_service.access.roles import NotYours, Role
from ledger_service.chain import stored_transactions
from ledger_service.chain.tables import FAILED, INCLUDED
from ledger_service.money import operations, queries
from ledger_service.money.operations import (
    BadReference,
    BalanceTooHigh,
    BalanceTooLow,
    ReferenceUsed,
    WrongHolder,
)
from ledger_service.overview import queries as overview
from ledger_service.record.paging import Slice, only
from ledger_service.record.spans import WHENEVER, Recorded, SequenceSpan, recorded_in
from ledger_service.registry import queries as registry
from ledger_service.registry.errors import DeadlinePassed, NotRegistered
from ledger_service.settlement import queries as settlement
from ledger_service.trading import queries as trading
from ledger_service.trading.state import worst_cost_neur
from wallet_api.declaring import lists, reads, writes
from wallet_api.fields import Reference, SequenceNumber
from wallet_api.filters import InTime
from wallet_api.lookup import own_one
from wallet_api.recorded import created
from wallet_api.roles import TRADERS
from wallet_api.routers.keys import require_own
from wallet_api.schemas import money as schemas
from wallet_api.services import API_PREFIX, PublicDeployment, services_of

INT32_MAX, INT64_MAX = INT32.most, INT64.most

ORDERS_RESERVED_MAX = 100_000
"""Most live orders of one account that are summed: beyond any household's or retailer's two open days."""

router = APIRouter(prefix=API_PREFIX, tags=["money"])


@router.post(
    "/deposits",
    **writes(
        schemas.DepositBody,
        schemas.DepositFact,
        failing=(NotRegistered, OutOfRange, BadReference, BalanceTooHigh, ReferenceUsed),
    ),
)
async def deposit(request: Request, who: Annotated[Principal, allow(Role.TREASURER)]) -> Response:
    """Book a deposit; the payment reference is its natural key."""
    services = services_of(request)

    def work(body: schemas.DepositBody) -> Created:
        with services.record.begin() as tx:
            if registry.participant_of(tx.connection, body.account) is None:
                raise NotRegistered(what="account", name=body.account)
            entry = operations.deposit(
                tx, account=from_hex(body.account), amount_neur=int(body.amount_neur), ref=from_hex(body.ref)
            )
        return created(entry, schemas.DepositFact)

    return await write(request, who=who, shape=schemas.DepositBody, work=work)


@router.get("/deposits", **lists(schemas.Deposit))
def list_deposits(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(*TRADERS, Role.TREASURER)],
) -> Response:
    """One's own deposits, and to the treasurer all of them: booked, on chain (it counts in the balance), or failed."""
    with services_of(request).record.read() as connection:
        within = recorded_in(connection, when)
        found = overview.deposits(connection, account=_seen_by(who), within=within, part=page.part((INT64,)))
        states = stored_transactions.statuses(connection, [operations.deposit_key(one.ref) for one in found])
    return page_answer(
        request,
        page=page,
        items=found,
        key=lambda one: (one.sequence,),
        shape=lambda one: _deposit(one, states=states),
    )


@router.get("/deposits/{ref}", **reads(schemas.Deposit, failing=(NotYours,)))
def one_deposit(
    request: Request, ref: Reference, who: Annotated[Principal, allow(*TRADERS, Role.TREASURER)]
) -> Response:
    """One deposit, by the payment's reference."""
    key = operations.deposit_key(from_hex(ref))
    with services_of(request).record.read() as connection:
        booked = entries_with_key(connection, prefix=key, limit=1)
        part = only(booked[0].sequence if booked else 0)
        found = own_one(overview.deposits(connection, account=_seen_by(who), part=part), "deposit")
        states = stored_transactions.statuses(connection, [key])
    return model_answer(_deposit(found, states=states))


def _seen_by(who: Principal) -> str | None:
    return None if who.role is Role.TREASURER else who.account


def _deposit(one: overview.Deposit, *, states: dict[str, str]) -> schemas.Deposit:
    state = states.get(operations.deposit_key(one.ref))
    return schemas.Deposit(
        sequence=one.sequence,
        account=one.account,
        amount_neur=str(one.amount_neur),
        ref=to_hex(one.ref),
        state="on_chain" if state == INCLUDED else "failed" if state == FAILED else "booked",
        recorded_at=one.recorded_at,
    )


@router.post(
    "/redemptions",
    **writes(
        schemas.RedemptionBody,
        schemas.RedemptionFact,
        failing=(OutOfRange, BadReference, BadSignature, WrongHolder, DeadlinePassed, BalanceTooLow, ReferenceUsed),
    ),
)
async def redeem(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """Ask for money to be paid out; it is done after the challenge window, at most the balance then."""
    services = services_of(request)

    def work(body: schemas.RedemptionBody) -> Created:
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
        return created(entry, schemas.RedemptionFact)

    return await write(request, who=who, shape=schemas.RedemptionBody, work=work)


@router.get("/redemptions", **lists(schemas.Redemption))
def list_redemptions(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(*TRADERS)],
) -> Response:
    """One's own redemptions: waiting for the chain, in the challenge window (`ready_at`), done or cancelled."""
    with services_of(request).record.read() as connection:
        found = _redemptions(connection, who, within=recorded_in(connection, when), part=page.part((Bytes(32),)))
    return page_answer(request, page=page, items=found, key=lambda one: (from_hex(one.ref),), shape=lambda one: one)


@router.get("/redemptions/{ref}", **reads(schemas.Redemption, failing=(NotYours,)))
def one_redemption(request: Request, ref: Reference, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """One of one's own redemptions, by its reference."""
    with services_of(request).record.read() as connection:
        return model_answer(own_one(_redemptions(connection, who, part=only(from_hex(ref))), "redemption"))


def _redemptions(
    connection: Connection, who: Principal, *, part: Slice, within: SequenceSpan = WHENEVER
) -> list[schemas.Redemption]:
    listed = overview.redemption_refs(connection, account=who.address, within=within, part=part)
    refs = [one.item for one in listed]
    known = {one.ref: one for one in queries.redemptions(connection, account=who.address, refs=refs)}
    asked = overview.asked_redemptions(connection, account=who.address, refs=refs)
    return [
        _known_redemption(known[one.item], recorded_at=one.recorded_at)
        if one.item in known
        else _asked_redemption(one, amount_neur=asked[one.item])
        for one in listed
    ]


def _asked_redemption(one: Recorded[bytes], *, amount_neur: int) -> schemas.Redemption:
    return schemas.Redemption(
        ref=to_hex(one.item),
        amount_neur=str(amount_neur),
        ready_at=None,
        redeemed_neur="0",
        state="requested",
        recorded_at=one.recorded_at,
    )


def _known_redemption(one: queries.RedemptionState, *, recorded_at: int) -> schemas.Redemption:
    ended: Literal["redeemed", "cancelled"] = "redeemed" if one.redeemed_neur == one.amount_neur else "cancelled"
    return schemas.Redemption(
        ref=to_hex(one.ref),
        amount_neur=str(one.amount_neur),
        ready_at=one.ready_at,
        redeemed_neur=str(one.redeemed_neur),
        state="in_challenge_window" if one.left_neur else ended,
        recorded_at=recorded_at,
    )


@router.get("/balance", **reads(schemas.Balance))
def balance(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """One's balance, credit line, what live orders may cost at worst, and what is left for new ones."""
    with services_of(request).record.read() as connection:
        held = queries.balance_neur(connection, account=who.address)
        credit = queries.credit_neur(connection, account=who.address)
        free = queries.free_neur(connection, account=who.address)
        backing = queries.backing(connection, account=who.address)
        own = queries.guarantor_of(connection, account=who.address) == who.address
        reserved = reserved_neur(connection, who=who)
    spendable = min(backing.line_neur, backing.has_neur) if own else backing.line_neur + backing.has_neur
    shown = schemas.Balance(
        account=who.account,
        balance_neur=str(held),
        credit_neur=str(credit),
        reserved_neur=str(reserved),
        available_neur=str(spendable - reserved),
        free_neur=str(free),
    )
    return model_answer(shown)


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
def list_postings(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(*TRADERS)],
) -> Response:
    """The movements of one's account in order, each with its other side; their sum is the balance."""
    deployment = services_of(request).deployment
    with services_of(request).record.read() as connection:
        found = overview.postings(
            connection,
            account=who.address,
            from_block_time=0 if when.is_everything else deployment.chain_time(mtu_start(when.first)),
            to_block_time=INT64_MAX if when.is_everything else deployment.chain_time(mtu_start(when.end)),
            part=page.part((INT64, INT32)),
        )
    return page_answer(
        request,
        page=page,
        items=found,
        key=lambda one: (one.movement.sequence, one.movement.position),
        shape=lambda one: _posting(one, deployment=deployment),
    )


@router.get("/postings/{sequence}/{position}", **reads(schemas.Posting, failing=(NotYours,)))
def one_posting(
    request: Request,
    sequence: SequenceNumber,
    position: Annotated[int, Path(ge=0, le=INT32_MAX, description="Place among the movements of that journal entry")],
    who: Annotated[Principal, allow(*TRADERS)],
) -> Response:
    """One movement of one's account, by its journal entry and its place there."""
    deployment = services_of(request).deployment
    with services_of(request).record.read() as connection:
        found = overview.postings(
            connection, account=who.address, from_block_time=0, to_block_time=INT64_MAX, part=only(sequence, position)
        )
    return model_answer(_posting(own_one(found, "posting"), deployment=deployment))


def _posting(one: overview.PostingRow, *, deployment: PublicDeployment) -> schemas.Posting:
    moved = one.movement
    return schemas.Posting(
        sequence=moved.sequence,
        position=moved.position,
        market_time=deployment.market_time(one.block_time),
        kind=moved.kind,
        other=to_hex(moved.other),
        amount_neur=str(moved.amount_neur),
        area=moved.area,
        period=moved.period,
        revision=moved.revision,
    )
