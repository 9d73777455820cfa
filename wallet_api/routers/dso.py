"""The DSO: programs that wait for its verdict, what binds in them, and its signature or refusal."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from domain.eip712 import PROGRAM, REFUSAL
from domain.facts import BookClosed
from domain.hashing import from_hex
from domain.mtu import isoformat_utc, mtu_start
from domain.programs import program_values
from domain.signing import BadSignature
from edge.answers import Paging, json_answer, number_key, page_answer, paging
from edge.models import Body
from edge.policy import allow
from edge.problems import NoSuchThing
from edge.writes import Created, write
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotYours, Role
from ledger_service.programs.stage import committed_orders
from ledger_service.programs.verdicts import (
    BadReason,
    NotTheDso,
    NotValidated,
    VerdictGiven,
    VerdictTooLate,
    refusal_values,
)
from ledger_service.record.journal import Payload
from wallet_api.declaring import lists, reads, writes
from wallet_api.disclosure import Disclosure, area_of_market
from wallet_api.fields import MarketName, ProgramNumber, ProgramState, QueryText, Signature, Text
from wallet_api.lookup import market_named, program_named
from wallet_api.projection import Program, Projection
from wallet_api.routers.public import program_json
from wallet_api.routers.registrar import created
from wallet_api.schemas import dso as schemas
from wallet_api.schemas.public import Program as ProgramSchema
from wallet_api.services import API_PREFIX, projection_of, services_of
from wallet_api.typed_data import signing_view

ANY_STATE = "any"
"""Asks for programs whatever their state."""

REFUSAL_EXAMPLE = "grid works on feeder 3"
"""A reason as the DSO gives it; it is signed, stored and shown to everyone whose trades it ends."""

VERDICT_FAILURES = (NoSuchThing, NotYours, NotValidated, NotTheDso, VerdictTooLate, VerdictGiven, BadSignature)
"""Why a verdict may be refused."""

router = APIRouter(prefix=f"{API_PREFIX}/dso", tags=["dso"])


class SignatureBody(Body):
    """The DSO's signature over the Program."""

    signature: Signature


class RefusalBody(Body):
    """The DSO's reason, and its signature over the Refusal that contains it."""

    reason: Text
    signature: Signature


def _own(who: Principal, program: Program) -> Program:
    if who.role is Role.DSO and who.area is not None and who.area != program.area:
        raise NotYours(what="program")
    return program


def _market_code(request: Request, market: str) -> str:
    with services_of(request).record.read() as connection:
        return market_named(connection, market).market


@router.get("/programs", **lists(ProgramSchema))
def list_programs(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    who: Annotated[Principal, allow(Role.DSO, Role.AUDITOR)],
    state: Annotated[
        ProgramState | Literal["any"], Query(description="Only programs in this state; `any` for all")
    ] = "awaiting-verdict",
) -> Response:
    """Programs of the DSO's area in one state, or in `any`; without parameters those that wait for its verdict."""
    services = services_of(request)
    now = services.clock.now()
    found = [
        program
        for program in projection_of(request).programs()
        if (who.area is None or program.area == who.area) and state in (ANY_STATE, program.state(now=now))
    ]
    with services.record.read() as connection:
        markets = {name: market_named(connection, name) for name in {program.market for program in found}}
    return page_answer(
        request,
        items=found,
        key=lambda program: f"{program.market} {number_key(program.program)}",
        page=page,
        shape=lambda program: program_json(program, market=markets[program.market], now=now),
    )


@router.get("/verdicts", **lists(schemas.VerdictPage))
def list_verdicts(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    who: Annotated[Principal, allow(Role.DSO, Role.AUDITOR)],
) -> Response:
    """What the DSO decided, program by program, and where it let the deadline pass."""
    now = services_of(request).clock.now()
    projection = projection_of(request)
    verdicts = [
        shown
        for program in projection.programs()
        if (who.area is None or program.area == who.area)
        and (shown := _verdict(projection, program, now=now)) is not None
    ]
    return page_answer(
        request, items=verdicts, key=lambda one: f"{one['market']} {number_key(one['program'])}", page=page
    )


def _verdict(projection: Projection, program: Program, *, now: int) -> dict[str, Any] | None:
    shown: dict[str, Any] = {"market": program.market, "program": program.program, "area": program.area}
    if program.signed_sequence is not None:
        payload = projection.payload(program.signed_sequence)
        return {**shown, "verdict": "signed", "dso": payload["dso"], "signature": payload["signature"]}
    if program.refused_sequence is not None:
        payload = projection.payload(program.refused_sequence)
        return {**shown, "verdict": "refused", **{name: payload[name] for name in ("dso", "reason", "signature")}}
    if program.deadline is not None and now > program.deadline:
        return {**shown, "verdict": "silent"}
    return None


def _validated(projection: Projection, program: Program) -> Payload:
    if program.validated_sequence is None:
        raise NoSuchThing(what="validated program (its gate may still be open)")
    return projection.payload(program.validated_sequence)


@router.get("/programs/{market:path}/{program}/orders", **reads(schemas.ProgramOrders, failing=(NoSuchThing, NotYours)))
def program_orders(
    request: Request,
    market: MarketName,
    program: ProgramNumber,
    who: Annotated[Principal, allow(Role.DSO, Role.AUDITOR, before=Disclosure("validation.program", area_of_market))],
) -> Response:
    """The orders of a program's books with the connection point each acts at (null: at the transformer).

    With them and the schedules the DSO validates the program again by itself before it signs. No account is named.
    """
    services, projection = services_of(request), projection_of(request)
    found = _own(who, program_named(projection, market=_market_code(request, market), program=program))
    if found.book_sequence is None:
        raise NoSuchThing(what="closed book (its gate may still be open)")
    with services.record.read() as connection:
        orders = committed_orders(connection, projection.entry(found.book_sequence).as_a(BookClosed))
    items = [{"mtu": order.mtu, "word": f"0x{order.word().pack():064x}", "point": order.point} for order in orders]
    return json_answer({"items": items})


@router.get("/programs/{market:path}/{program}", **reads(schemas.ProgramToDecide, failing=(NoSuchThing, NotYours)))
def one_program(
    request: Request,
    market: MarketName,
    program: ProgramNumber,
    who: Annotated[Principal, allow(Role.DSO, Role.AUDITOR, before=Disclosure("validation.program", area_of_market))],
    reason: Annotated[QueryText, Query(description="Reason of the refusal that `to_refuse` is for")] = REFUSAL_EXAMPLE,
) -> Response:
    """All the DSO signs: results per MTU, power-flow report, envelopes, what binds, and typed data for both verdicts.

    `reason` is put into the typed data of a refusal.
    """
    services, projection = services_of(request), projection_of(request)
    code = _market_code(request, market)
    found = _own(who, program_named(projection, market=code, program=program))
    payload = _validated(projection, found)
    with services.record.read() as connection:
        rules = market_named(connection, code)
    domain = services.deployment.domain_of(PROGRAM)
    shown = {
        **program_json(found, market=rules, now=services.clock.now()),
        "results_root": payload["results_root"],
        "grid_model_hash": payload["grid_model_hash"],
        "report_hash": payload["report_hash"],
        "report": payload["report"],
        "rounds": payload["rounds"],
        "results": [_result_json(result) for result in payload["results"]],
        "envelopes": payload["envelopes"],
        "schedules": payload["schedules"],
        "earlier": payload["earlier"],
        "deadline": payload["deadline"],
        "deadline_utc": isoformat_utc(payload["deadline"]),
        "to_sign": signing_view(shape=PROGRAM, domain=domain, values=program_values(payload)),
        "to_refuse": signing_view(shape=REFUSAL, domain=domain, values=refusal_values(payload, reason=reason)),
    }
    return json_answer(shown)


def _result_json(result: Payload) -> dict[str, Any]:
    return {
        "mtu": result["mtu"],
        "starts": isoformat_utc(mtu_start(result["mtu"])),
        "price_neur_per_wh": result["price_neur_per_wh"],
        "words": result["words"],
        "result_hash": result["result_hash"],
        "given_up": result["given_up"],
    }


@router.post(
    "/programs/{market:path}/{program}/signature",
    **writes(SignatureBody, schemas.SignatureFact, failing=VERDICT_FAILURES),
)
async def sign_program(
    request: Request, market: MarketName, program: ProgramNumber, who: Annotated[Principal, allow(Role.DSO)]
) -> Response:
    """Sign a program: with it the market's results of this gate stand, and go to the chain."""

    services = services_of(request)

    def work(body: SignatureBody) -> Created:
        code = _to_decide(request, who, market=market, program=program)
        return created(services.verdicts.sign(market=code, program=program, signature=from_hex(body.signature)))

    return await write(request, who=who, shape=SignatureBody, work=work)


@router.post(
    "/programs/{market:path}/{program}/refusal",
    **writes(RefusalBody, schemas.RefusalFact, failing=(BadReason, *VERDICT_FAILURES)),
)
async def refuse_program(
    request: Request, market: MarketName, program: ProgramNumber, who: Annotated[Principal, allow(Role.DSO)]
) -> Response:
    """Refuse a program with a signed reason: nothing of this gate is traded, the agreements serve everyone."""

    services = services_of(request)

    def work(body: RefusalBody) -> Created:
        code = _to_decide(request, who, market=market, program=program)
        entry = services.verdicts.refuse(
            market=code, program=program, reason=body.reason, signature=from_hex(body.signature)
        )
        return created(entry)

    return await write(request, who=who, shape=RefusalBody, work=work)


def _to_decide(request: Request, who: Principal, *, market: str, program: int) -> str:
    """The market's code, if its program has been validated and is the DSO's to decide."""
    code = _market_code(request, market)
    projection = projection_of(request)
    _validated(projection, _own(who, program_named(projection, market=code, program=program)))
    return code
