"""Calls to the chain whose sender is an organisation outside the service: shown to it, taken back signed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from contracts.transactions import NotATransaction
from domain.hashing import MAX_SAFE_INTEGER, from_hex, to_hex
from edge.answers import model_answer
from edge.paging import INT64, Paging, page_answer, paging
from edge.policy import allow
from edge.writes import Created, write
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotYours, Role
from ledger_service.chain.awaiting import AwaitingCall, CallDiffers, CallNotAwaiting
from ledger_service.record.paging import Slice, only
from ledger_service.record.spans import ALWAYS, MtuSpan
from wallet_api.declaring import lists, reads, writes
from wallet_api.filters import InTime
from wallet_api.lookup import own_one
from wallet_api.schemas import calls as schemas
from wallet_api.services import API_PREFIX, services_of

SENDERS = (Role.REGISTRAR, Role.TREASURER, Role.SECURITY_ADMIN)
"""Organisations that send transactions of their own."""

CallNumber = Annotated[int, Path(ge=1, le=MAX_SAFE_INTEGER, description="Number of the call, from the list")]

router = APIRouter(prefix=API_PREFIX, tags=["chain"])


@router.get("/chain/calls", **lists(schemas.CallToSign))
def list_calls(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(*SENDERS)],
) -> Response:
    """Calls of one's own role that wait for one's signature, by when they were asked for; more may follow these."""
    found = _waiting(request, who, asked=when, part=page.part((INT64,)))
    return page_answer(request, page=page, items=found, key=lambda one: (one.request,), shape=_call)


@router.get("/chain/calls/{call}", **reads(schemas.CallToSign, failing=(NotYours,)))
def one_call(request: Request, call: CallNumber, who: Annotated[Principal, allow(*SENDERS)]) -> Response:
    """One call that waits for one's signature."""
    return model_answer(_call(own_one(_waiting(request, who, part=only(call)), "call")))


def _waiting(request: Request, who: Principal, *, part: Slice, asked: MtuSpan = ALWAYS) -> list[AwaitingCall]:
    waiting = services_of(request).awaiting_calls
    if waiting is None:
        return []
    return waiting.calls(role=who.role.value, sender=who.address, asked=asked, part=part)


@router.post(
    "/chain/calls/{call}",
    **writes(schemas.SignedCallBody, schemas.CallTaken, failing=(NotATransaction, CallNotAwaiting, CallDiffers)),
)
async def sign_call(
    request: Request,
    call: CallNumber,
    who: Annotated[Principal, allow(*SENDERS)],
) -> Response:
    """Hand a call back, signed; it is stored and sent. Anything but exactly that call is refused."""
    services = services_of(request)

    def work(body: schemas.SignedCallBody) -> Created:
        if services.awaiting_calls is None:
            raise CallNotAwaiting(request=call)
        raw = from_hex(body.transaction)
        signed = services.awaiting_calls.accept(request=call, role=who.role.value, sender=who.address, raw=raw)
        return Created(schemas.CallTaken(call=call, tx_hash=to_hex(signed.hash)))

    return await write(request, who=who, shape=schemas.SignedCallBody, work=work)


def _call(call: AwaitingCall) -> schemas.CallToSign:
    return schemas.CallToSign(
        call=call.request,
        **call.call.as_json(),
        to=to_hex(call.to),
        data=to_hex(call.data),
        gas=call.gas,
        gas_price_wei=str(call.gas_price_wei),
        nonce=call.nonce,
        replaces=call.replaces,
        recorded_at=call.recorded_at,
    )
