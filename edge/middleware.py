"""What surrounds every request: its id, security headers, one log line without personal data, its metrics."""

from __future__ import annotations

import itertools
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.requests import ClientDisconnect

from edge.deprecation import deprecation_headers
from edge.problems import HeadersTooLarge, internal_problem, problem_of, problem_response

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"strict-transport-security", b"max-age=31536000"),
)
"""On every answer; nothing here is meant for a frame or another origin's page."""

API_CONTENT_POLICY = b"default-src 'none'; frame-ancestors 'none'"
"""Answers of the API are data, so a browser may run nothing in them."""

NO_STORE = b"no-store"
"""Answers may hold personal data: no cache keeps them unless a route says otherwise."""

HEADER_BYTES_MAX = 32_768
"""Most bytes of address and headers of one request: a token has 500, a browser's cookies a few thousand."""

CLIENT_CLOSED = 499
"""Status, in log and metrics alone, of a request whose client went away before it was whole."""

DURATION_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From an order's intake to a bundle's export."""

_REQUEST_ID = re.compile(rb"^[A-Za-z0-9-]{8,64}$")
_DOCUMENTATION = ("/docs", "/redoc")
_PROCESS = secrets.token_hex(6)
_COUNT = itertools.count(1)
"""Ids of requests: random per process and counted, for drawing randomness costs more than the rest of this layer."""

_log = structlog.get_logger("edge")


class Metrics:
    """Counters of one application, in a registry of its own so that two can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("dominoes_http_requests", "Requests answered", labels, registry=self.registry)
        self.seconds = Histogram(
            "dominoes_http_request_seconds",
            "Time from request to answer",
            ("method", "route"),
            buckets=DURATION_BUCKETS_S,
            registry=self.registry,
        )


class Surroundings:
    """The outermost layer, plain ASGI so that it costs order intake next to nothing."""

    def __init__(self, app: App, *, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and see to its answer, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, method = _request_id(scope), scope["method"]
        answer = _Answer(
            scope=scope,
            send=send,
            request_id=request_id,
            documentation=scope["path"].startswith(_DOCUMENTATION),
            headers_only=method == "HEAD",
        )
        if method == "HEAD":
            # What GET answers, less the body: a route needn't know. The server keeps its own scope, by whose method it
            # counts the bytes to come.
            scope = {**scope, "method": "GET"}
            answer.scope = scope
        started = time.perf_counter()
        try:
            if _header_bytes(scope) > HEADER_BYTES_MAX:
                refusal = problem_of(HeadersTooLarge(limit_bytes=HEADER_BYTES_MAX))
                await problem_response(refusal)(scope, receive, answer)
                return
            await self._app(scope, receive, answer)
        except ClientDisconnect:  # whoever gave up an upload has nothing to be told, nor have we
            answer.status = answer.status or CLIENT_CLOSED
        except Exception:  # the edge: whatever nobody anticipated becomes one problem without internals
            _log.exception("request failed", request_id=request_id, route=_route(scope))
            if not answer.status:
                await internal_problem()(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - started
            self._tell(scope, method=method, answer=answer, request_id=request_id, seconds=seconds)

    def _tell(self, scope: Scope, *, method: str, answer: _Answer, request_id: str, seconds: float) -> None:
        route, status = _route(scope), answer.status
        if method not in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"):
            method = "OTHER"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.seconds.labels(method, route).observe(seconds)
        _log.info(
            "request",
            request_id=request_id,
            method=method,
            route=route,
            status=status,
            duration_ms=round(seconds * 1000, 3),
            answer_bytes=answer.size,
        )


class _Answer:
    """The send channel of one request: adds headers, remembers status and size."""

    def __init__(self, *, scope: Scope, send: Send, request_id: str, documentation: bool, headers_only: bool) -> None:
        self.scope = scope
        self._send, self._request_id, self._documentation = send, request_id, documentation
        self._headers_only = headers_only
        self.status, self.size = 0, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", []))
            present = {name for name, _ in headers}
            headers += [pair for pair in SECURITY_HEADERS if pair[0] not in present]
            if not self._documentation:
                headers.append((b"content-security-policy", API_CONTENT_POLICY))
            if b"cache-control" not in present:
                headers.append((b"cache-control", NO_STORE))
            headers.append((b"x-request-id", self._request_id.encode("ascii")))
            headers += deprecation_headers(self.scope)
            message["headers"] = headers
        elif message["type"] == "http.response.body":
            if self._headers_only:
                message["body"] = b""
            self.size += len(message.get("body", b""))
        await self._send(message)


def _header_bytes(scope: Scope) -> int:
    size = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    return size + sum(len(name) + len(value) for name, value in scope["headers"])


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.match(value):
            return str(value.decode("ascii"))
    return f"{_PROCESS}-{next(_COUNT):08x}"


def _route(scope: Scope) -> str:
    """The template of the route, never the path itself: paths carry accounts and order ids."""
    return str(getattr(scope.get("route"), "path", "unmatched"))
