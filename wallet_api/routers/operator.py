"""The operator and the auditor: market time of the embedded node, where the stages stand, the journal's headers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from domain.errors import DominoesError
from domain.hashing import to_hex
from domain.mtu import isoformat_utc
from edge.answers import model_answer
from edge.paging import INT64, Paging, page_answer, paging
from edge.policy import allow
from edge.problems import NoSuchThing
from edge.writes import Created, write
from ledger_service.access.directory import Principal
from ledger_service.access.queries import stage_cursors
from ledger_service.access.roles import Role
from ledger_service.chain.stored_transactions import pending
from ledger_service.record import Entry
from ledger_service.record.journal import read_headers
from ledger_service.record.paging import only
from ledger_service.record.spans import recorded_in
from wallet_api.declaring import lists, reads, steps
from wallet_api.fields import SequenceNumber
from wallet_api.filters import InTime
from wallet_api.lookup import the_one
from wallet_api.schemas import operation as schemas
from wallet_api.schemas.base import JournalHead
from wallet_api.services import API_PREFIX, services_of

CLOCK_STEP_SECONDS_MAX = 4 * 7 * 86_400
"""Furthest that market time is moved at once: time never goes back, so a slip of a digit must not end the run."""

PENDING_SHOWN_MAX = 200
"""Transactions listed of those on their way; their number is always given."""

router = APIRouter(prefix=API_PREFIX, tags=["operation"])


class ClockNotControlled(DominoesError):
    """The chain keeps its own time; only the embedded node is stepped by the service."""

    status = 409
    code = "clock-not-controlled"
    remedy = "Wait: on this service market time goes by itself."

    def __init__(self) -> None:
        super().__init__("market time follows the chain's blocks here and can't be set; wait for it")


class ClockStepTooLong(DominoesError):
    """The step is longer than market time is ever moved at once."""

    code = "clock-step-too-long"
    remedy = "Go in several steps, each at most as far as `detail` says."

    def __init__(self, *, wanted: int, now: int) -> None:
        self.wanted, self.now = wanted, now
        furthest = isoformat_utc(now + CLOCK_STEP_SECONDS_MAX)
        super().__init__(f"market time can't be moved to {wanted} at once; go in steps, the next to {furthest} at most")


@router.post(
    "/clock", **steps(schemas.ClockBody, schemas.MarketTimeReached, failing=(ClockNotControlled, ClockStepTooLong))
)
async def advance_clock(request: Request, who: Annotated[Principal, allow(Role.OPERATOR)]) -> Response:
    """Let market time of the embedded node reach a value; a value in the past is reached already."""
    services = services_of(request)

    def work(body: schemas.ClockBody) -> Created:
        if services.clock_control is None:
            raise ClockNotControlled
        now = services.clock.now()
        if body.advance_to > now + CLOCK_STEP_SECONDS_MAX:
            raise ClockStepTooLong(wanted=body.advance_to, now=now)
        reached = now if body.advance_to <= now else services.clock_control(body.advance_to)
        return Created(schemas.MarketTimeReached(market_time=reached), repeated=True)

    return await write(request, who=who, shape=schemas.ClockBody, work=work)


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
    shown = schemas.ServiceStatus(
        market_time=services.clock.now(),
        journal=JournalHead(sequence=head.sequence, head=to_hex(head.hash)),
        cursors=[
            schemas.StageCursor(stage=name, sequence=at, behind=head.sequence - at) for name, at in cursors.items()
        ],
        stuck_periods=[schemas.StuckPeriod(**asdict(stuck)) for stuck in services.stuck_periods()],
        pending_transactions=len(waiting),
        pending=[
            schemas.PendingTransaction(
                kind=one.key.partition(":")[0],
                contract=one.contract,
                function=one.function,
                tx_hash=to_hex(one.tx_hash),
            )
            for one in waiting[:PENDING_SHOWN_MAX]
        ],
    )
    return model_answer(shown)


@router.get("/journal", **lists(schemas.JournalHeader))
def list_journal(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    _: Annotated[Principal, allow(Role.AUDITOR, Role.OPERATOR)],
) -> Response:
    """The journal's headers in order: kinds and hashes, no payloads."""
    with services_of(request).record.read() as connection:
        within = recorded_in(connection, when)
        found = read_headers(connection, within=within, part=page.part((INT64,)))
    return page_answer(request, page=page, items=found, key=lambda one: (one.sequence,), shape=_header)


@router.get("/journal/{sequence}", **reads(schemas.JournalHeader, failing=(NoSuchThing,)))
def one_header(
    request: Request, sequence: SequenceNumber, _: Annotated[Principal, allow(Role.AUDITOR, Role.OPERATOR)]
) -> Response:
    """One header of the journal."""
    with services_of(request).record.read() as connection:
        return model_answer(_header(the_one(read_headers(connection, part=only(sequence)), "entry")))


def _header(entry: Entry) -> schemas.JournalHeader:
    return schemas.JournalHeader(
        sequence=entry.sequence,
        kind=entry.kind,
        payload_hash=to_hex(entry.payload_hash),
        previous=to_hex(entry.previous),
        hash=to_hex(entry.hash),
        erased=entry.text is None,
        recorded_at=entry.recorded_at,
    )
