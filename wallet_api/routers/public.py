"""What anyone may read: market time, areas, markets, gates, prices, the ledger's addresses and anchored head."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from domain.eip712 import SHAPES, Domain
from domain.hashing import to_hex
from domain.markets import Market
from domain.mtu import isoformat_utc, mtu_of, mtu_start
from edge.answers import Paging, json_answer, number_key, page_answer, paging
from edge.policy import anyone
from edge.problems import NoSuchThing
from ledger_service.registry import queries
from ledger_service.settlement import queries as settlement
from wallet_api.declaring import lists, reads
from wallet_api.fields import AreaName, FirstMtu, MarketName, ProgramState
from wallet_api.lookup import area_named, market_named
from wallet_api.projection import Outcome, Program
from wallet_api.schemas import public as schemas
from wallet_api.services import API_PREFIX, Deployment, projection_of, services_of

PRICES_MAX = 3_000
"""Most MTUs of one price query: a month."""

router = APIRouter(prefix=API_PREFIX, tags=["public"])


@router.get("/clock", **reads(schemas.Clock))
def clock(request: Request, _: Annotated[None, anyone()]) -> Response:
    """Market time, the block time it belongs to, and how fast market time runs (1 in production)."""
    services = services_of(request)
    now = services.clock.now()
    shown = {
        "market_time": now,
        "market_time_utc": isoformat_utc(now),
        "mtu": mtu_of(now),
        "chain_time": services.deployment.chain_time(now),
        "speed": services.deployment.speed,
    }
    return json_answer(shown)


@router.get("/areas", **lists(schemas.Area))
def list_areas(request: Request, page: Annotated[Paging, Depends(paging)], _: Annotated[None, anyone()]) -> Response:
    """The grid areas: zone, deadlines, attesters and the hash of the grid model."""
    with services_of(request).record.read() as connection:
        found = queries.areas(connection)
    shown = [
        {
            "area": area.area,
            "area_id": to_hex(area.area_id),
            "zone": area.zone,
            "attest_seconds": area.attest_seconds,
            "horizon_seconds": area.horizon_seconds,
            "challenge_seconds": area.challenge_seconds,
            "grid_model_hash": to_hex(area.grid_model_hash),
            "threshold": area.threshold,
            "attesters": [
                {"name": attester.name, "address": attester.address, "organisation": attester.organisation}
                for attester in area.attesters
            ],
        }
        for area in found
    ]
    return page_answer(request, items=shown, key=lambda area: str(area["area"]), page=page)


def market_json(market: Market) -> dict[str, Any]:
    """A market as it is shown: its rules, energies in Wh, prices in nEUR/Wh, times in seconds."""
    names = (
        "market area lot_wh tick_neur_per_wh min_limit_neur_per_wh max_limit_neur_per_wh "
        "grace_seconds sign_seconds clear_seconds gate_local kind"
    )
    return {"market_id": market.market_hex, **{name: getattr(market, name) for name in names.split()}}


@router.get("/markets", **lists(schemas.Market))
def list_markets(request: Request, page: Annotated[Paging, Depends(paging)], _: Annotated[None, anyone()]) -> Response:
    """The markets and their rules: lot, tick, limits, gate."""
    with services_of(request).record.read() as connection:
        found = [market_json(market) for market in queries.markets(connection)]
    return page_answer(request, items=found, key=lambda market: str(market["market"]), page=page)


@router.get("/markets/{market:path}/programs", **lists(schemas.Program, failing=(NoSuchThing,)))
def list_programs(
    request: Request,
    market: MarketName,
    page: Annotated[Paging, Depends(paging)],
    _: Annotated[None, anyone()],
    state: Annotated[ProgramState | None, Query(description="Only programs in this state")] = None,
) -> Response:
    """The gates of a market, given by code or 0x id: MTUs, gate and deadlines (unix seconds of market time), state."""
    services = services_of(request)
    with services.record.read() as connection:
        known = market_named(connection, market)
    now = services.clock.now()
    found = [
        program
        for program in projection_of(request).programs(market=known.market)
        if state is None or program.state(now=now) == state
    ]
    return page_answer(
        request,
        items=found,
        key=lambda program: number_key(program.program),
        page=page,
        shape=lambda program: program_json(program, market=known, now=now),
    )


def program_json(program: Program, *, market: Market, now: int) -> dict[str, Any]:
    """A program as everyone may see it."""
    return {
        "market": program.market,
        "area": program.area,
        "program": program.program,
        "period": program.period,
        "first_mtu": program.first_mtu,
        "count": program.count,
        "starts": isoformat_utc(mtu_start(program.first_mtu)),
        "gate": program.gate,
        "gate_utc": isoformat_utc(program.gate),
        "book_deadline": program.gate + market.grace_seconds,
        "sign_deadline": program.gate + market.sign_seconds,
        "clear_deadline": program.gate + market.clear_seconds,
        "verdict_deadline": program.deadline,
        "resolved_mtus": program.resolved,
        "given_up_mtus": program.given_up,
        "state": program.state(now=now),
    }


@router.get("/markets/{market:path}/prices", **reads(schemas.Prices, failing=(NoSuchThing,)))
def prices(
    request: Request,
    market: MarketName,
    first_mtu: FirstMtu,
    _: Annotated[None, anyone()],
    count: Annotated[int, Query(ge=1, le=PRICES_MAX, description="Number of MTUs of the range")] = 96,
) -> Response:
    """Price (nEUR/Wh, null without a trade) and traded volume (Wh) of each MTU that has ended one way or the other."""
    with services_of(request).record.read() as connection:
        known = market_named(connection, market)
    found = projection_of(request).outcomes(market=known.market, first_mtu=first_mtu, count=count)
    return json_answer({"market": known.market, "items": [_price_json(one, lot_wh=known.lot_wh) for one in found]})


@router.get("/markets/{market:path}/mtus", **reads(schemas.Mtus, failing=(NoSuchThing,)))
def list_mtus(
    request: Request,
    market: MarketName,
    first_mtu: FirstMtu,
    _: Annotated[None, anyone()],
    count: Annotated[int, Query(ge=1, le=PRICES_MAX, description="Number of MTUs of the range")] = 96,
) -> Response:
    """Where each MTU of a program stands: cleared, void, or as its program does until then."""
    services, projection = services_of(request), projection_of(request)
    with services.record.read() as connection:
        known = market_named(connection, market)
    now, ended = services.clock.now(), projection.ended(market=known.market)
    shown = [
        {
            "mtu": mtu,
            "starts": isoformat_utc(mtu_start(mtu)),
            "program": program.program,
            "state": _mtu_state(ended[mtu]) if mtu in ended else program.state(now=now),
        }
        for program in projection.programs(market=known.market)
        for mtu in range(max(program.first_mtu, first_mtu), min(program.first_mtu + program.count, first_mtu + count))
    ]
    return json_answer({"market": known.market, "items": shown})


def _mtu_state(outcome: Outcome) -> str:
    return "void" if outcome.void else "cleared"


@router.get("/areas/{area:path}/periods", **lists(schemas.Period, failing=(NoSuchThing,)))
def list_periods(
    request: Request, area: AreaName, page: Annotated[Paging, Depends(paging)], _: Annotated[None, anyone()]
) -> Response:
    """Where each period of an area stands: open, proposed, signed, settled, or final once no correction may follow."""
    with services_of(request).record.read() as connection:
        found = settlement.period_states(connection, area=area_named(connection, area).area)
    return page_answer(
        request,
        items=found,
        key=lambda state: number_key(state.period),
        page=page,
        shape=lambda state: {
            "area": state.area,
            "period": state.period,
            "first_mtu": state.first_mtu,
            "count": state.count,
            "starts": isoformat_utc(mtu_start(state.first_mtu)),
            "settled_revisions": state.settled,
            "state": _period_state(state),
        },
    )


def _period_state(state: settlement.PeriodState) -> str:
    """The furthest that any revision of the period came."""
    if state.is_final:
        return "final"
    if state.settled:
        return "settled"
    if state.proposal_revision is None:
        return "open"
    return "proposed" if state.signed_sequence is None else "signed"


def _price_json(outcome: Outcome, *, lot_wh: int) -> dict[str, Any]:
    price = outcome.price_neur_per_wh
    return {
        "mtu": outcome.mtu,
        "starts": isoformat_utc(mtu_start(outcome.mtu)),
        "price_neur_per_wh": price,
        "price_ct_per_kwh": None if price is None else price_text(price),
        "volume_wh": outcome.volume_lots * lot_wh,
        "state": _mtu_state(outcome),
    }


def price_text(price_neur_per_wh: int) -> str:
    """A price in ct/kWh for people, exact (1 ct/kWh = 10,000 nEUR/Wh)."""
    whole, rest = divmod(abs(price_neur_per_wh), 10_000)
    return f"{'-' if price_neur_per_wh < 0 else ''}{whole}.{rest:04d}"


@router.get("/markets/{market:path}", **reads(schemas.Market, failing=(NoSuchThing,)))
def one_market(request: Request, market: MarketName, _: Annotated[None, anyone()]) -> Response:
    """One market, by code or 0x id."""
    with services_of(request).record.read() as connection:
        return json_answer(market_json(market_named(connection, market)))


@router.get("/ledger", **reads(schemas.Ledger))
def ledger(request: Request, _: Annotated[None, anyone()]) -> Response:
    """The deployment: chain, contracts, signing domains, the journal's head and the last head anchored on chain."""
    services = services_of(request)
    head = services.record.head()
    deployment = services.deployment
    anchor = projection_of(request).last_anchor()
    shown = {
        "chain_id": deployment.chain_id,
        "contracts": {name: to_hex(address) for name, address in deployment.addresses.items()},
        "market_time": {
            "origin_seconds": deployment.origin_seconds,
            "start_seconds": deployment.start_seconds,
            "speed": deployment.speed,
        },
        "signing": _signing(deployment),
        "journal": {"sequence": head.sequence, "head": to_hex(head.hash)},
        "last_anchor": None if anchor is None else asdict(anchor),
        "deployment": dict(deployment.details),
    }
    return json_answer(shown)


def _signing(deployment: Deployment) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for shape in SHAPES.values():
        domain: Domain = deployment.domain_of(shape)
        shown[shape.name] = {
            "type": shape.type_string,
            "domain": domain.as_json(),
            "domain_separator": to_hex(domain.separator),
        }
    return shown
