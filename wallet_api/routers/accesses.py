"""Who read one's data: the readings by auditors of what one's area holds."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from domain.facts import AccessLogged
from domain.hashing import from_hex
from domain.mtu import isoformat_utc
from edge.answers import Paging, number_key, page_answer, paging
from edge.policy import allow
from ledger_service.access.directory import Directory, Principal, UnknownAccount
from ledger_service.record import Entry
from wallet_api.declaring import lists
from wallet_api.lookup import entries_where
from wallet_api.roles import TRADERS
from wallet_api.schemas import own as schemas
from wallet_api.services import API_PREFIX, services_of

router = APIRouter(prefix=API_PREFIX, tags=["own"])


@router.get("/accesses", **lists(schemas.Access))
def list_accesses(
    request: Request, page: Annotated[Paging, Depends(paging)], who: Annotated[Principal, allow(*TRADERS)]
) -> Response:
    """Every reading by an auditor of data that one's own was or may have been part of: what, by whom, when."""
    services = services_of(request)
    return page_answer(
        request,
        items=entries_where(
            services.record,
            kind=AccessLogged,
            page=page,
            wanted=lambda payload: payload["area"] in (None, who.area),
        ),
        key=lambda entry: number_key(entry.sequence),
        page=page,
        shape=lambda entry: _access_json(entry, directory=services.directory),
    )


def _access_json(entry: Entry, *, directory: Directory) -> dict[str, Any]:
    payload = entry.content()
    try:
        name = directory.find(from_hex(payload["auditor"])).name
    except UnknownAccount:
        name = None  # its key is no longer configured; the fact stays
    return {
        "sequence": entry.sequence,
        "auditor": payload["auditor"],
        "auditor_name": name,
        "what": payload["what"],
        "area": payload["area"],
        "market_time": payload["market_time"],
        "market_time_utc": isoformat_utc(payload["market_time"]),
    }
