"""Accounts give way to others: with their own signature, or by a proposal where a key was lost."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from domain.eip712 import ACCOUNT_REPLACEMENT
from domain.errors import OutOfRange
from domain.hashing import from_hex, to_hex
from domain.signing import BadSignature
from edge.answers import model_answer
from edge.paging import Bytes, Paging, page_answer, paging
from edge.policy import allow
from edge.writes import Created, write
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotYours, Role
from ledger_service.money import replacements
from ledger_service.money.replacements import Asked, NoSuccessorProposed, Proposed
from ledger_service.record import Entry
from ledger_service.record.paging import only
from ledger_service.registry.errors import AlreadyRegistered, DeadlinePassed, NotRegistered, WrongSigner
from wallet_api.declaring import lists, reads, writes
from wallet_api.fields import AccountName
from wallet_api.lookup import own_one
from wallet_api.roles import TRADERS
from wallet_api.routers.keys import require_own
from wallet_api.schemas import replacements as schemas
from wallet_api.services import API_PREFIX, services_of

router = APIRouter(prefix=API_PREFIX, tags=["money"])

REFUSALS = (OutOfRange, BadSignature, WrongSigner, NotRegistered, AlreadyRegistered, DeadlinePassed)
"""Why a replacement or a successor may be refused."""

READERS = (*TRADERS, Role.REGISTRAR, Role.OPERATOR)
"""Who may see successors that are proposed."""


@router.post("/replacements", **writes(schemas.ReplacementBody, schemas.AskedReplacement, failing=REFUSALS))
async def replace(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """Let another account take the place of one's own: balance, lines, agreements and point go over.

    From then on the old key signs nothing any more; log in with the successor's.
    """
    services = services_of(request)

    def work(body: schemas.ReplacementBody) -> Created:
        require_own(who, body.account)
        entry = replacements.ask_replacement(
            services.record,
            asked=Asked(body.account, body.successor, body.deadline),
            account_signature=from_hex(body.account_signature),
            successor_signature=from_hex(body.successor_signature),
            organisations=services.directory.organisation_accounts,
            domain=services.deployment.domain_of(ACCOUNT_REPLACEMENT),
            now=services.clock.now(),
        )
        return _asked(entry, body.account, body.successor)

    return await write(request, who=who, shape=schemas.ReplacementBody, work=work)


@router.post("/successors", **writes(schemas.SuccessorBody, schemas.AskedReplacement, failing=REFUSALS))
async def propose(request: Request, who: Annotated[Principal, allow(Role.REGISTRAR)]) -> Response:
    """Propose a successor for an account whose key was lost, with its guarantor's signature and the successor's.

    It takes over after its delay, which is longer than the challenge window, unless the old key or the registrar
    withdraws it.
    """
    services = services_of(request)

    def work(body: schemas.SuccessorBody) -> Created:
        operators = {to_hex(key.address) for key in services.directory.organisations(Role.OPERATOR)}
        entry = replacements.propose_successor(
            services.record,
            asked=Asked(body.account, body.successor, body.deadline),
            guarantor_signature=from_hex(body.guarantor_signature),
            successor_signature=from_hex(body.successor_signature),
            operators=operators,
            organisations=services.directory.organisation_accounts,
            domain=services.deployment.domain_of(ACCOUNT_REPLACEMENT),
            now=services.clock.now(),
        )
        return _asked(entry, body.account, body.successor)

    return await write(request, who=who, shape=schemas.SuccessorBody, work=work)


@router.get("/successors", **lists(schemas.Successor))
def list_successors(
    request: Request, page: Annotated[Paging, Depends(paging)], who: Annotated[Principal, allow(*READERS)]
) -> Response:
    """Successors that are proposed, and from when they may take over.

    To registrar and operator all, to others those for their own account and those they agreed to.
    """
    with services_of(request).record.read() as connection:
        found = replacements.proposed(connection, to=_seen_by(who), part=page.part((Bytes(20),)))
    return page_answer(request, page=page, items=found, key=lambda one: (one.account,), shape=_successor)


@router.get("/successors/{account}", **reads(schemas.Successor, failing=(NotYours,)))
def one_successor(request: Request, account: AccountName, who: Annotated[Principal, allow(*READERS)]) -> Response:
    """Which successor is proposed for an account, and from when it may take over."""
    with services_of(request).record.read() as connection:
        found = replacements.proposed(connection, to=_seen_by(who), part=only(from_hex(account)))
    return model_answer(_successor(own_one(found, "successor")))


def _seen_by(who: Principal) -> bytes | None:
    return who.address if who.role in TRADERS else None


@router.post(
    "/successors/{account}/cancellation",
    **writes(schemas.CancellationBody, schemas.CancelledSuccessor, failing=(NoSuccessorProposed,)),
)
async def cancel(request: Request, account: AccountName, who: Annotated[Principal, allow(Role.REGISTRAR)]) -> Response:
    """Withdraw a proposed successor. The old key does so by a transaction of its own (`dominoes account cancel`)."""
    services = services_of(request)

    def work(body: schemas.CancellationBody) -> Created:
        with services.record.begin() as tx:
            entry = replacements.cancel_successor(tx, account=account, ready_at=body.ready_at)
        shown = schemas.CancelledSuccessor(sequence=entry.sequence, account=account)
        return Created(shown, repeated=entry.repeated)

    return await write(request, who=who, shape=schemas.CancellationBody, work=work)


def _asked(entry: Entry, account: str, successor: str) -> Created:
    shown = schemas.AskedReplacement(sequence=entry.sequence, account=account, successor=successor)
    return Created(shown, repeated=entry.repeated)


def _successor(item: Proposed) -> schemas.Successor:
    return schemas.Successor(
        account=to_hex(item.account),
        successor=to_hex(item.successor),
        proposed_by=to_hex(item.by),
        ready_at=item.ready_at,
        expires_at=item.expires_at,
    )
