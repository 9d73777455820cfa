"""Who read one's data: the readings by auditors of what one's area holds."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import Response

from domain.hashing import from_hex
from domain.mtu import MTU_SECONDS
from edge.answers import model_answer
from edge.paging import INT64, Paging, page_answer, paging
from edge.policy import allow
from ledger_service.access.directory import Directory, Principal, UnknownAccount
from ledger_service.access.roles import NotYours
from ledger_service.overview import queries
from ledger_service.record.paging import Slice, only
from ledger_service.record.spans import ALWAYS, MtuSpan
from wallet_api.declaring import lists, reads
from wallet_api.fields import SequenceNumber
from wallet_api.filters import InTime
from wallet_api.lookup import own_one
from wallet_api.roles import TRADERS
from wallet_api.schemas import own as schemas
from wallet_api.services import API_PREFIX, services_of

router = APIRouter(prefix=API_PREFIX, tags=["own"])


@router.get("/accesses", **lists(schemas.Access))
def list_accesses(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(*TRADERS)],
) -> Response:
    """Every reading by an auditor of data that one's own was or may have been part of: what, by whom, when."""
    services = services_of(request)
    with services.record.read() as connection:
        found = _accesses(connection, who, span=when, part=page.part((INT64,)))
    return page_answer(
        request,
        page=page,
        items=found,
        key=lambda one: (one.sequence,),
        shape=lambda one: _access(one, directory=services.directory),
    )


@router.get("/accesses/{sequence}", **reads(schemas.Access, failing=(NotYours,)))
def one_access(request: Request, sequence: SequenceNumber, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """One of these readings, by its place in the journal."""
    services = services_of(request)
    with services.record.read() as connection:
        found = own_one(_accesses(connection, who, part=only(sequence)), "access")
    return model_answer(_access(found, directory=services.directory))


def _accesses(connection: Connection, who: Principal, *, part: Slice, span: MtuSpan = ALWAYS) -> list[queries.Access]:
    begin, end = span.first * MTU_SECONDS, span.end * MTU_SECONDS
    return queries.accesses(connection, area=who.area, from_seconds=begin, to_seconds=end, part=part)


def _access(one: queries.Access, *, directory: Directory) -> schemas.Access:
    try:
        name = directory.find(from_hex(one.auditor)).name
    except UnknownAccount:
        name = None  # its key is no longer configured; the fact stays
    return schemas.Access(
        sequence=one.sequence,
        auditor=one.auditor,
        auditor_name=name,
        what=one.what,
        area=one.area,
        market_time=one.market_time,
    )
