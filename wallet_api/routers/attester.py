"""Attesters, machines all: what they verify against, their attestations, the settlements they recompute and sign."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import ConfigDict, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from domain.eip712 import ATTESTATION, SETTLEMENT
from domain.hashing import from_hex
from domain.metering_errors import AttestationRefused, RevisionTaken
from domain.signing import BadSignature
from edge.answers import Paging, json_answer, number_key, page_answer, paging
from edge.models import Body
from edge.policy import allow
from edge.writes import Created, read_shape, write, write_raw
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotYours, Role
from ledger_service.metering import queries as metering
from ledger_service.registry import queries as registered
from ledger_service.registry.errors import NotRegistered
from ledger_service.settlement import gather, queries
from ledger_service.settlement.gather import FactMissing
from ledger_service.settlement.operations import NotAnAttester, SettlementOutdated, sign_settlement
from ledger_service.settlement.queries import NothingProposed, UnknownPeriod
from settling.attestations import ATTESTATIONS_MAX, MESSAGES_MAX
from settling.package import WrongInput, proposal_values
from wallet_api.declaring import lists, reads, writes
from wallet_api.disclosure import Disclosure, area_asked, area_in_path
from wallet_api.fields import (
    Address,
    AreaFilter,
    AreaName,
    AreaQuery,
    Bytes32,
    Code,
    FirstMtu,
    Mtu,
    Number,
    PeriodNumber,
    Revision,
    RevisionNumber,
    SettlementState,
    Signature,
    Uint32,
    Wh,
)
from wallet_api.routers.holdings import settlement_state
from wallet_api.routers.keys import require_own
from wallet_api.schemas import attester as schemas
from wallet_api.schemas.settlement import SettlementToSign, Terms
from wallet_api.services import API_PREFIX, services_of
from wallet_api.typed_data import signing_view

ATTESTATIONS_BODY_BYTES_MAX = 67_108_864
"""A day of readings of 1,000 meters with the messages they came in; larger areas send several parts."""

router = APIRouter(prefix=API_PREFIX, tags=["attester"])


_STRICT = ConfigDict(extra="forbid", strict=True)


class ReadingBody(TypedDict):
    """Registers of one meter at the end of one MTU, and the energy of that MTU, in Wh."""

    # A plain dict once validated, as attestations are: a body may hold a hundred thousand.
    __pydantic_config__ = _STRICT  # type: ignore[misc]

    meter: Code
    mtu: Mtu
    import_register_wh: Annotated[Wh, Field(description="Cumulative import register in Wh (OBIS 1.8.0)")]
    export_register_wh: Annotated[Wh, Field(description="Cumulative export register in Wh (OBIS 2.8.0)")]
    import_wh: Annotated[Wh, Field(description="Energy drawn in the MTU, in Wh")]
    export_wh: Annotated[Wh, Field(description="Energy fed in in the MTU, in Wh")]
    sequence: Annotated[Uint32, Field(description="Place among the meter's readings, from 1; 0 for a substitute")]
    quality: Annotated[Literal[0, 1], Field(description="0 = measured, 1 = substitute")]
    nonce: Bytes32


class AttestationBody(TypedDict):
    """One MTU: what attesters signed (docs/protocol.md, section 4), and the readings it is over."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    mtu: Mtu
    revision: Revision
    root: Annotated[Bytes32, Field(description="Merkle root over the reading hashes in ascending meter id")]
    count: Annotated[Uint32, Field(description="How many readings are under the root", examples=[1])]
    import_wh: Annotated[Wh, Field(description="Sum of energy drawn, in Wh")]
    export_wh: Annotated[Wh, Field(description="Sum of energy fed in, in Wh")]
    signatures: Annotated[list[Signature], Field(description="Of m or more attesters, ascending by signer")]
    readings: Annotated[list[ReadingBody], Field(description="In leaf order")]


class AttestationsBody(Body):
    """Attested MTUs of one period: readings in leaf order, roots and sums, signatures, and the meters' own messages."""

    area: Code
    period: Number
    attestations: list[AttestationBody] = Field(max_length=ATTESTATIONS_MAX)
    messages: list[str] = Field(max_length=MESSAGES_MAX, description="Compact JWS, as the meters published them")


def read_attestations(raw: bytes, *, area: str | None) -> dict[str, Any]:
    """The payload in a body, which must be about `area` unless None; called in another process for large bodies.

    Raises MalformedBody, InvalidFields, NotYours.
    """
    body = read_shape(raw, AttestationsBody)
    if area is not None and body.area != area:
        raise NotYours(what="area")
    return body.model_dump()


class SettlementSignatureBody(Body):
    """An attester's signature over the Settlement; `attester`, where given, must be one's own address."""

    signature: Signature
    attester: Address | None = None


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
    return json_answer(found.as_json())


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
    return json_answer(found)


@router.get("/attestations", **reads(schemas.AttestationStates, failing=(NotYours,)))
def attestation_states(
    request: Request,
    who: Annotated[Principal, allow(Role.ATTESTER, Role.AUDITOR, before=Disclosure("metering.readings", area_asked))],
    area: AreaQuery,
    first_mtu: FirstMtu,
    count: Annotated[int, Query(ge=1, le=metering.STATES_MAX, description="Number of MTUs of the range")] = 96,
) -> Response:
    """Where MTUs stand: the revision each takes next, whether it was marked Unread, its last attestation."""
    with services_of(request).record.read() as connection:
        there_are = min(count, 2**32 - first_mtu)  # the last MTU that the contracts can count
        found = metering.attestation_states(connection, area=_own_area(who, area), first_mtu=first_mtu, count=there_are)
    shown = [state.as_json() for state in found]
    return json_answer({"items": shown})


@router.post(
    "/attestations",
    **writes(
        AttestationsBody, schemas.AttestedFact, failing=(NotYours, NotRegistered, AttestationRefused, RevisionTaken)
    ),
)
async def attest(request: Request, who: Annotated[Principal, allow(Role.ATTESTER)]) -> Response:
    """Hand over attestations with m signatures each; every reading, message and signature is verified again."""

    services = services_of(request)

    def work(raw: bytes) -> Created:
        read = partial(read_attestations, area=who.area)
        attested = services.attestations.accept(raw, read=read, now=services.clock.now())
        shown = {"sequence": attested.sequence, "mtus": list(attested.mtus)}
        return Created(shown, repeated=attested.repeated)

    return await write_raw(request, who=who, work=work, limit_bytes=ATTESTATIONS_BODY_BYTES_MAX)


@router.get("/attester/settlements", **lists(schemas.ProposedSettlement, failing=(NotYours,)))
def list_settlements(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    who: Annotated[Principal, allow(Role.ATTESTER, Role.AUDITOR)],
    area: AreaFilter = None,
    state: Annotated[SettlementState | None, Query(description="Only settlements in this state")] = None,
) -> Response:
    """The newest proposal of each period: proposed (it waits for signatures), signed, settled or final."""
    code = who.area if area is None else _own_area(who, area)
    with services_of(request).record.read() as connection:
        states = queries.period_states(connection, area=code)
    found: list[dict[str, Any]] = [
        {
            "area": one.area,
            "period": one.period,
            "revision": one.proposal_revision,
            "first_mtu": one.first_mtu,
            "count": one.count,
            "state": settlement_state(one, revision=one.proposal_revision),
        }
        for one in states
        if one.proposal_revision is not None
    ]
    return page_answer(
        request,
        items=[one for one in found if state in (None, one["state"])],
        key=lambda one: f"{one['area']} {number_key(one['period'])}",
        page=page,
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
    with services.record.read() as connection:
        package = gather.proposal_package(connection, area=code, period=period)
    newest = package["proposal"]["revision"]
    if revision > newest:
        raise queries.NothingProposed(area=code, period=period, revision=revision)
    if revision < newest:
        raise SettlementOutdated(area=code, period=period, revision=revision)
    values = proposal_values(package["proposal"])
    return json_answer({"package": package, "to_sign": signing_view(shape=SETTLEMENT, domain=domain, values=values)})


@router.post(
    "/attester/settlements/{area:path}/{period}/{revision}/signature",
    **writes(
        SettlementSignatureBody,
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

    def work(body: SettlementSignatureBody) -> Created:
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
        return Created(
            {
                "signatures": collected.signatures,
                "threshold": collected.threshold,
                "complete": collected.signatures >= collected.threshold,
            }
        )

    return await write(request, who=who, shape=SettlementSignatureBody, work=work)
