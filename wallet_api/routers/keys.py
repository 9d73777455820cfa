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
from edge.answers import model_answer
from edge.paging import TEXT, UINT32, Paging, page_answer, paging
from edge.policy import allow
from edge.writes import Created, write
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotAllowed, NotYours
from ledger_service.registry import lists as listed
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
from wallet_api.declaring import lists, reads, writes
from wallet_api.fields import OrderKeyName
from wallet_api.filters import InTime
from wallet_api.lookup import own_one
from wallet_api.recorded import receipted
from wallet_api.roles import TRADERS
from wallet_api.schemas import trading as schemas
from wallet_api.services import API_PREFIX, services_of

router = APIRouter(prefix=API_PREFIX, tags=["trading"])


def require_own(who: Principal, account: str) -> None:
    """A holder writes for its own account only. Raises NotAllowed."""
    if account != who.account:
        raise NotAllowed(role=f"{who.role} of another account", allowed=("the account itself",))


@router.post(
    "/keys",
    **writes(
        schemas.KeyBody,
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

    def work(body: schemas.KeyBody) -> Created:
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
        return receipted(entry, schemas.OrderKeyFact, services)

    return await write(request, who=who, shape=schemas.KeyBody, work=work)


@router.get("/keys", **lists(schemas.OrderKey))
def list_keys(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(*TRADERS)],
) -> Response:
    """One's own keys by the MTU they begin with: of those that begin by an MTU, the one registered last counts."""
    with services_of(request).record.read() as connection:
        found = listed.order_keys(connection, account=who.account, begins=when, part=page.part((UINT32, TEXT)))
    return page_answer(request, page=page, items=found, key=lambda one: (one.valid_from_mtu, one.order_key), shape=_key)


@router.get("/keys/{order_key}", **reads(schemas.OrderKey, failing=(NotYours,)))
def one_key(request: Request, order_key: OrderKeyName, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """One of one's own keys, by its address."""
    with services_of(request).record.read() as connection:
        found = queries.order_key(connection, order_key)
    return model_answer(_key(own_one([found] if found and found.account == who.account else [], "key")))


def _key(key: OrderKey) -> schemas.OrderKey:
    return schemas.OrderKey(**noun_json(key))
