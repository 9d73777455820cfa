"""What anyone may read: market time, areas, markets, gates, prices, the ledger's addresses and anchored head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from domain import policies as policies_noun
from domain.areas import Area
from domain.eip712 import SHAPES, Domain
from domain.hashing import to_hex
from domain.markets import Market
from domain.members import noun_json
from domain.mtu import mtu_of
from domain.policies import policy_at
from edge.answers import model_answer
from edge.paging import INT64, TEXT, UINT32, Paging, page_answer, paging
from edge.policy import anyone
from edge.problems import NoSuchThing
from ledger_service.market.queries import next_opening
from ledger_service.overview import holdings, queries
from ledger_service.overview.queries import MtuEnd, ProgramMtu, ProgramState, ProgramView
from ledger_service.programs.policies import policies
from ledger_service.record.paging import only
from ledger_service.record.spans import Recorded, recorded_in
from ledger_service.registry import lists as listed
from ledger_service.registry import queries as registry
from ledger_service.settlement import queries as settlement
from ledger_service.settlement.queries import UnknownPeriod
from wallet_api.declaring import lists, reads
from wallet_api.fields import (
    MTU_LAST,
    AreaFilter,
    AreaName,
    MarketName,
    MtuNumber,
    PeriodNumber,
    SessionGate,
    VersionNumber,
)
from wallet_api.filters import InTime
from wallet_api.lookup import area_named, market_named, program_named, the_one
from wallet_api.schemas import public as schemas
from wallet_api.schemas.base import JournalHead
from wallet_api.schemas.policies import SigningPolicy
from wallet_api.schemas.session import SigningDomain
from wallet_api.services import API_PREFIX, PublicDeployment, services_of

DELIVERY = (UINT32, TEXT)
"""What periods are ordered by: first MTU, then area."""

SESSIONS = (UINT32, TEXT, INT64)
"""What sessions and their programs are ordered by: first MTU, market, gate."""

NEUR_PER_WH_OF_A_CENT = 10_000
"""1 ct/kWh in nEUR/Wh."""

router = APIRouter(prefix=API_PREFIX, tags=["public"])


@router.get("/clock", **reads(schemas.Clock))
def clock(request: Request, _: Annotated[None, anyone()]) -> Response:
    """Market time, the block time it belongs to, and how fast market time runs (1 in production)."""
    services = services_of(request)
    now = services.clock.now()
    shown = schemas.Clock(
        market_time=now,
        mtu=mtu_of(now),
        chain_time=services.deployment.chain_time(now),
        speed=services.deployment.speed,
    )
    return model_answer(shown)


@router.get("/areas", **lists(schemas.Area))
def list_areas(
    request: Request, page: Annotated[Paging, Depends(paging)], when: InTime, _: Annotated[None, anyone()]
) -> Response:
    """The grid areas: zone, deadlines, attesters, hash of the grid model; by time of when they were defined."""
    with services_of(request).record.read() as connection:
        found = listed.areas(connection, within=recorded_in(connection, when), part=page.part((TEXT,)))
    return page_answer(request, page=page, items=found, key=lambda one: (one.item.area,), shape=_area)


def _area(one: Recorded[Area]) -> schemas.Area:
    area = one.item
    return schemas.Area(
        recorded_at=one.recorded_at,
        area=area.area,
        area_id=to_hex(area.area_id),
        zone=area.zone,
        attest_seconds=area.attest_seconds,
        horizon_seconds=area.horizon_seconds,
        challenge_seconds=area.challenge_seconds,
        grid_model_hash=to_hex(area.grid_model_hash),
        threshold=area.threshold,
        attesters=[
            schemas.Attester(name=attester.name, address=attester.address, organisation=attester.organisation)
            for attester in area.attesters
        ],
    )


@router.get("/markets", **lists(schemas.Market))
def list_markets(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    _: Annotated[None, anyone()],
    area: AreaFilter = None,
) -> Response:
    """The markets and their rules: lot, tick, limits, gate; the filter by time is for their definition."""
    with services_of(request).record.read() as connection:
        within = recorded_in(connection, when)
        found = listed.markets(connection, area=area, within=within, part=page.part((TEXT,)))
        opening = {code: next_opening(connection, registry.area(connection, code)) for code in _areas_of(found)}
    return page_answer(
        request,
        page=page,
        items=found,
        key=lambda one: (one.item.market,),
        shape=lambda one: _market(one, opening[one.item.area]),
    )


def _areas_of(markets: Sequence[Recorded[Market]]) -> set[str]:
    return {one.item.area for one in markets}


def _market(one: Recorded[Market], opening: int | None) -> schemas.Market:
    market = one.item
    rules = {name: getattr(market, name) for name in schemas.MarketMembers.model_fields}
    return schemas.Market(
        market_id=market.market_hex,
        kind=market.kind.value,
        next_opening=opening,
        recorded_at=one.recorded_at,
        **rules,
    )


@router.get("/markets/{market:path}/programs", **lists(schemas.Program, failing=(NoSuchThing,)))
def list_programs(
    request: Request,
    market: MarketName,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    _: Annotated[None, anyone()],
    state: Annotated[ProgramState | None, Query(description="Only programs in this state")] = None,
) -> Response:
    """The gates of a market, given by code or 0x id: MTUs, gate and deadlines, state; by time of delivery."""
    services = services_of(request)
    now = services.clock.now()
    with services.record.read() as connection:
        known = market_named(connection, market)
        found = queries.programs(
            connection, now=now, market=known.market, state=state, span=when, part=page.part(SESSIONS)
        )
    return page_answer(
        request,
        page=page,
        items=found,
        key=lambda one: (one.first_mtu, one.market, one.session),
        shape=lambda one: schemas.Program(**program_members(one, market=known, now=now)),
    )


@router.get("/markets/{market:path}/programs/{session}", **reads(schemas.Program, failing=(NoSuchThing,)))
def one_program(request: Request, market: MarketName, session: SessionGate, _: Annotated[None, anyone()]) -> Response:
    """A session of a market, by its gate."""
    services = services_of(request)
    with services.record.read() as connection:
        known = market_named(connection, market)
        found = program_named(connection, market=known.market, session=session)
    return model_answer(schemas.Program(**program_members(found, market=known, now=services.clock.now())))


def program_members(program: ProgramView, *, market: Market, now: int) -> dict[str, Any]:
    """The members of a program as everyone may see it."""
    return {
        "market": program.market,
        "area": program.area,
        "session": program.session,
        "period": program.period,
        "first_mtu": program.first_mtu,
        "count": program.count,
        "book_deadline": program.session + market.grace_seconds,
        "sign_deadline": program.session + market.sign_seconds,
        "clear_deadline": program.session + market.clear_seconds,
        "verdict_deadline": program.deadline,
        "traded_mtus": program.traded,
        "cleared_mtus": program.cleared,
        "given_up_mtus": program.given_up,
        "lapsed_reason": program.lapsed_reason,
        "state": program.state(now=now),
    }


@router.get("/markets/{market:path}/prices", **lists(schemas.MtuPrice, failing=(NoSuchThing,)))
def list_prices(
    request: Request,
    market: MarketName,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    _: Annotated[None, anyone()],
) -> Response:
    """Price (nEUR/Wh, null without a trade) and traded volume (Wh) of each MTU of a session that has ended."""
    with services_of(request).record.read() as connection:
        known = market_named(connection, market)
        found = queries.ended_mtus(connection, market=known.market, span=when, part=page.part((UINT32, INT64)))
    return page_answer(
        request,
        page=page,
        items=found,
        key=lambda one: (one.mtu, one.session),
        shape=lambda one: _price(one, lot_wh=known.lot_wh),
    )


@router.get("/markets/{market:path}/prices/{session}/{mtu}", **reads(schemas.MtuPrice, failing=(NoSuchThing,)))
def one_price(
    request: Request, market: MarketName, session: SessionGate, mtu: MtuNumber, _: Annotated[None, anyone()]
) -> Response:
    """How one MTU of a session ended."""
    with services_of(request).record.read() as connection:
        known = market_named(connection, market)
        ended = queries.ended_mtus(connection, market=known.market, part=only(mtu, session))
    return model_answer(_price(the_one(ended, "ended MTU"), lot_wh=known.lot_wh))


def _price(ended: MtuEnd, *, lot_wh: int) -> schemas.MtuPrice:
    price = ended.price_neur_per_wh
    return schemas.MtuPrice(
        market=ended.market,
        session=ended.session,
        mtu=ended.mtu,
        price_neur_per_wh=price,
        price_ct_per_kwh=None if price is None else price_text(price),
        volume_wh=ended.volume_lots * lot_wh,
        state=ended.state,
    )


def price_text(price_neur_per_wh: int) -> str:
    """A price in ct/kWh for people, exact."""
    whole, rest = divmod(abs(price_neur_per_wh), NEUR_PER_WH_OF_A_CENT)
    return f"{'-' if price_neur_per_wh < 0 else ''}{whole}.{rest:04d}"


@router.get("/markets/{market:path}/mtus", **lists(schemas.MtuStanding, failing=(NoSuchThing,)))
def list_mtus(
    request: Request,
    market: MarketName,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    _: Annotated[None, anyone()],
) -> Response:
    """Where each MTU of a session stands: cleared, tradeless, void, or as its program does until then."""
    services = services_of(request)
    with services.record.read() as connection:
        known = market_named(connection, market)
        found = queries.program_mtus(connection, market=known.market, span=when, part=page.part((UINT32, INT64)))
    now = services.clock.now()
    return page_answer(
        request,
        page=page,
        items=found,
        key=lambda one: (one.mtu, one.program.session),
        shape=lambda one: _standing(one, now=now),
    )


@router.get("/markets/{market:path}/mtus/{session}/{mtu}", **reads(schemas.MtuStanding, failing=(NoSuchThing,)))
def one_mtu(
    request: Request, market: MarketName, session: SessionGate, mtu: MtuNumber, _: Annotated[None, anyone()]
) -> Response:
    """Where one MTU of a session stands."""
    services = services_of(request)
    with services.record.read() as connection:
        known = market_named(connection, market)
        found = queries.program_mtus(connection, market=known.market, part=only(mtu, session))
    return model_answer(_standing(the_one(found, "MTU of a program"), now=services.clock.now()))


def _standing(one: ProgramMtu, *, now: int) -> schemas.MtuStanding:
    state = one.program.state(now=now) if one.end is None else one.end.state
    return schemas.MtuStanding(market=one.program.market, mtu=one.mtu, session=one.program.session, state=state)


@router.get("/areas/{area:path}/periods", **lists(schemas.Period, failing=(NoSuchThing,)))
def list_periods(
    request: Request,
    area: AreaName,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    _: Annotated[None, anyone()],
) -> Response:
    """Where each period of an area stands: open, proposed, signed, settled, or final once no correction may follow."""
    with services_of(request).record.read() as connection:
        code = area_named(connection, area).area
        found = holdings.periods(connection, area=code, span=when, part=page.part(DELIVERY))
    return page_answer(request, page=page, items=found, key=lambda one: (one.first_mtu, one.area), shape=_period)


@router.get("/areas/{area:path}/periods/{period}", **reads(schemas.Period, failing=(NoSuchThing, UnknownPeriod)))
def one_period(request: Request, area: AreaName, period: PeriodNumber, _: Annotated[None, anyone()]) -> Response:
    """Where one period of an area stands."""
    with services_of(request).record.read() as connection:
        code = area_named(connection, area).area
        return model_answer(_period(settlement.period_state(connection, area=code, period=period)))


def _period(state: settlement.PeriodState) -> schemas.Period:
    return schemas.Period(
        area=state.area,
        period=state.period,
        first_mtu=state.first_mtu,
        count=state.count,
        settled_revisions=state.settled,
        state=_furthest(state),
    )


def _furthest(state: settlement.PeriodState) -> settlement.PeriodLife:
    """The furthest that any revision of the period came."""
    if state.is_final:
        return "final"
    if state.settled:
        return "settled"
    if state.proposal_revision is None:
        return "open"
    return "proposed" if state.signed_sequence is None else "signed"


@router.get("/areas/{area:path}/signing-policy", **reads(SigningPolicy, failing=(NoSuchThing,)))
def policy_in_force(
    request: Request,
    area: AreaName,
    _: Annotated[None, anyone()],
    mtu: Annotated[int | None, Query(ge=0, le=MTU_LAST, description="MTU; the one of now where none is given")] = None,
) -> Response:
    """The DSO's signing policy in force at an MTU: what its programs must keep, or it does not sign them."""
    services = services_of(request)
    at = mtu_of(services.clock.now()) if mtu is None else mtu
    with services.record.read() as connection:
        found = policy_at(policies(connection, area_named(connection, area).area), at)
    return _policy(found)


@router.get("/areas/{area:path}/signing-policies/{version}", **reads(SigningPolicy, failing=(NoSuchThing,)))
def one_policy(request: Request, area: AreaName, version: VersionNumber, _: Annotated[None, anyone()]) -> Response:
    """One version of the DSO's signing policy; they count from 1."""
    with services_of(request).record.read() as connection:
        versions = policies(connection, area_named(connection, area).area)
    return _policy(versions[version - 1] if version <= len(versions) else None)


def _policy(found: policies_noun.SigningPolicy | None) -> Response:
    if found is None:
        raise NoSuchThing(what="signing policy")
    return model_answer(SigningPolicy(**noun_json(found), policy_hash=to_hex(found.policy_hash)))


@router.get("/areas/{area:path}", **reads(schemas.Area, failing=(NoSuchThing,)))
def one_area(request: Request, area: AreaName, _: Annotated[None, anyone()]) -> Response:
    """One area, by its code."""
    with services_of(request).record.read() as connection:
        return model_answer(_area(the_one(listed.areas(connection, part=only(area)), "area")))


@router.get("/markets/{market:path}", **reads(schemas.Market, failing=(NoSuchThing,)))
def one_market(request: Request, market: MarketName, _: Annotated[None, anyone()]) -> Response:
    """One market, by code or 0x id."""
    with services_of(request).record.read() as connection:
        known = market_named(connection, market)
        opening = next_opening(connection, registry.area(connection, known.area))
        return model_answer(_market(the_one(listed.markets(connection, part=only(known.market)), "market"), opening))


@router.get("/ledger", **reads(schemas.Ledger))
def ledger(request: Request, _: Annotated[None, anyone()]) -> Response:
    """The deployment: chain, contracts, signing domains, the journal's head and the last head anchored on chain."""
    services = services_of(request)
    head, deployment = services.record.head(), services.deployment
    with services.record.read() as connection:
        anchor = queries.last_anchor(connection)
    shown = schemas.Ledger(
        chain_id=deployment.chain_id,
        contracts={name: to_hex(address) for name, address in deployment.addresses.items()},
        market_time=schemas.MarketTimeRule(
            origin_seconds=deployment.origin_seconds,
            start_seconds=deployment.start_seconds,
            speed=deployment.speed,
        ),
        signing=_signing(deployment),
        journal=JournalHead(sequence=head.sequence, head=to_hex(head.hash)),
        last_anchor=None if anchor is None else _anchor(anchor),
        deployment=dict(deployment.details),
    )
    return model_answer(shown)


def _anchor(anchor: queries.AnchoredHead) -> schemas.AnchoredHead:
    return schemas.AnchoredHead(
        sequence=anchor.sequence, head=to_hex(anchor.head), tx_hash=to_hex(anchor.tx_hash), block=anchor.block
    )


def _signing(deployment: PublicDeployment) -> dict[str, schemas.ShapeOfLedger]:
    shown = {}
    for shape in SHAPES.values():
        domain: Domain = deployment.domain_of(shape)
        shown[shape.name] = schemas.ShapeOfLedger(
            type=shape.type_string,
            domain=SigningDomain(**domain.as_json()),
            domain_separator=to_hex(domain.separator),
        )
    return shown
