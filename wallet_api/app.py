"""The application: routers, policy check, problem answers, surroundings."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ledger_service.access.idempotency import AnswerBook
from wallet_api import documentation, problems
from wallet_api.answers import json_answer
from wallet_api.bundles import Bundles
from wallet_api.health import Health
from wallet_api.limits import Limiter
from wallet_api.middleware import Metrics, Surroundings
from wallet_api.openapi import describe
from wallet_api.policy import PrincipalCache, anyone, require_policies
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
from wallet_api.services import API_VERSION, Services

_DESCRIPTION = """
The DOMINOES local energy market: keys, signed orders and their receipts, balances, bills with proofs, the DSO's and the
attesters' signatures. Energy is whole Wh, price whole nEUR/Wh (1 ct/kWh = 10,000), money whole nEUR as decimal text;
MTU = unix seconds // 900. Every write carries its holder's EIP-712 signature: ask `/v1/typed-data` for what to sign.
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

service_router = APIRouter(tags=["service"])


@service_router.get("/health")
async def health(request: Request, _: Annotated[None, anyone()]) -> Response:
    """Whether the service can do its work: ok, or degraded where the node or a stage is not; 503 without its record."""
    looked_at: Health = request.app.state.health
    return json_answer(await run_in_threadpool(looked_at.look))


@service_router.get("/metrics")
async def metrics(request: Request, _: Annotated[None, anyone()]) -> Response:
    """Prometheus metrics: counts and durations by route, nothing personal."""
    counters: Metrics = request.app.state.metrics
    return Response(generate_latest(counters.registry), media_type=CONTENT_TYPE_LATEST)


def create_app(services: Services) -> FastAPI:
    """Build the API over its services. Raises PolicyMissing where a route declares no policy."""
    app = FastAPI(
        title="DOMINOES wallet API",
        version=API_VERSION,
        description=_DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat whatever Host the request names
    )
    app.state.services = services
    app.state.principals = PrincipalCache(services.directory)
    app.state.limiter = Limiter(monotonic=time.monotonic)
    app.state.answers = AnswerBook(record=services.record)
    app.state.projection = Projection(record=services.record)
    app.state.bundles = Bundles(services)
    app.state.health = Health(services)
    app.state.metrics = Metrics()
    for router in (service_router, *ROUTERS):
        # Flat, not include_router: then app.routes is the whole list, and no route escapes the policy check.
        app.router.routes.extend(router.routes)
    problems.install(app)
    documentation.mount(app)
    app.add_middleware(Surroundings, metrics=app.state.metrics)
    require_policies(app)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app
