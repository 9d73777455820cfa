"""The application: routers, policy check, problem answers, surroundings."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from edge import documentation, problems
from edge.answers import json_answer
from edge.declaring import reads, texts
from edge.limits import Limiter
from edge.middleware import Metrics, Surroundings
from edge.openapi import describe
from edge.policy import PrincipalCache, anyone, require_policies
from ledger_service.access.idempotency import AnswerBook
from wallet_api.bundles import Bundles
from wallet_api.health import HealthCheck
from wallet_api.projection import Projection
from wallet_api.routers import (
    accesses,
    attester,
    dso,
    evidence,
    holdings,
    keys,
    money,
    operator,
    orders,
    public,
    registrar,
    retailer,
    session,
)
from wallet_api.schemas.public import Health
from wallet_api.services import API_VERSION, Services

_DESCRIPTION = """
The DOMINOES local energy market: keys, signed orders and their receipts, balances, bills with proofs, the DSO's and the
attesters' signatures. Energy is whole Wh, price whole nEUR/Wh (1 ct/kWh = 10,000), money whole nEUR as decimal text;
MTU = unix seconds // 900. Every write that touches orders, money or verdicts carries its holder's EIP-712 signature:
ask `/v1/typed-data` for what to sign. Whatever is not a success is a problem of RFC 9457 whose `type` is stable.
Answers may gain members within /v1; ignore those you don't know.
"""

ROUTERS: tuple[APIRouter, ...] = (
    orders.router,
    session.router,
    public.router,
    keys.router,
    holdings.router,
    accesses.router,
    money.router,
    registrar.router,
    retailer.router,
    dso.router,
    attester.router,
    evidence.router,
    operator.router,
)
"""What is served below /v1, each router with its full paths; orders first, for routes are matched in turn."""

METRICS_EXAMPLE = 'dominoes_http_requests_total{method="GET",route="/v1/clock",status="200"} 12.0\n'

service_router = APIRouter(tags=["service"])


@service_router.get("/health", **reads(Health))
async def health(request: Request, _: Annotated[None, anyone()]) -> Response:
    """Whether the service can do its work: ok, or degraded where the node or a stage is not; 503 without its record."""
    check: HealthCheck = request.app.state.health
    return json_answer(await run_in_threadpool(check.look))


@service_router.get(
    "/metrics", **texts("text/plain", description="Prometheus exposition format", example=METRICS_EXAMPLE)
)
async def metrics(request: Request, _: Annotated[None, anyone()]) -> Response:
    """Prometheus metrics: counts and durations by route, nothing personal."""
    counters: Metrics = request.app.state.metrics
    return Response(generate_latest(counters.registry), media_type=CONTENT_TYPE_LATEST)


def routed() -> FastAPI:
    """The routes of the API and their document, without services. Raises PolicyMissing for a route without policy."""
    app = FastAPI(
        title="DOMINOES wallet API",
        version=API_VERSION,
        description=_DESCRIPTION.strip(),
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat whatever Host the request names
    )
    for router in (service_router, *ROUTERS):
        # Flat, not include_router: then app.routes is the whole list, and no route escapes the policy check.
        app.router.routes.extend(router.routes)
    require_policies(app)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


def create_app(services: Services) -> FastAPI:
    """Build the API over its services. Raises PolicyMissing where a route declares no policy."""
    app = routed()
    app.state.services = services
    app.state.principals = PrincipalCache(services.directory)
    app.state.limiter = Limiter(monotonic=time.monotonic)
    app.state.answers = AnswerBook(record=services.record)
    app.state.projection = Projection(record=services.record)
    app.state.bundles = Bundles(services)
    app.state.health = HealthCheck(services)
    app.state.metrics = Metrics()
    problems.install(app)
    documentation.mount(app)
    app.add_middleware(Surroundings, metrics=app.state.metrics)
    require_policies(app)
    return app
