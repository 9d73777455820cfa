"""Calls to the chain whose sender is an organisation outside the service: shown to it, taken back signed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from contracts.transactions import NotATransaction
from domain.hashing import from_hex, to_hex
from edge.answers import json_answer
from edge.models import Body
from edge.policy import allow
from edge.writes import Created, write
from ledger_service.access.directory import Principal
from ledger_service.access.roles import Role
from ledger_service.chain.awaiting import AwaitingCall, CallDiffers, CallNotAwaiting
from wallet_api.declaring import reads, writes
from wallet_api.schemas import calls as schemas
from wallet_api.services import API_PREFIX, services_of

SENDERS = (Role.REGISTRAR, Role.TREASURER, Role.SECURITY_ADMIN)
"""Organisations that send transactions of their own."""

TRANSACTION_TEXT_MAX = 2 + 2 * 131_072
"""Longest transaction as hex: nodes take up to 128 KiB."""

router = APIRouter(prefix=API_PREFIX, tags=["chain"])


class SignedCallBody(Body):
    """The call as a signed transaction."""

    transaction: str = Field(
        pattern=r"^0x([0-9a-f]{2})+$",
        max_length=TRANSACTION_TEXT_MAX,
        description="RLP of a legacy transaction with the chain id in its signature (EIP-155), lower-case 0x hex",
        examples=["0xf86c808504a817c800825208940000000000000000000000000000000000000001808026a0"],
    )


@router.get("/chain/calls", **reads(schemas.CallsToSign))
async def calls(request: Request, who: Annotated[Principal, allow(*SENDERS)]) -> Response:
    """Calls of one's own role that wait for one's signature, first asked first."""

    def look() -> dict[str, Any]:
        waiting = services_of(request).awaiting_calls
        found = [] if waiting is None else waiting.calls(role=who.role.value, sender=who.address)
        return {"items": [_call_json(call) for call in found]}

    return json_answer(await run_in_threadpool(look))


@router.post(
    "/chain/calls/{call}",
    **writes(SignedCallBody, schemas.CallTaken, failing=(NotATransaction, CallNotAwaiting, CallDiffers)),
)
async def sign_call(
    request: Request,
    call: Annotated[int, Path(ge=1, le=2**53 - 1, description="Number of the call, from the list")],
    who: Annotated[Principal, allow(*SENDERS)],
) -> Response:
    """Hand a call back, signed; it is stored and sent. Anything but exactly that call is refused."""

    services = services_of(request)

    def work(body: SignedCallBody) -> Created:
        if services.awaiting_calls is None:
            raise CallNotAwaiting(request=call)
        raw = from_hex(body.transaction)
        signed = services.awaiting_calls.accept(request=call, role=who.role.value, sender=who.address, raw=raw)
        return Created({"call": call, "tx_hash": to_hex(signed.hash)})

    return await write(request, who=who, shape=SignedCallBody, work=work)


def _call_json(call: AwaitingCall) -> dict[str, Any]:
    return {
        "call": call.request,
        **call.call.as_json(),
        "to": to_hex(call.to),
        "data": to_hex(call.data),
        "gas": call.gas,
        "gas_price_wei": str(call.gas_price_wei),
        "nonce": call.nonce,
        "replaces": call.replaces,
    }
