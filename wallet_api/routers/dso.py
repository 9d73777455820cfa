"""The DSO: programs that wait for its verdict, what binds in them, and its signature or refusal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from domain.eip712 import PROGRAM, REFUSAL
from domain.errors import OutOfRange
from domain.facts import BookClosed, ProgramRefused, ProgramSigned, ProgramValidated
from domain.hashing import from_hex, to_hex
from domain.members import noun_read
from domain.policies import SigningPolicy
from domain.programs import program_values
from domain.signed_terms import TermNotSigned
from domain.signing import BadSignature
from edge.answers import model_answer
from edge.paging import Paging, page_answer, paging
from edge.policy import allow
from edge.problems import NoSuchThing
from edge.writes import Created, write
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotYours, Role
from ledger_service.overview import queries
from ledger_service.overview.queries import ProgramState, ProgramView
from ledger_service.programs.policies import publish_policy
from ledger_service.programs.stage import committed_orders
from ledger_service.programs.verdicts import (
    BadReason,
    NotTheDso,
    NotValidated,
    VerdictGiven,
    VerdictTooLate,
    refusal_values,
)
from ledger_service.record import Entry
from ledger_service.registry.errors import (
    AlreadyBegun,
    AlreadyRegistered,
    Malformed,
    NotRegistered,
    VersionOutOfOrder,
)
from ledger_service.settlement.queries import entries_by_sequence
from wallet_api.declaring import lists, reads, writes
from wallet_api.disclosure import Disclosure, area_of_market
from wallet_api.fields import MarketName, QueryText, SessionGate
from wallet_api.filters import InTime
from wallet_api.lookup import market_named, program_named
from wallet_api.recorded import created, receipted
from wallet_api.routers.public import SESSIONS, program_members
from wallet_api.schemas import dso as schemas
from wallet_api.schemas.policies import PolicyBody, PolicyFact
from wallet_api.schemas.public import Program as ProgramSchema
from wallet_api.services import API_PREFIX, services_of
from wallet_api.typed_data import signing_view

REFUSAL_EXAMPLE = "grid works on feeder 3"
"""A reason as the DSO gives it; it is signed, stored and shown to everyone whose trades it ends."""

VERDICT_FAILURES = (NoSuchThing, NotYours, NotValidated, NotTheDso, VerdictTooLate, VerdictGiven, BadSignature)
"""Why a verdict may be refused."""

router = APIRouter(prefix=f"{API_PREFIX}/dso", tags=["dso"])


def _own(who: Principal, program: ProgramView) -> ProgramView:
    if who.role is Role.DSO and who.area is not None and who.area != program.area:
        raise NotYours(what="program")
    return program


@router.get("/programs", **lists(ProgramSchema))
def list_programs(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(Role.DSO, Role.AUDITOR)],
    state: Annotated[
        ProgramState | Literal["any"], Query(description="Only programs in this state; `any` for all")
    ] = "awaiting_verdict",
) -> Response:
    """Programs of the DSO's area in one state, or in `any`; without parameters those that wait for its verdict."""
    services = services_of(request)
    now = services.clock.now()
    with services.record.read() as connection:
        wanted: ProgramState | None = None if state == "any" else state
        part = page.part(SESSIONS)
        found = queries.programs(connection, now=now, area=who.area, state=wanted, span=when, part=part)
        markets = {name: market_named(connection, name) for name in {program.market for program in found}}
    return page_answer(
        request,
        page=page,
        items=found,
        key=lambda one: (one.first_mtu, one.market, one.session),
        shape=lambda one: ProgramSchema(**program_members(one, market=markets[one.market], now=now)),
    )


@router.get("/verdicts", **lists(schemas.ProgramVerdict))
def list_verdicts(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(Role.DSO, Role.AUDITOR)],
) -> Response:
    """What the DSO decided, program by program, and where it let the deadline pass."""
    services = services_of(request)
    with services.record.read() as connection:
        found = queries.decided_programs(
            connection, now=services.clock.now(), area=who.area, span=when, part=page.part(SESSIONS)
        )
        given = [program.verdict_sequence for program in found if program.verdict_sequence is not None]
        entries = {entry.sequence: entry for entry in entries_by_sequence(connection, given)}
        shown = [_verdict(program, entries) for program in found]
    return page_answer(
        request, page=page, items=shown, key=lambda one: (one.first_mtu, one.market, one.session), shape=lambda one: one
    )


@router.get("/verdicts/{market:path}/{session}", **reads(schemas.ProgramVerdict, failing=(NoSuchThing, NotYours)))
def one_verdict(
    request: Request,
    market: MarketName,
    session: SessionGate,
    who: Annotated[Principal, allow(Role.DSO, Role.AUDITOR)],
) -> Response:
    """What the DSO decided of one program."""
    with services_of(request).record.read() as connection:
        found = _own(who, program_named(connection, market=market_named(connection, market).market, session=session))
        late = found.deadline is not None and services_of(request).clock.now() > found.deadline
        if found.signed_sequence is None and found.refused_sequence is None and not late:
            raise NoSuchThing(what="verdict on this program")
        sequence = found.verdict_sequence
        entries = {} if sequence is None else {sequence: _entry(connection, sequence)}
        return model_answer(_verdict(found, entries))


def _verdict(program: ProgramView, entries: Mapping[int, Entry]) -> schemas.ProgramVerdict:
    """The verdict on a program, from its entry among these."""
    sequence = program.verdict_sequence
    decided: Literal["signed", "refused"] = "refused" if program.signed_sequence is None else "signed"
    kind: type[ProgramSigned] | type[ProgramRefused] = ProgramSigned if decided == "signed" else ProgramRefused
    given = None if sequence is None else entries[sequence].as_a(kind)
    return schemas.ProgramVerdict(
        market=program.market,
        session=program.session,
        area=program.area,
        first_mtu=program.first_mtu,
        count=program.count,
        verdict="silent" if sequence is None else decided,
        dso=None if given is None else given.dso,
        reason=given.reason if isinstance(given, ProgramRefused) else None,
        signature=None if given is None else to_hex(given.signature),
    )


def _entry(connection: Connection, sequence: int) -> Entry:
    return entries_by_sequence(connection, [sequence])[0]


def _validated(connection: Connection, program: ProgramView) -> ProgramValidated:
    if program.validated_sequence is None:
        raise NoSuchThing(what="validated program (its gate may still be open)")
    return _entry(connection, program.validated_sequence).as_a(ProgramValidated)


@router.get("/programs/{market:path}/{session}/orders", **reads(schemas.ProgramOrders, failing=(NoSuchThing, NotYours)))
def program_orders(
    request: Request,
    market: MarketName,
    session: SessionGate,
    who: Annotated[Principal, allow(Role.DSO, Role.AUDITOR, before=Disclosure("validation.program", area_of_market))],
) -> Response:
    """The orders of a program's books with the connection point each acts at (null: at the transformer).

    With them and the schedules the DSO validates the program again by itself before it signs. No account is named.
    """
    with services_of(request).record.read() as connection:
        code = market_named(connection, market).market
        found = _own(who, program_named(connection, market=code, session=session))
        if found.book_sequence is None:
            raise NoSuchThing(what="closed book (its gate may still be open)")
        orders = committed_orders(connection, _entry(connection, found.book_sequence).as_a(BookClosed))
    items = [
        schemas.BookOrder(mtu=order.mtu, word=f"0x{order.word().pack():064x}", point=order.point) for order in orders
    ]
    return model_answer(schemas.ProgramOrders(items=items))


@router.get("/programs/{market:path}/{session}", **reads(schemas.ProgramToDecide, failing=(NoSuchThing, NotYours)))
def one_program(
    request: Request,
    market: MarketName,
    session: SessionGate,
    who: Annotated[Principal, allow(Role.DSO, Role.AUDITOR, before=Disclosure("validation.program", area_of_market))],
    reason: Annotated[QueryText, Query(description="Reason of the refusal that `to_refuse` is for")] = REFUSAL_EXAMPLE,
) -> Response:
    """All the DSO signs: results per MTU, power-flow report, envelopes, what binds, and typed data for both verdicts.

    `reason` is put into the typed data of a refusal.
    """
    services = services_of(request)
    with services.record.read() as connection:
        rules = market_named(connection, market)
        found = _own(who, program_named(connection, market=rules.market, session=session))
        validated = _validated(connection, found)
    domain = services.deployment.domain_of(PROGRAM)
    to_sign = signing_view(shape=PROGRAM, domain=domain, values=program_values(validated))
    to_refuse = signing_view(shape=REFUSAL, domain=domain, values=refusal_values(validated, reason=reason))
    payload = validated.payload()
    plain = (
        "books_root",
        "results_root",
        "traded_mask",
        "emptied_mask",
        "grid_model_hash",
        "report_hash",
        "report",
        "rounds",
        "schedules",
        "deadline",
    )
    shown = schemas.ProgramToDecide(
        **program_members(found, market=rules, now=services.clock.now()),
        **{name: payload[name] for name in plain},
        results=[schemas.Result(**result) for result in payload["results"]],
        envelopes=[schemas.Envelope(**envelope) for envelope in payload["envelopes"]],
        earlier=[schemas.EarlierPosition(**position) for position in payload["earlier"]],
        rules=schemas.ProgramRules(**payload["rules"]),
        to_sign=to_sign,
        to_refuse=to_refuse,
    )
    return model_answer(shown)


@router.post(
    "/programs/{market:path}/{session}/signature",
    **writes(schemas.SignatureBody, schemas.SignatureFact, failing=VERDICT_FAILURES),
)
async def sign_program(
    request: Request, market: MarketName, session: SessionGate, who: Annotated[Principal, allow(Role.DSO)]
) -> Response:
    """Sign a program: with it the market's results of this gate stand, and go to the chain."""
    services = services_of(request)

    def work(body: schemas.SignatureBody) -> Created:
        code = _to_decide(request, who, market=market, session=session)
        signed = services.verdicts.sign(market=code, session=session, signature=from_hex(body.signature))
        return created(signed, schemas.SignatureFact)

    return await write(request, who=who, shape=schemas.SignatureBody, work=work)


@router.post(
    "/programs/{market:path}/{session}/refusal",
    **writes(schemas.RefusalBody, schemas.RefusalFact, failing=(BadReason, *VERDICT_FAILURES)),
)
async def refuse_program(
    request: Request, market: MarketName, session: SessionGate, who: Annotated[Principal, allow(Role.DSO)]
) -> Response:
    """Refuse a program with a signed reason: nothing of this gate is traded, the agreements serve everyone."""
    services = services_of(request)

    def work(body: schemas.RefusalBody) -> Created:
        code = _to_decide(request, who, market=market, session=session)
        entry = services.verdicts.refuse(
            market=code, session=session, reason=body.reason, signature=from_hex(body.signature)
        )
        return created(entry, schemas.RefusalFact)

    return await write(request, who=who, shape=schemas.RefusalBody, work=work)


@router.post(
    "/policies",
    **writes(
        PolicyBody,
        PolicyFact,
        failing=(
            Malformed,
            OutOfRange,
            NotRegistered,
            NotYours,
            BadSignature,
            TermNotSigned,
            AlreadyBegun,
            VersionOutOfOrder,
            AlreadyRegistered,
        ),
    ),
)
async def publish_signing_policy(request: Request, who: Annotated[Principal, allow(Role.DSO)]) -> Response:
    """Publish the next version of the area's signing policy: from its first MTU on it binds each of the DSO's
    signatures under a program."""
    services = services_of(request)

    def work(body: PolicyBody) -> Created:
        if who.area is not None and who.area != body.area:
            raise NotYours(what="area")
        signed = services.term_signing.check(noun_read(SigningPolicy, body.model_dump()))
        with services.record.begin() as tx:
            entry = publish_policy(tx, signed=signed, now=services.clock.now())
        return receipted(entry, PolicyFact, services)

    return await write(request, who=who, shape=PolicyBody, work=work)


def _to_decide(request: Request, who: Principal, *, market: str, session: int) -> str:
    """The market's code, if its program has been validated and is the DSO's to decide."""
    with services_of(request).record.read() as connection:
        code = market_named(connection, market).market
        _validated(connection, _own(who, program_named(connection, market=code, session=session)))
    return code
