"""The application: routers, policy check, problem answers, surroundings."""

from __future__ import annotations

import time
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest
from starlette.responses import Response

from edge.answers import model_answer
from edge.application import equip, routed
from edge.context import Edge, edge_of
from edge.limits import Limiter
from edge.login import Login
from edge.middleware import Metrics
from edge.openapi import Document
from edge.pages import problem_pages
from edge.policy import anyone
from ledger_service.access.idempotency import AnswerBook
from ledger_service.overview import OVERVIEW
from wallet_api.bundles import Bundles
from wallet_api.declaring import DECLARING, reads, texts
from wallet_api.health import HealthCheck
from wallet_api.routers import (
    accesses,
    attester,
    calls,
    dso,
    erasures,
    evidence,
    holdings,
    keys,
    mandates,
    money,
    operator,
    orders,
    public,
    registrar,
    replacements,
    retailer,
    session,
)
from wallet_api.schemas.public import Health
from wallet_api.services import API_PREFIX, API_VERSION, Services

_DESCRIPTION = """
The DOMINOES local energy market: keys, signed orders and their receipts, balances, bills with proofs, the DSO's and the
attesters' signatures. Energy is whole Wh, price whole nEUR/Wh (1 ct/kWh = 10,000), money whole nEUR as decimal text;
MTU = unix seconds // 900. Every write that touches orders, money or verdicts carries its holder's EIP-712 signature:
ask `/v1/typed-data` for what to sign. Whatever is not a success is a problem of RFC 9457 whose `type` is stable.
Answers may gain members within /v1; ignore those you don't know.
"""

TAGS: tuple[dict[str, str], ...] = (
    {"name": "session", "description": "Log in with a signature, and get typed data for everything that is signed."},
    {"name": "public", "description": "What anyone may read: market time, areas, markets, gates, prices, the ledger."},
    {"name": "trading", "description": "Order keys, signed orders and schedules, and the operator's receipts."},
    {"name": "own", "description": "What a trader reads of its own: trades, readings, set-points, statements."},
    {"name": "money", "description": "Balances, movements, deposits and redemptions, in nEUR as decimal text."},
    {"name": "registrar", "description": "The registry: areas, markets, participants, meters, agreements, tariffs."},
    {"name": "retailer", "description": "Guarantees, cover, and what settled for a retailer's own customers."},
    {"name": "dso", "description": "Programs that wait for the grid operator's verdict, its signature or refusal."},
    {"name": "attester", "description": "Attestations of readings, and settlements to recompute and sign."},
    {"name": "evidence", "description": "Bundles that an outsider verifies, up to the last anchor (docs/evidence.md)."},
    {"name": "chain", "description": "Calls to the chain that an organisation signs with its own key."},
    {"name": "operation", "description": "Market time of an embedded node, cursors of the stages, journal headers."},
    {"name": "service", "description": "Health and metrics of the service itself."},
)
"""The groups of operations, one per audience."""

_LOGIN = (
    "An access token of `POST /v1/session`, good for 15 minutes. It says who is asking and moves no "
    "money: what touches orders, money or verdicts carries its holder's EIP-712 signature besides."
)

ABOUT = Document(
    title="DOMINOES wallet API",
    version=API_VERSION,
    description=_DESCRIPTION.strip(),
    path=f"{API_PREFIX}/openapi.json",
    tags=TAGS,
    login=_LOGIN,
)
"""What the document says of the API as a whole."""

ROUTERS: tuple[APIRouter, ...] = (
    orders.router,
    session.router,
    public.router,
    keys.router,
    mandates.router,
    holdings.router,
    accesses.router,
    money.router,
    replacements.router,
    registrar.router,
    retailer.router,
    dso.router,
    attester.router,
    evidence.router,
    erasures.router,
    operator.router,
    calls.router,
)
"""What is served below /v1, each router with its full paths; orders first, for routes are matched in turn."""

METRICS_EXAMPLE = 'dominoes_http_requests_total{method="GET",route="/v1/clock",status="200"} 12.0\n'

service_router = APIRouter(tags=["service"])


@service_router.get("/health", **reads(Health))
async def health(request: Request, _: Annotated[None, anyone(at_once=True)]) -> Response:
    """Whether the service can do its work: ok, or degraded where the node or a stage is not; 503 without its record."""
    check: HealthCheck = request.app.state.health
    return model_answer(await to_thread.run_sync(check.look, limiter=edge_of(request).health_threads))


@service_router.get(
    "/metrics", **texts("text/plain", description="Prometheus exposition format", example=METRICS_EXAMPLE)
)
async def metrics(request: Request, _: Annotated[None, anyone(at_once=True)]) -> Response:
    """Prometheus metrics: counts and durations by route, nothing personal."""
    return Response(generate_latest(edge_of(request).metrics.registry), media_type=CONTENT_TYPE_LATEST)


def routed_api() -> FastAPI:
    """The routes of the API and their document, without services. Raises PolicyMissing for a route without policy."""
    return routed((service_router, problem_pages(DECLARING), *ROUTERS), about=ABOUT)


def create_app(services: Services) -> FastAPI:
    """Build the API over its services. Raises PolicyMissing where a route declares no policy."""
    app = routed_api()
    services.record.keep(OVERVIEW)
    login = Login(tokens=services.tokens, directory=services.directory, wall_clock=services.wall_clock)
    edge = Edge(
        authenticate=login.authenticate,
        limiter=Limiter(monotonic=time.monotonic),
        answers=AnswerBook(record=services.record),
        wall_clock=services.wall_clock,
        metrics=Metrics(),
    )
    app.state.services = services
    app.state.bundles = Bundles(services)
    app.state.health = HealthCheck(services)
    app.state.orders = Counter("dominoes_orders", "Orders by outcome", ("outcome",), registry=edge.metrics.registry)
    return equip(app, edge, origins=services.origins)
