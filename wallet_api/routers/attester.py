"""Attesters, machines all: what they verify against, their attestations, the settlements they recompute and sign."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from domain.eip712 import ATTESTATION, SETTLEMENT
from domain.hashing import from_hex
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotYours, Role
from ledger_service.metering import queries as metering
from ledger_service.metering.operations import accept_attestation
from ledger_service.registry import queries as registered
from ledger_service.settlement import gather, queries
from ledger_service.settlement.operations import SettlementOutdated, sign_settlement
from ledger_service.settlement.package import proposal_values
from wallet_api.answers import Paging, json_answer, number_key, page_answer, paging
from wallet_api.fields import Address, Code, Signature, Uint32
from wallet_api.openapi import body_of
from wallet_api.policy import allow
from wallet_api.routers.holdings import settlement_state
from wallet_api.routers.keys import require_own
from wallet_api.services import API_PREFIX, Services, services_of
from wallet_api.strict_json import Body
from wallet_api.typed_data import signing_view
from wallet_api.writes import Created, write

ATTESTATIONS_BODY_BYTES_MAX = 67_108_864
"""A day of readings of 1,000 meters with the messages they came in; larger areas send several parts."""

router = APIRouter(prefix=API_PREFIX, tags=["attester"])


class AttestationsBody(Body):
    """Attested MTUs of one period: readings in leaf order, roots and sums, signatures, and the meters' own messages."""

    area: Code
    period: Uint32
    attestations: list[dict[str, Any]]
    messages: list[str]


class SettlementSignatureBody(Body):
    """An attester's signature over the Settlement; `attester`, where given, must be one's own address."""

    signature: Signature
    attester: Address | None = None


def _own_area(who: Principal, area: str) -> str:
    if who.area is not None and area != who.area:
        raise NotYours(what="area")
    return area


@router.get("/attester/registry")
def registry(
    request: Request,
    who: Annotated[Principal, allow(Role.ATTESTER, Role.AUDITOR)],
    area: Annotated[str, Query(max_length=100)],
) -> Response:
    """What readings are verified against: meters with their keys and connections, attesters, periods, deadlines."""
    services = services_of(request)
    with services.record.read() as connection:
        found = metering.registry_of(
            connection,
            area=_own_area(who, area),
            readings=services.deployment.domain_of(ATTESTATION),
            settlement=services.deployment.domain_of(SETTLEMENT),
        )
    return json_answer(found.as_json())


@router.get("/attester/terms")
def terms(
    request: Request,
    who: Annotated[Principal, allow(Role.ATTESTER, Role.AUDITOR)],
    area: Annotated[str, Query(max_length=100)],
) -> Response:
    """The registry facts that settlements rest on, to be witnessed by attesters from the first day on."""
    with services_of(request).record.read() as connection:
        registered.area(connection, _own_area(who, area))
        found = gather.terms_of(connection, area=area)
    return json_answer(found)


@router.get("/attestations")
def attestation_states(
    request: Request,
    who: Annotated[Principal, allow(Role.ATTESTER, Role.AUDITOR)],
    area: Annotated[str, Query(max_length=100)],
    first_mtu: Annotated[int, Query(ge=0, le=2**32 - 1)],
    count: Annotated[int, Query(ge=1, le=metering.STATES_MAX)] = 96,
) -> Response:
    """Where MTUs stand: the revision each takes next, whether it was marked Unread, its last attestation."""
    with services_of(request).record.read() as connection:
        found = metering.attestation_states(connection, area=_own_area(who, area), first_mtu=first_mtu, count=count)
    shown = [state.as_json() for state in found]
    return json_answer({"items": shown})


@router.post("/attestations", status_code=201, openapi_extra=body_of(AttestationsBody))
async def attest(request: Request, who: Annotated[Principal, allow(Role.ATTESTER)]) -> Response:
    """Hand over attestations with m signatures each; every reading, message and signature is verified again."""

    def work(services: Services, body: AttestationsBody) -> Created:
        _own_area(who, body.area)
        with services.record.begin() as tx:
            entry = accept_attestation(
                tx,
                body.model_dump(),
                now=services.clock.now(),
                readings=services.deployment.domain_of(ATTESTATION),
                settlement=services.deployment.domain_of(SETTLEMENT),
            )
        mtus = [one["mtu"] for one in entry.content()["attestations"]]
        return Created({"sequence": entry.sequence, "mtus": mtus}, repeated=entry.repeated)

    return await write(request, who=who, shape=AttestationsBody, work=work, limit_bytes=ATTESTATIONS_BODY_BYTES_MAX)


@router.get("/attester/settlements")
def list_settlements(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    who: Annotated[Principal, allow(Role.ATTESTER, Role.AUDITOR)],
    area: Annotated[str | None, Query(max_length=100)] = None,
    state: Annotated[str | None, Query(pattern="^(proposed|signed|settled|final)$")] = None,
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


@router.get("/attester/settlements/{area:path}/{period}/{revision}")
def one_settlement(
    request: Request,
    area: str,
    period: int,
    revision: int,
    who: Annotated[Principal, allow(Role.ATTESTER, Role.AUDITOR)],
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
    status_code=201,
    openapi_extra=body_of(SettlementSignatureBody),
)
async def sign(
    request: Request, area: str, period: int, revision: int, who: Annotated[Principal, allow(Role.ATTESTER)]
) -> Response:
    """Add one's signature to a settlement; with the threshold reached it goes to the chain."""

    def work(services: Services, body: SettlementSignatureBody) -> Created:
        if body.attester is not None:
            require_own(who, body.attester)
        with services.record.begin() as tx:
            collected = sign_settlement(
                tx,
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
