"""Attesters, machines all: what they verify against, their attestations, the settlements they recompute and sign."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from domain.attestations import AttestationSet
from domain.eip712 import ATTESTATION, SETTLEMENT
from domain.hashing import from_hex
from domain.members import noun_json
from domain.mtu import MTU_END
from domain.signing import BadSignature
from edge.answers import model_answer, parts_answer
from edge.paging import UINT32, Paging, page_answer, paging
from edge.policy import allow
from edge.writes import Created, read_shape, write, write_raw
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotYours, Role
from ledger_service.metering import queries as metering
from ledger_service.overview import holdings
from ledger_service.record.paging import Slice
from ledger_service.record.spans import MtuSpan
from ledger_service.registry import queries as registered
from ledger_service.registry.errors import NotRegistered
from ledger_service.settlement import gather, queries
from ledger_service.settlement.gather import FactMissing
from ledger_service.settlement.operations import NotAnAttester, SettlementOutdated, sign_settlement
from ledger_service.settlement.queries import NothingProposed, SettlementState, UnknownPeriod
from settling.attestations import AttestationRefused, RevisionTaken
from settling.unpacking import WrongInput
from wallet_api.declaring import lists, reads, writes
from wallet_api.disclosure import Disclosure, area_asked, area_in_path
from wallet_api.fields import (
    AreaFilter,
    AreaName,
    AreaQuery,
    MtuNumber,
    PeriodNumber,
    RevisionNumber,
)
from wallet_api.filters import InTime
from wallet_api.lookup import settlement_state
from wallet_api.routers.keys import require_own
from wallet_api.routers.public import DELIVERY
from wallet_api.schemas import attester as schemas
from wallet_api.schemas.settlement import SettlementToSign, Terms
from wallet_api.services import API_PREFIX, services_of
from wallet_api.typed_data import signing_view

ATTESTATIONS_BODY_BYTES_MAX = 67_108_864
"""A day of readings of 1,000 meters with the messages they came in; larger areas send several parts."""

router = APIRouter(prefix=API_PREFIX, tags=["attester"])


def read_attestations(raw: bytes, *, area: str | None) -> AttestationSet:
    """The set in a body, which must be about `area` unless None; called in another process for large bodies.

    Raises MalformedBody, InvalidFields, NotYours.
    """
    body = read_shape(raw, schemas.AttestationsBody)
    if area is not None and body.area != area:
        raise NotYours(what="area")
    return body.typed()


def _own_area(who: Principal, area: str) -> str:
    if who.area is not None and area != who.area:
        raise NotYours(what="area")
    return area


@router.get("/attester/registry", **reads(schemas.Registry, failing=(NotYours, NotRegistered)))
def registry(
    request: Request,
    who: Annotated[Principal, allow(Role.ATTESTER, Role.AUDITOR, before=Disclosure("metering.registry", area_asked))],
    area: AreaQuery,
) -> Response:
    """What readings are verified against: meters with their keys and connections, attesters, periods, deadlines."""
    services = services_of(request)
    with services.record.read() as connection:
        found = metering.metering_area_of(
            connection,
            area=_own_area(who, area),
            readings=services.deployment.domain_of(ATTESTATION),
            settlement=services.deployment.domain_of(SETTLEMENT),
        )
    return model_answer(schemas.Registry.model_validate(found.as_json()))


@router.get("/attester/terms", **reads(Terms, failing=(NotYours, NotRegistered)))
def terms(
    request: Request,
    who: Annotated[Principal, allow(Role.ATTESTER, Role.AUDITOR, before=Disclosure("settlement.terms", area_asked))],
    area: AreaQuery,
) -> Response:
    """The registry facts that settlements rest on, to be witnessed by attesters from the first day on."""
    with services_of(request).record.read() as connection:
        registered.area(connection, _own_area(who, area))
        found = gather.terms_of(connection, area=area)
    return model_answer(Terms.model_validate(noun_json(found)))


@router.get("/attestations", **lists(schemas.AttestationState, failing=(NotYours,)))
def list_attestations(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(Role.ATTESTER, Role.AUDITOR, before=Disclosure("metering.readings", area_asked))],
    area: AreaQuery,
) -> Response:
    """Where MTUs stand: the revision each takes next, whether it was marked Unread, its last attestation."""
    mtus = _mtus(when, page.part((UINT32,)))
    with services_of(request).record.read() as connection:
        first = min(mtus, default=0)
        found = metering.attestation_states(connection, area=_own_area(who, area), first_mtu=first, count=len(mtus))
    items = found[::-1] if page.descending else found
    # A page holds up to 500 MTUs with the readings of a whole area: written as they are kept.
    return page_answer(request, page=page, items=items, key=lambda one: (one.mtu,), shape=lambda one: one.as_json())


def _mtus(span: MtuSpan, part: Slice) -> range:
    """The MTUs of a part of a span; every MTU stands somewhere, so none has to be looked up."""
    first, end = span.first, min(span.end, MTU_END)
    if part.after is not None:
        first, end = (first, min(end, part.after[0])) if part.descending else (max(first, part.after[0] + 1), end)
    return range(max(first, end - part.limit), end) if part.descending else range(first, min(end, first + part.limit))


@router.get("/attestations/{area:path}/{mtu}", **reads(schemas.AttestationState, failing=(NotYours,)))
def one_attestation(
    request: Request,
    area: AreaName,
    mtu: MtuNumber,
    who: Annotated[Principal, allow(Role.ATTESTER, Role.AUDITOR, before=Disclosure("metering.readings", area_in_path))],
) -> Response:
    """Where one MTU of an area stands."""
    with services_of(request).record.read() as connection:
        found = metering.attestation_states(connection, area=_own_area(who, area), first_mtu=mtu, count=1)
    return model_answer(schemas.AttestationState.model_validate(found[0].as_json()))


@router.post(
    "/attestations",
    **writes(
        schemas.AttestationsBody,
        schemas.AttestedFact,
        failing=(NotYours, NotRegistered, AttestationRefused, RevisionTaken),
    ),
)
async def attest(request: Request, who: Annotated[Principal, allow(Role.ATTESTER)]) -> Response:
    """Hand over attestations with m signatures each; every reading, message and signature is verified again."""
    services = services_of(request)

    def work(raw: bytes) -> Created:
        read = partial(read_attestations, area=who.area)
        attested = services.attestations.accept(raw, read=read, now=services.clock.now())
        shown = schemas.AttestedFact(sequence=attested.sequence, mtus=list(attested.mtus))
        return Created(shown, repeated=attested.repeated)

    return await write_raw(request, who=who, work=work, limit_bytes=ATTESTATIONS_BODY_BYTES_MAX)


@router.get("/attester/settlements", **lists(schemas.ProposedSettlement, failing=(NotYours,)))
def list_settlements(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(Role.ATTESTER, Role.AUDITOR)],
    area: AreaFilter = None,
    state: Annotated[SettlementState | None, Query(description="Only settlements in this state")] = None,
) -> Response:
    """The newest proposal of each period: proposed (it waits for signatures), signed, settled or final."""
    code = who.area if area is None else _own_area(who, area)
    with services_of(request).record.read() as connection:
        found = holdings.proposed_periods(connection, area=code, state=state, span=when, part=page.part(DELIVERY))
    return page_answer(request, page=page, items=found, key=lambda one: (one.first_mtu, one.area), shape=_proposed)


def _proposed(one: queries.PeriodState) -> schemas.ProposedSettlement:
    revision = one.proposal_revision or 0
    return schemas.ProposedSettlement(
        area=one.area,
        period=one.period,
        revision=revision,
        first_mtu=one.first_mtu,
        count=one.count,
        state=settlement_state(one, revision=revision),
    )


@router.get(
    "/attester/settlements/{area:path}/{period}/{revision}",
    **reads(
        SettlementToSign,
        failing=(NotYours, UnknownPeriod, NothingProposed, SettlementOutdated, FactMissing, WrongInput),
    ),
)
def one_settlement(
    request: Request,
    area: AreaName,
    period: PeriodNumber,
    revision: RevisionNumber,
    who: Annotated[
        Principal, allow(Role.ATTESTER, Role.AUDITOR, before=Disclosure("settlement.package", area_in_path))
    ],
) -> Response:
    """The package a proposal follows from, to be recomputed before signing, and the typed data to sign."""
    services = services_of(request)
    code = _own_area(who, area)
    domain = services.deployment.domain_of(SETTLEMENT)
    package = services.packages.newest(area=code, period=period)
    if revision > package.revision:
        raise queries.NothingProposed(area=code, period=period, revision=revision)
    if revision < package.revision:
        raise SettlementOutdated(area=code, period=period, revision=revision)
    to_sign = signing_view(shape=SETTLEMENT, domain=domain, values=package.to_sign).model_dump_json(by_alias=True)
    return parts_answer([b'{"package":', package.text, b',"to_sign":', to_sign.encode(), b"}"])


@router.post(
    "/attester/settlements/{area:path}/{period}/{revision}/signature",
    **writes(
        schemas.SettlementSignatureBody,
        schemas.CollectedSignatures,
        failing=(NotYours, UnknownPeriod, NothingProposed, SettlementOutdated, NotAnAttester, BadSignature),
    ),
)
async def sign(
    request: Request,
    area: AreaName,
    period: PeriodNumber,
    revision: RevisionNumber,
    who: Annotated[Principal, allow(Role.ATTESTER)],
) -> Response:
    """Add one's signature to a settlement; with the threshold reached it goes to the chain."""
    services = services_of(request)

    def work(body: schemas.SettlementSignatureBody) -> Created:
        if body.attester is not None:
            require_own(who, body.attester)
        collected = sign_settlement(
            services.record,
            area=_own_area(who, area),
            period=period,
            revision=revision,
            signature=from_hex(body.signature),
            domain=services.deployment.domain_of(SETTLEMENT),
        )
        shown = schemas.CollectedSignatures(
            signatures=collected.signatures,
            threshold=collected.threshold,
            complete=collected.signatures >= collected.threshold,
        )
        return Created(shown)

    return await write(request, who=who, shape=schemas.SettlementSignatureBody, work=work)
