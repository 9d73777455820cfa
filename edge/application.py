"""Building an application of an HTTP edge: its routes, its document, and what holds for every request."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from inspect import iscoroutinefunction

from anyio import to_thread
from fastapi import APIRouter, FastAPI
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from edge import documentation, problems
from edge.context import Edge
from edge.middleware import Surroundings
from edge.openapi import Document, describe
from edge.policy import api_routes, require_policies
from edge.turns import READ_THREADS, SWITCH_SECONDS, weighed

CORS_MAX_AGE_SECONDS = 600
"""How long a browser may remember what it is allowed."""

CORS_METHODS = ("GET", "HEAD", "POST")
CORS_REQUEST_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id")
CORS_ANSWER_HEADERS = ("Deprecation", "Idempotency-Hit", "Link", "Retry-After", "Sunset", "X-Request-Id")
"""What pages of other origins may send and read."""


class Origins(CORSMiddleware):
    """What pages of other origins may do, whose refusals are problem details like every other."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """What a page may send; a problem where it may not."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < HTTPStatus.BAD_REQUEST:
            return answer
        kept = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        return problems.problem_response(problems.http_problem(HTTPStatus.FORBIDDEN), headers=kept)


@asynccontextmanager
async def _few_threads(_: FastAPI) -> AsyncIterator[None]:
    to_thread.current_default_thread_limiter().total_tokens = READ_THREADS
    sys.setswitchinterval(SWITCH_SECONDS)
    yield


def routed(routers: Iterable[APIRouter], *, about: Document) -> FastAPI:
    """The routes and their document, without what they work with. Raises PolicyMissing for a route without policy."""
    app = FastAPI(
        lifespan=_few_threads,
        title=about.title,
        version=about.version,
        description=about.description,
        openapi_url=about.path,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat whatever Host the request names
    )
    for router in routers:
        # Flat, not include_router: then app.routes is the whole list, and no route escapes the policy check.
        app.router.routes.extend(router.routes)
    require_policies(app)
    _weigh(app)
    app.openapi = lambda: describe(app, about)  # type: ignore[method-assign]
    return app


def _weigh(app: FastAPI) -> None:
    """Have what each route does in a thread count to its request."""
    for route in api_routes(app):
        if route.dependant.call is route.endpoint and not iscoroutinefunction(route.endpoint):
            route.dependant.call = weighed(route.endpoint)


def equip(app: FastAPI, edge: Edge, *, origins: Sequence[str] = ()) -> FastAPI:
    """Give a routed application what holds for every request. `origins` are those whose pages may read answers."""
    app.state.edge = edge
    problems.install(app)
    documentation.mount(app)
    if origins:
        app.add_middleware(
            Origins,
            allow_origins=list(origins),
            allow_methods=CORS_METHODS,
            allow_headers=CORS_REQUEST_HEADERS,
            expose_headers=CORS_ANSWER_HEADERS,
            max_age=CORS_MAX_AGE_SECONDS,
        )
    app.add_middleware(Surroundings, metrics=edge.metrics)
    require_policies(app)
    return app
