"""Calls to the chain whose sender is an organisation outside the service: shown to it, taken back signed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from contracts.transactions import NotATransaction
from domain.hashing import from_hex, to_hex
from edge.answers import model_answer
from edge.paging import INT64, Paging, page_answer, paging, sliced_items
from edge.policy import allow
from edge.writes import Created, write
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotYours, Role
from ledger_service.chain.awaiting import AwaitingCall, CallDiffers, CallNotAwaiting
from wallet_api.declaring import lists, reads, writes
from wallet_api.lookup import own_one
from wallet_api.schemas import calls as schemas
from wallet_api.services import API_PREFIX, services_of

SENDERS = (Role.REGISTRAR, Role.TREASURER, Role.SECURITY_ADMIN)
"""Organisations that send transactions of their own."""

CallNumber = Annotated[int, Path(ge=1, le=2**53 - 1, description="Number of the call, from the list")]

router = APIRouter(prefix=API_PREFIX, tags=["chain"])


@router.get("/chain/calls", **lists(schemas.CallToSign))
def list_calls(
    request: Request, page: Annotated[Paging, Depends(paging)], who: Annotated[Principal, allow(*SENDERS)]
) -> Response:
    """Calls of one's own role that wait for one's signature, first asked first; more may follow these."""
    found = sliced_items(_waiting(request, who), page.part((INT64,)), key=_place)
    return page_answer(request, page=page, items=found, key=_place, shape=_call)


@router.get("/chain/calls/{call}", **reads(schemas.CallToSign, failing=(NotYours,)))
def one_call(request: Request, call: CallNumber, who: Annotated[Principal, allow(*SENDERS)]) -> Response:
    """One call that waits for one's signature."""
    found = [waiting for waiting in _waiting(request, who) if waiting.request == call]
    return model_answer(_call(own_one(found, "call")))


def _waiting(request: Request, who: Principal) -> list[AwaitingCall]:
    waiting = services_of(request).awaiting_calls
    return [] if waiting is None else waiting.calls(role=who.role.value, sender=who.address)


def _place(call: AwaitingCall) -> tuple[int]:
    return (call.request,)


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
    )
