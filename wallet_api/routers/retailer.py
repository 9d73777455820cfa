"""The retailer: its customers, guarantees, cover, and what settled for them, never for anybody else's customers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from domain.eip712 import COVER, GUARANTEE
from domain.errors import OutOfRange
from domain.facts import SettlementProposed
from domain.hashing import from_hex, to_hex
from domain.lines import VAT, VatLine
from domain.members import noun_json
from domain.mtu import mtu_of
from domain.parties import Guarantee, ParticipantKind
from domain.signing import BadSignature
from domain.statements import Statement
from edge.answers import model_answer
from edge.paging import TEXT, Bytes, Paging, page_answer, paging, sliced_items
from edge.policy import allow
from edge.writes import Created, write
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotYours, Role
from ledger_service.money import operations as money_operations
from ledger_service.money import queries as money_queries
from ledger_service.money.operations import (
    BadReference,
    BalanceTooLow,
    DebtTooLow,
    NotTheGuarantor,
    OtherDebt,
    ReferenceUsed,
    WrongHolder,
)
from ledger_service.record.paging import Slice, only
from ledger_service.record.spans import ALWAYS, MtuSpan, recorded_in
from ledger_service.registry import lists as listed
from ledger_service.registry import queries as registry
from ledger_service.registry.consents import give_guarantee, guarantee_signers
from ledger_service.registry.errors import (
    AlreadyRegistered,
    ConsentMissing,
    DeadlinePassed,
    Malformed,
    NonceUsed,
    NotRegistered,
    WrongParty,
    WrongSigner,
)
from ledger_service.settlement import queries as settlement
from ledger_service.settlement.queries import NothingProposed, SettlementState, UnknownPeriod
from wallet_api.declaring import downloads, lists, reads, writes
from wallet_api.fields import AccountName, Address, AreaFilter, PeriodNumber
from wallet_api.filters import InTime
from wallet_api.lookup import own_one, settlement_state
from wallet_api.recorded import created, receipted
from wallet_api.roles import TRADERS
from wallet_api.routers.keys import require_own
from wallet_api.schemas import money as money_schemas
from wallet_api.schemas import retailer as schemas
from wallet_api.schemas.own import AnyLineKind
from wallet_api.schemas.registry import Agreement
from wallet_api.services import API_PREFIX, services_of

CSV_MEDIA_TYPE = "text/csv"
CSV_COLUMNS = ("account", "area", "period", "revision", "state", "kind", "energy_wh", "amount_neur", "partial")
CSV_EXAMPLE = (
    ",".join(CSV_COLUMNS)
    + "\r\n0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed,DE-LV1,1,0,settled,local_purchase,100,-15000000,0\r\n"
)

RevisionFilter = Annotated[int | None, Query(ge=0, le=2**32 - 1, description="The newest where none is given")]

router = APIRouter(prefix=API_PREFIX, tags=["retailer"])


@router.post(
    "/guarantees",
    **writes(
        money_schemas.GuaranteeBody,
        money_schemas.GuaranteeFact,
        failing=(
            Malformed,
            OutOfRange,
            NotRegistered,
            WrongParty,
            BadSignature,
            WrongSigner,
            ConsentMissing,
            NonceUsed,
            DeadlinePassed,
            BalanceTooLow,
            AlreadyRegistered,
        ),
    ),
)
async def guarantee(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """Give, change or (with 0) end the line of an account, from one's free balance: anyone's that agrees, or one's own.

    The chain refuses it until both accounts are bound there.
    """
    services = services_of(request)

    def work(body: money_schemas.GuaranteeBody) -> Created:
        require_own(who, body.guarantor)
        domain = services.deployment.domain_of(GUARANTEE)
        given = Guarantee(
            **body.model_dump(exclude={"credit_neur", "signature", "account_signature"}),
            credit_neur=int(body.credit_neur),
            signature=from_hex(body.signature),
            account_signature=None if body.account_signature is None else from_hex(body.account_signature),
        )
        signers = guarantee_signers(domain=domain, guarantee=given)
        with services.record.begin() as tx:
            funds = partial(money_operations.check_line, tx, given)
            entry = give_guarantee(tx, signers=signers, guarantee=given, now=services.clock.now(), check_funds=funds)
        return receipted(entry, money_schemas.GuaranteeFact, services)

    return await write(request, who=who, shape=money_schemas.GuaranteeBody, work=work)


@router.post(
    "/cover",
    **writes(
        money_schemas.CoverBody,
        money_schemas.CoverFact,
        failing=(
            OutOfRange,
            BadReference,
            BadSignature,
            WrongHolder,
            DeadlinePassed,
            NotTheGuarantor,
            OtherDebt,
            DebtTooLow,
            BalanceTooLow,
            ReferenceUsed,
        ),
    ),
)
async def cover(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """Pay debt of an account one guarantees, at most all of it, from one's own balance.

    What is called needs nothing free; the rest does.
    """
    services = services_of(request)

    def work(body: money_schemas.CoverBody) -> Created:
        require_own(who, body.guarantor)
        entry = money_operations.give_cover(
            services.record,
            guarantor=from_hex(body.guarantor),
            account=from_hex(body.account),
            amount_neur=int(body.amount_neur),
            debt_neur=int(body.debt_neur),
            ref=from_hex(body.ref),
            deadline=body.deadline,
            signature=from_hex(body.signature),
            now=services.clock.now(),
            domain=services.deployment.domain_of(COVER),
        )
        return created(entry, money_schemas.CoverFact)

    return await write(request, who=who, shape=money_schemas.CoverBody, work=work)


@router.get("/guarantees", **lists(money_schemas.Guarantee))
def list_guarantees(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(*TRADERS)],
) -> Response:
    """The credit lines one has given that are in force on chain, and what is called from them now.

    The filter by time is for when a line came in force as it is.
    """
    with services_of(request).record.read() as connection:
        within = recorded_in(connection, when)
        found = money_queries.guarantees(connection, guarantor=who.address, within=within, part=page.part((Bytes(20),)))
    return page_answer(request, page=page, items=found, key=lambda one: (one.account,), shape=_guarantee)


@router.get("/guarantees/{account}", **reads(money_schemas.Guarantee, failing=(NotYours,)))
def one_guarantee(request: Request, account: AccountName, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """The credit line that one has given to an account."""
    with services_of(request).record.read() as connection:
        found = money_queries.guarantees(connection, guarantor=who.address, part=only(from_hex(account)))
    return model_answer(_guarantee(own_one(found, "guarantee")))


def _guarantee(one: money_queries.GuaranteeState) -> money_schemas.Guarantee:
    return money_schemas.Guarantee(
        account=to_hex(one.account),
        credit_neur=str(one.credit_neur),
        called_neur=str(one.called_neur),
        locked_neur=str(one.locked_neur),
        nonce=one.nonce,
        recorded_at=one.recorded_at,
    )


@router.get("/retailer/customers", **lists(schemas.Customer))
def list_customers(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(Role.RETAILER)],
) -> Response:
    """Accounts whose agreement valid now is with this retailer, and those that will be; by when it begins."""
    with services_of(request).record.read() as connection:
        found = _customers(request, connection, who, begins=when, part=page.part((TEXT,)))
    return page_answer(request, page=page, items=found, key=lambda one: (one.account,), shape=lambda one: one)


@router.get("/retailer/customers/{account}", **reads(schemas.Customer, failing=(NotYours,)))
def one_customer(request: Request, account: AccountName, who: Annotated[Principal, allow(Role.RETAILER)]) -> Response:
    """One of one's own customers, by its account."""
    with services_of(request).record.read() as connection:
        return model_answer(own_one(_customers(request, connection, who, part=only(account)), "customer"))


def _customers(
    request: Request, connection: Connection, who: Principal, *, part: Slice, begins: MtuSpan = ALWAYS
) -> list[schemas.Customer]:
    now = mtu_of(services_of(request).clock.now())
    found = []
    for agreement in listed.customers(connection, retailer=who.account, mtu=now, begins=begins, part=part):
        participant = registry.participant_of(connection, agreement.account)
        if participant is not None:
            found.append(
                schemas.Customer(
                    account=agreement.account,
                    participant=participant.participant,
                    point=participant.point,
                    agreement=Agreement(**noun_json(agreement)),
                    state="now" if agreement.valid_from_mtu <= now else "later",
                )
            )
    return found


@dataclass(frozen=True, slots=True)
class CustomerSum:
    """The lines of one kind of one customer in one settlement, summed. `partial`: it changed retailer in the period."""

    account: str
    kind: AnyLineKind
    energy_wh: int
    amount_neur: int
    partial: bool


def own_mtus(connection: Connection, statement: Statement, *, retailer: str) -> set[int]:
    """The MTUs of a household's statement in which its agreement was with this retailer."""
    ours: dict[tuple[str, int], bool] = {}
    by_version = {
        (agreement.agreement, agreement.version): agreement.retailer == retailer
        for agreement in registry.agreements(
            connection, account=registry.present_account(connection, to_hex(statement.account))
        )
    }
    ours.update(by_version)
    return {
        opened.mtu
        for opened in statement.opens
        if opened.terms is not None and ours.get((opened.terms.agreement, opened.terms.agreement_version), False)
    }


def customer_totals(
    connection: Connection, proposal: SettlementProposed, *, retailer: str, account: str | None = None
) -> Iterator[CustomerSum]:
    """Per own customer and kind of line: energy and amount over the period, never a profile by MTU."""
    for item in proposal.statements:
        statement = item.statement
        if statement.kind != ParticipantKind.HOUSEHOLD or account not in (None, item.account):
            continue
        mtus = own_mtus(connection, statement, retailer=retailer)
        partial = len(mtus) < len(statement.opens)
        sums: dict[AnyLineKind, tuple[int, int]] = {}
        for line in statement.lines:
            if partial or not mtus if isinstance(line, VatLine) else line.mtu not in mtus:
                continue
            name, line_wh = (VAT, 0) if isinstance(line, VatLine) else (line.kind.name, line.energy_wh)
            kind = cast(AnyLineKind, name)  # a test holds the kinds of the API against those of the lines
            energy_wh, amount_neur = sums.get(kind, (0, 0))
            sums[kind] = (energy_wh + line_wh, amount_neur + line.amount_neur)
        for kind, (energy_wh, amount_neur) in sums.items():
            yield CustomerSum(item.account, kind, energy_wh, amount_neur, partial)


def _settlement(
    request: Request, who: Principal, *, area: str | None, period: int, revision: int | None, account: str | None
) -> tuple[SettlementProposed, SettlementState, list[CustomerSum]]:
    if area is not None and area != who.area:
        raise NotYours(what="settlement")
    code = str(who.area)
    with services_of(request).record.read() as connection:
        if account is not None and not any(
            agreement.retailer == who.account for agreement in registry.agreements(connection, account=account)
        ):
            raise NotYours(what="customer")
        proposal = settlement.latest_proposal(connection, area=code, period=period, revision=revision)
        state = settlement.period_state(connection, area=code, period=period)
        totals = list(customer_totals(connection, proposal, retailer=who.account, account=account))
    return proposal, settlement_state(state, revision=proposal.revision), totals


@router.get("/retailer/settlements", **lists(schemas.CustomerTotal, failing=(NotYours, UnknownPeriod, NothingProposed)))
def settlements(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    who: Annotated[Principal, allow(Role.RETAILER)],
    period: Annotated[int, Query(ge=0, le=2**32 - 1, description="Number of a period of the area, from 1")],
    area: AreaFilter = None,
    revision: RevisionFilter = None,
    account: Annotated[Address | None, Query(description="Only of this customer")] = None,
) -> Response:
    """What settled for one's own customers in a period (the newest revision, or the one given), per customer and kind.

    Amounts have the customer's sign: + was credited to the customer.
    """
    proposal, state, totals = _settlement(request, who, area=area, period=period, revision=revision, account=account)
    key = attrgetter("account", "kind")
    return page_answer(
        request,
        page=page,
        items=sliced_items(totals, page.part((TEXT, TEXT)), key=key),
        key=key,
        shape=lambda one: schemas.CustomerTotal(
            account=one.account,
            area=proposal.area,
            period=proposal.period,
            revision=proposal.revision,
            state=state,
            kind=one.kind,
            energy_wh=one.energy_wh,
            amount_neur=str(one.amount_neur),
            partial=one.partial,
        ),
    )


@router.get(
    "/retailer/settlements/{period}/export.csv",
    **downloads(
        {CSV_MEDIA_TYPE: {"schema": {"type": "string"}, "example": CSV_EXAMPLE}},
        description="One row per customer and kind of line; energy in Wh, amounts in nEUR",
        failing=(NotYours, UnknownPeriod, NothingProposed),
    ),
)
def export_csv(
    request: Request,
    period: PeriodNumber,
    who: Annotated[Principal, allow(Role.RETAILER)],
    area: AreaFilter = None,
    revision: RevisionFilter = None,
) -> Response:
    """The same as a CSV file: no cell begins with a sign that a spreadsheet takes for a formula, but for numbers."""
    proposal, state, totals = _settlement(request, who, area=area, period=period, revision=revision, account=None)
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(CSV_COLUMNS)
    for one in sorted(totals, key=lambda total: (total.account, total.kind)):
        fixed = [proposal.area, proposal.period, proposal.revision, state]
        rows.writerow([one.account, *fixed, one.kind, one.energy_wh, one.amount_neur, int(one.partial)])
    name = f"settlement-{proposal.period}-{proposal.revision}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text.getvalue(), media_type=f"{CSV_MEDIA_TYPE}; charset=utf-8", headers=headers)
