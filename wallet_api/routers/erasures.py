"""Audits by auditors, and the erasure of one's own data that an audit makes possible."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from domain.eip712 import AUDIT, ERASURE
from domain.hashing import from_hex
from domain.signing import BadSignature
from edge.policy import allow
from edge.writes import Created, write
from ledger_service.access.directory import Principal
from ledger_service.access.roles import Role
from ledger_service.erasure import operations
from ledger_service.erasure.errors import (
    ErasureNotSigned,
    ErasureTooLate,
    NoSuchHead,
    NotAudited,
    NotTheAuditor,
    PeriodNotFinal,
)
from ledger_service.record.errors import ErasureUnfinished
from wallet_api.bundles import Bundles
from wallet_api.declaring import writes
from wallet_api.recorded import created
from wallet_api.roles import TRADERS
from wallet_api.schemas import erasing as schemas
from wallet_api.services import API_PREFIX, services_of

ASKED_BY_ITS_OWNER = "asked for by whose data it was"
"""Reason of an erasure through the API; it stands in public."""

router = APIRouter(prefix=API_PREFIX, tags=["own"])


@router.post(
    "/audits",
    **writes(schemas.AuditBody, schemas.AuditFact, failing=(BadSignature, NoSuchHead, NotTheAuditor)),
)
async def sign_audit(request: Request, who: Annotated[Principal, allow(Role.AUDITOR)]) -> Response:
    """Say that one verified the auditor bundle up to an entry and found it clean: what lies before may be erased."""
    services = services_of(request)

    def work(body: schemas.AuditBody) -> Created:
        entry = operations.sign_audit(
            services.record,
            auditor=who.address,
            sequence=body.sequence,
            head=from_hex(body.head),
            signature=from_hex(body.signature),
            domain=services.deployment.domain_of(AUDIT),
        )
        return created(entry, schemas.AuditFact)

    return await write(request, who=who, shape=schemas.AuditBody, work=work)


@router.post(
    "/erasures",
    **writes(
        schemas.ErasureBody,
        schemas.Erasure,
        failing=(
            BadSignature,
            ErasureNotSigned,
            ErasureTooLate,
            PeriodNotFinal,
            NotAudited,
            ErasureUnfinished,
        ),
    ),
)
async def erase(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """Erase one's own orders, cancels and schedules for good, of periods that are Final and audited.

    The account's own key signs the request, so that nobody who came by a token can. Again: what is left by then. Bills,
    balances and totals stay; no personal bundle opens to what is gone.
    """
    services = services_of(request)

    def work(body: schemas.ErasureBody) -> Created:
        asked = operations.ErasureRequest(who.account, body.before_mtu, body.deadline)
        domain = services.deployment.domain_of(ERASURE)
        asked.check(from_hex(body.signature), domain=domain, now=services.clock.now())
        made = operations.erase_account(
            services.record, account=who.account, before_mtu=body.before_mtu, reason=ASKED_BY_ITS_OWNER
        )
        bundles: Bundles = request.app.state.bundles
        bundles.forget(who.account)
        answer = schemas.Erasure(
            erased_entries=made.entries,
            erased_orders=made.orders,
            erasure_sequence=made.sequence,
            more=made.more,
        )
        return Created(answer, repeated=made.sequence is None)

    return await write(request, who=who, shape=schemas.ErasureBody, work=work)
