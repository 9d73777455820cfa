"""The web server of the API: TLS of its own, or plain HTTP that only this machine or a named proxy reaches."""

from __future__ import annotations

import ssl
from ipaddress import ip_address, ip_network
from typing import Any, cast

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from edge.server import ProblemProtocol
from scripts.serving.needs import is_loopback
from scripts.serving.settings import ApiSection

GRACE_SECONDS = 5
"""How long requests in hand may take when the service ends."""

REFUSED = b'{"type":"about:blank","title":"Forbidden","status":403,"detail":"plain HTTP is for the named proxies only"}'


class ProxiesOnly:
    """Refuses who is neither a named proxy nor this machine: what it would say in plain HTTP others could read."""

    def __init__(self, app: ASGIApp, *, proxies: tuple[str, ...]) -> None:
        self._app = app
        self._networks = [ip_network(text) for text in proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what a proxy sent."""
        if scope["type"] != "http" or self._is_known(scope.get("client")):
            await self._app(scope, receive, send)
            return
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(REFUSED)).encode())]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": REFUSED})

    def _is_known(self, client: tuple[str, int] | None) -> bool:
        if client is None:
            return False
        host = client[0]
        return is_loopback(host) or any(ip_address(host) in network for network in self._networks)


def surrounded(app: FastAPI, api: ApiSection) -> ASGIApp:
    """The application as it is served: forwarded headers count from the named proxies only."""
    if not api.trusted_proxies:
        return app
    # uvicorn types messages more closely than starlette; what passes through is the same
    forwarded = cast(ASGIApp, ProxyHeadersMiddleware(cast(Any, app), trusted_hosts=list(api.trusted_proxies)))
    return forwarded if api.certificate is not None else ProxiesOnly(forwarded, proxies=api.trusted_proxies)


def server_of(app: FastAPI, api: ApiSection) -> uvicorn.Server:
    """The server, not started. Settings must have passed `require`: it listens where they say."""
    config = uvicorn.Config(
        surrounded(app, api),
        host=api.host,
        port=api.port,
        log_config=None,  # its loggers go where all go: one JSON object per line
        log_level="warning",
        access_log=False,
        http=ProblemProtocol,
        ws="none",  # nothing here speaks WebSocket: a request to upgrade is answered as if it had not asked
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_certfile=api.certificate,
        ssl_keyfile=api.key,
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return uvicorn.Server(config)
