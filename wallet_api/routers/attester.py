"""Attesters, machines all: what they verify against, their attestations, the settlements they recompute and sign."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from domain.eip712 import SETTLEMENT
from domain.hashing import from_hex
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotYours, Role
from ledger_service.settlement import gather, queries
from ledger_service.settlement.operations import SettlementOutdated, sign_settlement
from ledger_service.settlement.package import proposal_values
from wallet_api.answers import Paging, json_answer, number_key, page_answer, paging
from wallet_api.fields import Signature
from wallet_api.openapi import body_of
from wallet_api.policy import allow
from wallet_api.routers.holdings import settlement_state
from wallet_api.services import API_PREFIX, Services, services_of
from wallet_api.strict_json import Body
from wallet_api.typed_data import signing_view
from wallet_api.writes import Created, write

router = APIRouter(prefix=API_PREFIX, tags=["attester"])


class SettlementSignatureBody(Body):
    """An attester's signature over the Settlement."""

    signature: Signature


def _own_area(who: Principal, area: str) -> str:
    if who.area is not None and area != who.area:
        raise NotYours(what="area")
    return area


@router.get("/attester/settlements")
def list_settlements(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    who: Annotated[Principal, allow(Role.ATTESTER, Role.AUDITOR)],
    state: Annotated[str | None, Query(max_length=20)] = None,
) -> Response:
    """The newest proposal of each period of one's area: proposed (to be signed), signed, settled or final."""
    with services_of(request).record.read() as connection:
        states = queries.period_states(connection, area=who.area)
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
    found = [one for one in found if state in (None, one["state"])]
    return page_answer(request, items=found, key=lambda one: f"{one['area']} {number_key(one['period'])}", page=page)


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
