"""Mandates: what an account's order key lets an agent's key trade, and how that ends."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import Response

from domain.hashing import from_hex, to_hex
from domain.members import noun_json
from domain.mtu import mtu_of
from edge.answers import model_answer
from edge.paging import UINT32, Bytes, Paging, page_answer, paging
from edge.policy import allow
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotYours, Role
from ledger_service.registry import mandates as registry
from ledger_service.registry.mandates import Granted
from ledger_service.registry.queries import accounts_of
from ledger_service.trading import SignedMandate, SignedRevocation
from wallet_api.declaring import lists, reads, submits
from wallet_api.fields import MandateTag
from wallet_api.filters import InTime
from wallet_api.lookup import own_one
from wallet_api.roles import SIGNERS_OF_ORDERS, TRADERS
from wallet_api.routers.submitting import refusals, submit
from wallet_api.schemas import mandates as schemas
from wallet_api.schemas.trading import Acceptance, Outcomes
from wallet_api.services import API_PREFIX, services_of

TAG = Bytes(16)

router = APIRouter(prefix=API_PREFIX, tags=["trading"])


@router.post("/mandates", **submits(schemas.MandateBody, Acceptance, Outcomes, failing=refusals(SignedMandate)))
async def grant_mandates(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """Let an agent's key trade within limits, in place of what it was allowed before. Answered like orders.

    The receipt, of kind 3, names the mandate by its tag. The same body again gives the same receipt.
    """
    return await submit(request, who=who, kind=SignedMandate)


@router.post(
    "/mandates/revocations",
    **submits(schemas.RevocationBody, Acceptance, Outcomes, failing=refusals(SignedRevocation)),
)
async def revoke_mandates(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """End mandates, from the receipt (kind 4) on: what the agent sends later is refused, what stands before stays."""
    return await submit(request, who=who, kind=SignedRevocation)


@router.get("/mandates", **lists(schemas.Mandate))
def list_mandates(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(*SIGNERS_OF_ORDERS)],
) -> Response:
    """The mandates that one gave, to an agent those that it was given, by first MTU and tag; ended ones included."""
    services, part = services_of(request), page.part((UINT32, TAG))
    with services.record.read() as connection:
        if who.role is Role.AGENT:
            found = registry.mandates_for(connection, agent=who.account, begins=when, part=part)
        else:
            found = registry.mandates_by(connection, account=who.account, begins=when, part=part)
    now = services.clock.now()
    return page_answer(
        request,
        page=page,
        items=found,
        key=lambda one: (one.mandate.from_mtu, one.tag),
        shape=lambda one: _shown(one, now=now),
    )


@router.get("/mandates/{mandate}", **reads(schemas.Mandate, failing=(NotYours,)))
def one_mandate(
    request: Request, mandate: MandateTag, who: Annotated[Principal, allow(*SIGNERS_OF_ORDERS)]
) -> Response:
    """One of the mandates that one gave, or was given, by its tag."""
    services = services_of(request)
    with services.record.read() as connection:
        found = registry.mandate(connection, from_hex(mandate))
        mine = own_one([found] if found is not None and _is_of(connection, found, who) else [], "mandate")
    return model_answer(_shown(mine, now=services.clock.now()))


def _is_of(connection: Connection, item: Granted, who: Principal) -> bool:
    if who.role is Role.AGENT:
        return item.mandate.agent == who.account
    return item.mandate.account in accounts_of(connection, who.account)


def _shown(item: Granted, *, now: int) -> schemas.Mandate:
    return schemas.Mandate(
        **noun_json(item.mandate),
        tag=to_hex(item.tag),
        order_key=item.order_key,
        signature=to_hex(item.signature),
        market_time=item.market_time,
        sequence=item.sequence,
        state=_state(item, now=now),
        revoked_at=None if item.revoked is None else item.revoked.market_time,
    )


def _state(item: Granted, *, now: int) -> schemas.MandateState:
    if item.revoked is not None:
        return "revoked"
    if item.replaced:
        return "replaced"
    return "over" if item.mandate.to_mtu <= mtu_of(now) else "granted"
