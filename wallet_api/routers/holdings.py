"""What a trader reads of its own: trades, readings, agreement, set-points, statements with proofs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from domain.errors import DominoesError
from domain.hashing import to_hex
from domain.merkle import merkle_proof
from domain.mtu import isoformat_utc, mtu_of, mtu_start
from domain.readings import Reading
from domain.statements import statement_hash
from edge.answers import INT64_MAX, Paging, cursor_of, json_answer, number_key, page_answer, paging
from edge.policy import allow
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotYours, Role
from ledger_service.registry import queries as registry
from ledger_service.registry.errors import NoAgreement, NotRegistered
from ledger_service.settlement import queries as settlement
from ledger_service.settlement.queries import UnknownPeriod
from ledger_service.trading import queries as trading
from wallet_api.amounts import money
from wallet_api.declaring import lists, reads
from wallet_api.fields import FirstMtu, PeriodNumber, RevisionNumber
from wallet_api.lookup import market_named
from wallet_api.projection import accepted_by_tag
from wallet_api.roles import TRADERS
from wallet_api.schemas import own as schemas
from wallet_api.services import API_PREFIX, projection_of, services_of

TRADES_MTUS_MAX = 3_000
"""Most MTUs of one query for trades: a month."""

ORDERS_OF_QUERY_MAX = 100_000
"""Most orders looked through for one answer."""

router = APIRouter(prefix=API_PREFIX, tags=["own"])


class TooMuchAsked(DominoesError):
    """The range holds more than one answer may."""

    status = 400
    code = "too-much-asked"

    def __init__(self) -> None:
        super().__init__("the range holds too many orders for one answer; ask for fewer MTUs")


@router.get("/trades", **lists(schemas.Trade, failing=(TooMuchAsked,)))
def list_trades(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    who: Annotated[Principal, allow(*TRADERS)],
    first_mtu: FirstMtu,
    count: Annotated[int, Query(ge=1, le=TRADES_MTUS_MAX, description="Number of MTUs of the range")] = 96,
) -> Response:
    """One's own trades of [first_mtu, first_mtu + count): energy in Wh, the clearing price, + money is received."""
    services, projection = services_of(request), projection_of(request)
    with services.record.read() as connection:
        mine = trading.orders_of(
            connection, account=who.account, first_mtu=first_mtu, count=count, limit=ORDERS_OF_QUERY_MAX
        )
        if len(mine) == ORDERS_OF_QUERY_MAX:
            raise TooMuchAsked
        lots = {name: market_named(connection, name).lot_wh for name in {order.market for order in mine}}
        ended = {
            (market, outcome.mtu): outcome
            for market in lots
            for outcome in projection.outcomes(market=market, first_mtu=first_mtu, count=count)
            if outcome.volume_lots
        }
        wanted = {ended[key].sequence for order in mine if (key := (order.market, order.mtu)) in ended}
        words = {entry.sequence: entry.content() for entry in settlement.entries_by_sequence(connection, wanted)}
    accepted = {sequence: accepted_by_tag(payload) for sequence, payload in words.items()}
    found = []
    for order in mine:
        outcome = ended.get((order.market, order.mtu))
        if outcome is None or order.withdrawn:
            continue
        word = accepted[outcome.sequence].get(to_hex(order.tag))
        if word is not None and outcome.price_neur_per_wh is not None:
            energy_wh = word.accepted_lots * lots[order.market]
            found.append(_trade_json(order, energy_wh=energy_wh, price_neur_per_wh=outcome.price_neur_per_wh))
    return page_answer(request, items=found, key=lambda one: f"{number_key(one['mtu'])} {one['order_id']}", page=page)


def _trade_json(order: trading.BookOrder, *, energy_wh: int, price_neur_per_wh: int) -> dict[str, Any]:
    amount_neur = energy_wh * price_neur_per_wh * (1 if order.side else -1)
    return {
        "market": order.market,
        "mtu": order.mtu,
        "starts": isoformat_utc(mtu_start(order.mtu)),
        "order_id": to_hex(order.order_id),
        "tag": to_hex(order.tag),
        "side": "ask" if order.side else "bid",
        "energy_wh": energy_wh,
        "price_neur_per_wh": price_neur_per_wh,
        "amount": money(amount_neur),
    }


@router.get("/readings", **lists(schemas.OwnReading))
def list_readings(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    who: Annotated[Principal, allow(Role.PROSUMER)],
    period: Annotated[int, Query(ge=0, le=2**32 - 1, description="Number of a period of the area, from 1")],
) -> Response:
    """One's own attested readings of a period with the proof that each is under the root attesters signed."""
    services, projection = services_of(request), projection_of(request)
    area = str(who.area)
    sequences = projection.attestation_sequences(area=area, period=period)
    with services.record.read() as connection:
        meters = {meter.meter for meter in registry.meters(connection, area=area) if meter.point == who.point}
        entries = settlement.entries_by_sequence(connection, sequences)
    found = [
        shown
        for entry in entries
        if entry.payload is not None and "attestations" in entry.payload
        for attestation in entry.payload["attestations"]
        for shown in _own_readings(attestation, meters=meters)
    ]
    latest = {(one["reading"]["mtu"], one["reading"]["meter"]): one for one in found}
    return page_answer(
        request,
        items=latest.values(),
        key=lambda one: f"{number_key(one['reading']['mtu'])} {one['reading']['meter']}",
        page=page,
    )


def _own_readings(attestation: dict[str, Any], *, meters: set[str]) -> list[dict[str, Any]]:
    leaves = attestation["readings"]
    positions = [index for index, reading in enumerate(leaves) if reading["meter"] in meters]
    if not positions:
        return []
    hashes = [Reading.from_json(reading).hash() for reading in leaves]
    shared = {name: attestation[name] for name in ("revision", "root", "count", "import_wh", "export_wh", "signatures")}
    return [
        {
            "reading": leaves[index],
            "starts": isoformat_utc(mtu_start(leaves[index]["mtu"])),
            "reading_hash": to_hex(hashes[index]),
            "proof": [to_hex(node) for node in merkle_proof(hashes, index)],
            "attestation": shared,
        }
        for index in positions
    ]


@router.get("/agreement", **reads(schemas.OwnAgreement, failing=(NoAgreement, NotRegistered)))
def agreement(
    request: Request,
    who: Annotated[Principal, allow(Role.PROSUMER)],
    mtu: Annotated[int | None, Query(ge=0, le=2**32 - 1, description="MTU; the one of now where none is given")] = None,
) -> Response:
    """One's own agreement and the tariff version valid at an MTU (now, where none is given)."""
    services = services_of(request)
    at = mtu_of(services.clock.now()) if mtu is None else mtu
    with services.record.read() as connection:
        found = registry.agreement_at(connection, account=who.account, mtu=at)
        tariff = registry.tariff_at(connection, tariff=found.tariff, mtu=at)
        retailer = registry.participant_of(connection, found.retailer)
        guarantee = registry.guarantee_of(connection, who.account)
    shown = {
        "mtu": at,
        "agreement": asdict(found),
        "tariff": asdict(tariff),
        "retailer": {"account": found.retailer, "name": None if retailer is None else retailer.participant},
        "credit": None if guarantee is None else money(guarantee.credit_neur),
    }
    return json_answer(shown)


@router.get("/set-points", **lists(schemas.SetPoint))
def list_set_points(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    who: Annotated[Principal, allow(Role.PROSUMER)],
    first_mtu: Annotated[
        int | None, Query(ge=0, le=2**32 - 1, description="MTU; the one of now where none is given")
    ] = None,
) -> Response:
    """Envelopes the DSO set for one's own point, in Wh per MTU (null: none); from now on, or from `first_mtu`."""
    services, projection = services_of(request), projection_of(request)
    start = mtu_of(services.clock.now()) if first_mtu is None else first_mtu
    issued = {
        program.setpoints_sequence
        for program in projection.programs()
        if program.setpoints_sequence is not None
        and program.area == who.area
        and program.first_mtu + program.count > start
    }
    with services.record.read() as connection:
        entries = settlement.entries_by_sequence(connection, issued)
    found = [
        envelope | {"starts": isoformat_utc(mtu_start(envelope["mtu"])), "market": entry.payload["market"]}
        for entry in entries
        if entry.payload is not None
        for envelope in entry.payload["envelopes"]
        if envelope["point"] == who.point and envelope["mtu"] >= start
    ]
    return page_answer(request, items=found, key=lambda one: number_key(one["mtu"]), page=page)


@router.get("/statements", **lists(schemas.StatementSummary))
def list_statements(
    request: Request, page: Annotated[Paging, Depends(paging)], who: Annotated[Principal, allow(*TRADERS)]
) -> Response:
    """One's own statements, by period and revision, with the amount due (+ is received) and where each stands."""
    after = cursor_of(page, INT64_MAX, INT64_MAX)
    start = (0, -1) if after is None else after[0]
    found: list[dict[str, Any]] = []
    with services_of(request).record.read() as connection:
        for state in settlement.period_states(connection, area=who.area):
            if state.period < start[0]:
                continue
            if len(found) > page.limit:
                break  # a proposal holds everybody's statements: those of later pages are not read
            for revision, proposal in settlement.proposals(connection, area=state.area, period=state.period).items():
                statement = _statement_in(proposal, account=who.account)
                if statement is not None and (state.period, revision) > start:
                    found.append(_statement_summary(statement["statement"], state=state, revision=revision))
    return page_answer(request, items=found, key=lambda one: number_key(one["period"], one["revision"]), page=page)


def _statement_in(proposal: dict[str, Any], *, account: str) -> dict[str, Any] | None:
    return next((item for item in proposal["statements"] if item["account"] == account), None)


def settlement_state(state: settlement.PeriodState, *, revision: int) -> str:
    """Where a revision of a period's settlement stands."""
    if revision < state.settled:
        return "final" if state.is_final else "settled"
    return "signed" if state.signed_sequence is not None and revision == state.proposal_revision else "proposed"


def _statement_summary(statement: dict[str, Any], *, state: settlement.PeriodState, revision: int) -> dict[str, Any]:
    return {
        "area": state.area,
        "period": state.period,
        "revision": revision,
        "first_mtu": state.first_mtu,
        "count": state.count,
        "starts": isoformat_utc(mtu_start(state.first_mtu)),
        "amount": money(int(statement["amount_neur"])),
        "due": money(int(statement["due_neur"])),
        "state": settlement_state(state, revision=revision),
    }


@router.get("/statements/{period}/{revision}", **reads(schemas.OwnStatement, failing=(NotYours, UnknownPeriod)))
def one_statement(
    request: Request, period: PeriodNumber, revision: RevisionNumber, who: Annotated[Principal, allow(*TRADERS)]
) -> Response:
    """One's own statement with its salt and the proof that it is under the root the attesters signed."""
    area = str(who.area)
    with services_of(request).record.read() as connection:
        found = settlement.proposals(connection, area=area, period=period)
        proposal = found.get(revision)
        item = None if proposal is None else _statement_in(proposal, account=who.account)
        if proposal is None or item is None:
            raise NotYours(what="statement")
        state = settlement.period_state(connection, area=area, period=period)
    salt = bytes.fromhex(item["salt"][2:])
    shown = {
        "state": settlement_state(state, revision=revision),
        "statement": item["statement"],
        "salt": item["salt"],
        "statement_hash": to_hex(statement_hash(salt=salt, statement=item["statement"])),
        "proof": settlement.statement_proof(proposal, account=who.account),
        **{
            name: proposal[name]
            for name in ("words_hash", "clearing_root", "readings_root", "statements_root", "tariff_hash")
        },
        "words": [word for word in proposal["words"] if word.startswith(who.account)],
    }
    return json_answer(shown)
