"""The operator and the auditor: market time of the embedded node, where the stages stand, the journal's headers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from domain.errors import DominoesError
from domain.hashing import to_hex
from domain.mtu import isoformat_utc
from ledger_service.access.directory import Principal
from ledger_service.access.queries import stage_cursors
from ledger_service.access.roles import Role
from ledger_service.chain.outbox import pending
from wallet_api.answers import PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, json_answer
from wallet_api.declaring import lists, reads, steps
from wallet_api.fields import MarketTime
from wallet_api.policy import allow
from wallet_api.schemas import operation as schemas
from wallet_api.services import API_PREFIX, Services, services_of
from wallet_api.strict_json import Body
from wallet_api.writes import Created, write

PENDING_SHOWN_MAX = 200
"""Transactions listed of those on their way; their number is always given."""

router = APIRouter(prefix=API_PREFIX, tags=["operation"])


class ClockBody(Body):
    """The market time to reach, unix seconds."""

    advance_to: MarketTime


class ClockNotControlled(DominoesError):
    """The chain keeps its own time; only the embedded node is stepped by the service."""

    status = 409
    code = "clock-not-controlled"

    def __init__(self) -> None:
        super().__init__("market time follows the chain's blocks here and can't be set; wait for it")


@router.post("/clock", **steps(ClockBody, schemas.MarketTimeReached, failing=(ClockNotControlled,)))
async def advance_clock(request: Request, who: Annotated[Principal, allow(Role.OPERATOR)]) -> Response:
    """Let market time of the embedded node reach a value; a value in the past is reached already."""

    def work(services: Services, body: ClockBody) -> Created:
        if services.clock_control is None:
            raise ClockNotControlled
        now = services.clock.now()
        reached = now if body.advance_to <= now else services.clock_control(body.advance_to)
        return Created({"market_time": reached, "market_time_utc": isoformat_utc(reached)}, repeated=True)

    return await write(request, who=who, shape=ClockBody, work=work)


@router.get("/status", **reads(schemas.ServiceStatus))
def status(request: Request, _: Annotated[Principal, allow(Role.OPERATOR, Role.SECURITY_ADMIN)]) -> Response:
    """Where the stages stand: journal head, cursors, periods that can't be settled, transactions on their way."""
    services = services_of(request)
    with services.record.read() as connection:
        cursors = stage_cursors(connection)
        waiting = pending(connection)
    head = services.record.head()
    shown = {
        "market_time": services.clock.now(),
        "journal": {"sequence": head.sequence, "head": to_hex(head.hash)},
        "cursors": [{"stage": name, "sequence": at, "behind": head.sequence - at} for name, at in cursors.items()],
        "stuck_periods": [asdict(stuck) for stuck in services.stuck_periods()],
        "pending_transactions": len(waiting),
        "pending": [
            {"key": one.key, "contract": one.contract, "function": one.function, "tx_hash": to_hex(one.tx_hash)}
            for one in waiting[:PENDING_SHOWN_MAX]
        ],
    }
    return json_answer(shown)


@router.get("/journal", **lists(schemas.JournalHeader))
def journal(
    request: Request,
    _: Annotated[Principal, allow(Role.AUDITOR, Role.OPERATOR)],
    after: Annotated[int, Query(ge=0, le=2**53 - 1, description="Only entries after this sequence")] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE_ITEMS_MAX, description="Most items of this page")] = PAGE_ITEMS_DEFAULT,
) -> Response:
    """The journal's headers after a sequence: kinds and hashes, no payloads. The Link header leads to the next ones."""
    entries = services_of(request).record.entries(after=after, limit=limit)
    shown: list[dict[str, Any]] = [
        {
            "sequence": entry.sequence,
            "kind": entry.kind,
            "payload_hash": to_hex(entry.payload_hash),
            "previous": to_hex(entry.previous),
            "hash": to_hex(entry.hash),
            "erased": entry.payload is None,
        }
        for entry in entries
    ]
    headers = {}
    if len(entries) == limit:
        url = request.url.include_query_params(limit=limit, after=entries[-1].sequence)
        headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return json_answer({"items": shown}, headers=headers)
