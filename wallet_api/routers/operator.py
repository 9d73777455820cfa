"""The operator and the auditor: market time of the embedded node, where the stages stand, the journal's headers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from domain.errors import DominoesError
from domain.hashing import to_hex
from domain.mtu import isoformat_utc
from edge.answers import INT64_MAX, Paging, cursor_of, json_answer, number_key, page_answer, paging
from edge.models import Body
from edge.policy import allow
from edge.writes import Created, write
from ledger_service.access.directory import Principal
from ledger_service.access.queries import stage_cursors
from ledger_service.access.roles import Role
from ledger_service.chain.stored_transactions import pending
from ledger_service.record import Entry
from wallet_api.declaring import lists, reads, steps
from wallet_api.fields import MarketTime
from wallet_api.schemas import operation as schemas
from wallet_api.services import API_PREFIX, services_of

CLOCK_STEP_SECONDS_MAX = 4 * 7 * 86_400
"""Furthest that market time is moved at once: time never goes back, so a slip of a digit must not end the run."""

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


class ClockStepTooLong(DominoesError):
    """The step is longer than market time is ever moved at once."""

    code = "clock-step-too-long"

    def __init__(self, *, wanted: int, now: int) -> None:
        self.wanted, self.now = wanted, now
        furthest = isoformat_utc(now + CLOCK_STEP_SECONDS_MAX)
        super().__init__(f"market time can't be moved to {wanted} at once; go in steps, the next to {furthest} at most")


@router.post("/clock", **steps(ClockBody, schemas.MarketTimeReached, failing=(ClockNotControlled, ClockStepTooLong)))
async def advance_clock(request: Request, who: Annotated[Principal, allow(Role.OPERATOR)]) -> Response:
    """Let market time of the embedded node reach a value; a value in the past is reached already."""

    services = services_of(request)

    def work(body: ClockBody) -> Created:
        if services.clock_control is None:
            raise ClockNotControlled
        now = services.clock.now()
        if body.advance_to > now + CLOCK_STEP_SECONDS_MAX:
            raise ClockStepTooLong(wanted=body.advance_to, now=now)
        reached = now if body.advance_to <= now else services.clock_control(body.advance_to)
        return Created({"market_time": reached, "market_time_utc": isoformat_utc(reached)}, repeated=True)

    return await write(request, who=who, shape=ClockBody, work=work)


@router.get("/status", **reads(schemas.ServiceStatus))
def status(request: Request, _: Annotated[Principal, allow(Role.OPERATOR, Role.SECURITY_ADMIN)]) -> Response:
    """Where the stages stand: journal head, cursors, periods that can't be settled, transactions on their way.

    Of a transaction's key only its kind: the rest names accounts and references.
    """
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
            {
                "kind": one.key.partition(":")[0],
                "contract": one.contract,
                "function": one.function,
                "tx_hash": to_hex(one.tx_hash),
            }
            for one in waiting[:PENDING_SHOWN_MAX]
        ],
    }
    return json_answer(shown)


@router.get("/journal", **lists(schemas.JournalHeader))
def journal(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    _: Annotated[Principal, allow(Role.AUDITOR, Role.OPERATOR)],
) -> Response:
    """The journal's headers in order: kinds and hashes, no payloads."""
    after = cursor_of(page, INT64_MAX)
    entries = services_of(request).record.entries(after=0 if after is None else after[0][0], limit=page.limit + 1)
    return page_answer(
        request, items=entries, key=lambda entry: number_key(entry.sequence), page=page, shape=_header_json
    )


def _header_json(entry: Entry) -> dict[str, Any]:
    return {
        "sequence": entry.sequence,
        "kind": entry.kind,
        "payload_hash": to_hex(entry.payload_hash),
        "previous": to_hex(entry.previous),
        "hash": to_hex(entry.hash),
        "erased": entry.payload is None,
    }
