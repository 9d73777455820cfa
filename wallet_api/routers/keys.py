"""Order keys: the device keys that an account consents to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from domain.eip712 import KEY_REGISTRATION
from domain.errors import OutOfRange
from domain.hashing import from_hex
from domain.members import noun_json
from domain.parties import OrderKey
from domain.signing import BadSignature
from edge.answers import Paging, number_key, page_answer, paging
from edge.models import Body
from edge.policy import allow
from edge.writes import Created, write
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotAllowed
from ledger_service.registry import queries
from ledger_service.registry.consents import key_signer, register_key
from ledger_service.registry.errors import (
    AlreadyBegun,
    AlreadyRegistered,
    Malformed,
    NotRegistered,
    WrongParty,
    WrongSigner,
)
from wallet_api.declaring import lists, writes
from wallet_api.fields import Address, Code, Mtu, Signature
from wallet_api.roles import TRADERS
from wallet_api.routers.registrar import created
from wallet_api.schemas import trading as schemas
from wallet_api.services import API_PREFIX, services_of

router = APIRouter(prefix=API_PREFIX, tags=["trading"])


class KeyBody(Body):
    """A device key, the point it trades for (none for a retailer), and the account's signature (KeyRegistration)."""

    account: Address
    order_key: Address
    point: Code | None = None
    valid_from_mtu: Mtu
    signature: Signature


def require_own(who: Principal, account: str) -> None:
    """A holder writes for its own account only. Raises NotAllowed."""
    if account != who.account:
        raise NotAllowed(role=f"{who.role} of another account", allowed=("the account itself",))


@router.post(
    "/keys",
    **writes(
        KeyBody,
        schemas.OrderKeyFact,
        failing=(
            Malformed,
            OutOfRange,
            NotRegistered,
            WrongParty,
            BadSignature,
            WrongSigner,
            AlreadyBegun,
            AlreadyRegistered,
        ),
    ),
)
async def add_key(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """Register the key that signs one's orders from an MTU on, in place of every key registered before."""

    services = services_of(request)

    def work(body: KeyBody) -> Created:
        require_own(who, body.account)
        domain = services.deployment.domain_of(KEY_REGISTRATION)
        key = OrderKey(**body.model_dump(exclude={"signature"}), signature=from_hex(body.signature))
        signer = key_signer(domain=domain, key=key)
        with services.record.begin() as tx:
            entry = register_key(
                tx,
                signer=signer,
                key=key,
                organisations=services.directory.organisation_accounts,
                now=services.clock.now(),
            )
        return created(entry)

    return await write(request, who=who, shape=KeyBody, work=work)


@router.get("/keys", **lists(schemas.OrderKey))
def list_keys(
    request: Request, page: Annotated[Paging, Depends(paging)], who: Annotated[Principal, allow(*TRADERS)]
) -> Response:
    """One's own keys as they were registered: at an MTU the last one counts of those that begin by then."""
    with services_of(request).record.read() as connection:
        found = list(enumerate(queries.order_keys(connection, account=who.account)))
    return page_answer(
        request, items=found, key=lambda one: number_key(one[0]), page=page, shape=lambda one: noun_json(one[1])
    )
