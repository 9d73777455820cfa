"""What a trader reads of its own: trades, readings, agreement, set-points, statements with proofs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from domain.attestations import SignedAttestation
from domain.facts import SettlementProposed
from domain.hashing import from_hex, to_hex
from domain.members import noun_json
from domain.merkle import merkle_proof
from domain.mtu import mtu_of
from domain.statements import statement_hash
from domain.words import word_bytes
from edge.answers import model_answer
from edge.paging import INT32, INT64, TEXT, UINT32, Bytes, Paging, page_answer, paging
from edge.policy import allow
from edge.problems import NoSuchThing
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotYours, Role
from ledger_service.overview import holdings, queries
from ledger_service.overview.holdings import ReadingPlace
from ledger_service.overview.queries import StatementView, TradeRow
from ledger_service.record.paging import Slice, only
from ledger_service.record.spans import ALWAYS, MtuSpan
from ledger_service.registry import queries as registry
from ledger_service.registry.errors import NoAgreement, NotRegistered
from ledger_service.settlement import queries as settlement
from ledger_service.settlement.queries import PeriodState, UnknownPeriod
from wallet_api.declaring import lists, reads
from wallet_api.fields import (
    MTU_LAST,
    CodeName,
    MarketName,
    MtuNumber,
    OrderId,
    PeriodNumber,
    RevisionNumber,
    SessionGate,
)
from wallet_api.filters import InTime
from wallet_api.lookup import market_named, own_one, own_place, settlement_state
from wallet_api.roles import TRADERS
from wallet_api.schemas import own as schemas
from wallet_api.schemas.registry import Agreement, Tariff
from wallet_api.services import API_PREFIX, services_of

ORDER_ID = Bytes(16)

router = APIRouter(prefix=API_PREFIX, tags=["own"])


@router.get("/trades", **lists(schemas.Trade))
def list_trades(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(*TRADERS)],
) -> Response:
    """One's own trades by MTU: energy in Wh, the clearing price, + money is received."""
    with services_of(request).record.read() as connection:
        found = queries.trades(connection, account=who.account, span=when, part=page.part((UINT32, ORDER_ID)))
        lots_wh = _lots_wh(connection, found)
    return page_answer(
        request,
        page=page,
        items=found,
        key=lambda one: (one.mtu, one.order_id),
        shape=lambda one: _trade(one, lot_wh=lots_wh[one.market]),
    )


@router.get("/trades/{mtu}/{order_id}", **reads(schemas.Trade, failing=(NotYours,)))
def one_trade(
    request: Request, mtu: MtuNumber, order_id: OrderId, who: Annotated[Principal, allow(*TRADERS)]
) -> Response:
    """What was accepted of one of one's own orders."""
    with services_of(request).record.read() as connection:
        part = only(mtu, from_hex(order_id))
        found = own_one(queries.trades(connection, account=who.account, part=part), "trade")
        lots_wh = _lots_wh(connection, [found])
    return model_answer(_trade(found, lot_wh=lots_wh[found.market]))


def _lots_wh(connection: Connection, trades: list[TradeRow]) -> dict[str, int]:
    return {market: market_named(connection, market).lot_wh for market in {trade.market for trade in trades}}


def _trade(trade: TradeRow, *, lot_wh: int) -> schemas.Trade:
    energy_wh = trade.accepted_lots * lot_wh
    sign = 1 if trade.side else -1
    return schemas.Trade(
        market=trade.market,
        session=trade.session,
        mtu=trade.mtu,
        order_id=to_hex(trade.order_id),
        tag=to_hex(trade.tag),
        side="ask" if trade.side else "bid",
        energy_wh=energy_wh,
        price_neur_per_wh=trade.price_neur_per_wh,
        amount_neur=str(sign * energy_wh * trade.price_neur_per_wh),
    )


@router.get("/readings", **lists(schemas.OwnReading))
def list_readings(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(Role.PROSUMER)],
) -> Response:
    """One's own attested readings with the proof that each is under the root attesters signed."""
    with services_of(request).record.read() as connection:
        found = _readings(connection, who, span=when, part=page.part((UINT32, TEXT)))
    return page_answer(
        request,
        page=page,
        items=found,
        key=lambda one: (one.mtu, one.reading.meter),
        shape=lambda one: one,
    )


@router.get("/readings/{meter:path}/{mtu}", **reads(schemas.OwnReading, failing=(NotYours,)))
def one_reading(
    request: Request, meter: CodeName, mtu: MtuNumber, who: Annotated[Principal, allow(Role.PROSUMER)]
) -> Response:
    """One of one's own attested readings with its proof."""
    with services_of(request).record.read() as connection:
        return model_answer(own_one(_readings(connection, who, part=only(mtu, meter)), "reading"))


def _readings(
    connection: Connection, who: Principal, *, part: Slice, span: MtuSpan = ALWAYS
) -> list[schemas.OwnReading]:
    mine = span.within(own_place(connection, who.account))
    places = holdings.readings(connection, point=str(who.point), span=mine, part=part)
    attestations = holdings.attestations(connection, places)
    hashes = {place: [leaf.hash() for leaf in attestation.readings] for place, attestation in attestations.items()}
    return [_reading(place, attestations[place.area, place.mtu], hashes[place.area, place.mtu]) for place in places]


def _reading(place: ReadingPlace, attestation: SignedAttestation, hashes: list[bytes]) -> schemas.OwnReading:
    leaves = attestation.readings
    index = next(index for index, leaf in enumerate(leaves) if leaf.meter_code == place.meter)
    return schemas.OwnReading(
        mtu=place.mtu,
        reading=schemas.Reading(**leaves[index].as_json()),
        reading_hash=to_hex(hashes[index]),
        proof=[to_hex(node) for node in merkle_proof(hashes, index)],
        attestation=schemas.AttestedRoot(**noun_json(attestation, exclude=["mtu", "readings"])),
    )


@router.get("/agreement", **reads(schemas.OwnAgreement, failing=(NoAgreement, NotRegistered)))
def agreement(
    request: Request,
    who: Annotated[Principal, allow(Role.PROSUMER)],
    mtu: Annotated[int | None, Query(ge=0, le=MTU_LAST, description="MTU; the one of now where none is given")] = None,
) -> Response:
    """One's own agreement and the tariff version valid at an MTU (now, where none is given)."""
    services = services_of(request)
    at = mtu_of(services.clock.now()) if mtu is None else mtu
    with services.record.read() as connection:
        found = registry.agreement_at(connection, account=who.account, mtu=at)
        tariff = registry.tariff_at(connection, tariff=found.tariff, mtu=at)
        retailer = registry.participant_of(connection, found.retailer)
        guarantee = registry.guarantee_of(connection, who.account)
    shown = schemas.OwnAgreement(
        mtu=at,
        agreement=Agreement(**noun_json(found)),
        tariff=Tariff(**noun_json(tariff)),
        retailer=schemas.Supplier(account=found.retailer, name=None if retailer is None else retailer.participant),
        credit_neur=None if guarantee is None else str(guarantee.credit_neur),
    )
    return model_answer(shown)


@router.get("/set-points", **lists(schemas.SetPoint))
def list_set_points(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(Role.PROSUMER)],
) -> Response:
    """Envelopes the DSO set for one's own point, in Wh per MTU (null: none)."""
    with services_of(request).record.read() as connection:
        mine = when.within(own_place(connection, who.account))
        found = queries.set_points(connection, point=str(who.point), span=mine, part=page.part((UINT32, INT64)))
    return page_answer(request, page=page, items=found, key=lambda one: (one.mtu, one.sequence), shape=_set_point)


@router.get("/set-points/{market:path}/{session}/{mtu}", **reads(schemas.SetPoint, failing=(NoSuchThing, NotYours)))
def one_set_point(
    request: Request,
    market: MarketName,
    session: SessionGate,
    mtu: MtuNumber,
    who: Annotated[Principal, allow(Role.PROSUMER)],
) -> Response:
    """The envelope of one's own point in one MTU, that follows from one session of a market."""
    with services_of(request).record.read() as connection:
        code = market_named(connection, market).market
        found = queries.set_point(connection, point=str(who.point), market=code, session=session, mtu=mtu)
        mine = [found] if found and mtu in own_place(connection, who.account) else []
    return model_answer(_set_point(own_one(mine, "set-point")))


def _set_point(one: queries.SetPoint) -> schemas.SetPoint:
    shown = {name: getattr(one, name) for name in schemas.SetPoint.model_fields}
    return schemas.SetPoint(**shown)


@router.get("/statements", **lists(schemas.StatementSummary))
def list_statements(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    who: Annotated[Principal, allow(*TRADERS)],
) -> Response:
    """One's own statements, by period and revision, with the amount due (+ is received) and where each stands."""
    with services_of(request).record.read() as connection:
        found = queries.statements(connection, account=who.account, span=when, part=page.part((INT64, INT32)))
        states = holdings.period_states_of(connection, {(one.area, one.period) for one in found})
    return page_answer(
        request,
        page=page,
        items=found,
        key=lambda one: (one.period, one.revision),
        shape=lambda one: _summary(one, state=states[one.area, one.period]),
    )


def _summary(one: StatementView, *, state: PeriodState) -> schemas.StatementSummary:
    return schemas.StatementSummary(
        area=one.area,
        period=one.period,
        revision=one.revision,
        first_mtu=one.first_mtu,
        count=one.count,
        amount_neur=str(one.amount_neur),
        due_neur=str(one.due_neur),
        state=settlement_state(state, revision=one.revision),
    )


@router.get("/statements/{period}/{revision}", **reads(schemas.OwnStatement, failing=(NotYours, UnknownPeriod)))
def one_statement(
    request: Request, period: PeriodNumber, revision: RevisionNumber, who: Annotated[Principal, allow(*TRADERS)]
) -> Response:
    """One's own statement with its salt and the proof that it is under the root the attesters signed."""
    with services_of(request).record.read() as connection:
        view = own_one(queries.statements(connection, account=who.account, part=only(period, revision)), "statement")
        proposal = settlement.entries_by_sequence(connection, [view.sequence])[0].as_a(SettlementProposed)
        state = settlement.period_state(connection, area=view.area, period=period)
    account = view.account  # that of the time: the present one, or one before it
    item = next(item for item in proposal.statements if item.account == account)
    statement = item.statement.as_json()
    signed = ("words_hash", "clearing_root", "readings_root", "statements_root", "tariff_hash")
    shown = schemas.OwnStatement(
        state=settlement_state(state, revision=revision),
        statement=schemas.Statement.model_validate(statement),
        salt=to_hex(item.salt),
        statement_hash=to_hex(statement_hash(salt=item.salt, statement=statement)),
        proof=[to_hex(node) for node in settlement.statement_proof(proposal, account=account)],
        words=[to_hex(word) for word in map(word_bytes, proposal.words) if to_hex(word).startswith(account)],
        **{name: to_hex(getattr(proposal, name)) for name in signed},
    )
    return model_answer(shown)
