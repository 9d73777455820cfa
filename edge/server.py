"""The HTTP server as it meets the network: its own refusals as problems, and what one connection may cost.

All of this comes before anybody is logged in: headers have a size and a time, and of too many open connections the
one that has been without a request longest makes room.
"""

from __future__ import annotations

import asyncio
from asyncio.events import TimerHandle
from http import HTTPStatus
from typing import Any
from weakref import WeakKeyDictionary

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from edge.middleware import HEADER_BYTES_MAX
from edge.problems import PROBLEM_MEDIA_TYPE, HeadersTooLarge, http_problem, problem_of

HEADER_SECONDS_MAX = 10.0
"""How long the headers of a request may take, and how long a new connection may say nothing."""

CONNECTIONS_MAX = 900
"""Most connections open at once, one or two for each phone of a community: a process may open 1,024 files."""


_QUIET: WeakKeyDictionary[ServerState, dict[ProblemProtocol, None]] = WeakKeyDictionary()
"""Of each server the connections on which nothing is being answered, first those that have been so longest."""


class ProblemProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn serves it, whose refusals are problem details like every other.

    Give it to the server as `uvicorn.Config(app, http=ProblemProtocol)`.
    """

    _in_headers = False
    """whether a request has begun whose headers are not whole"""
    _header_bytes = 0
    _header_timer: TimerHandle | None = None

    @property
    def _quiet(self) -> dict[ProblemProtocol, None]:
        return _QUIET.setdefault(self.server_state, {})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for headers; close the connection that has been quiet longest, if there are too many now."""
        super().connection_made(transport)
        self._await_headers()
        if len(self.connections) > CONNECTIONS_MAX:
            longest = next(iter(self._quiet))  # at least this one is quiet
            del self._quiet[longest]
            longest.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        self._quiet.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what came; headers that are not whole yet may not go on for ever."""
        goes_on = self._in_headers
        super().data_received(data)
        if goes_on and self._in_headers and not self.transport.is_closing():
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES_MAX:
                self._refuse(problem_of(HeadersTooLarge(limit_bytes=HEADER_BYTES_MAX)))

    def on_message_begin(self) -> None:
        """The first byte of a request is here."""
        super().on_message_begin()
        self._in_headers = True
        if self._header_timer is None:
            self._await_headers()

    def on_headers_complete(self) -> None:
        """What comes from here on is a body, which the application bounds."""
        self._in_headers = False
        self._stop_waiting()
        self._quiet.pop(self, None)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """The connection is quiet until its next request, where that is not here yet."""
        if not self.pipeline:
            self._be_quiet()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request, and hang up."""
        self._refuse(http_problem(HTTPStatus.BAD_REQUEST))

    def _await_headers(self) -> None:
        self._header_bytes = 0
        self._be_quiet()
        slow = http_problem(HTTPStatus.REQUEST_TIMEOUT)
        self._header_timer = self.loop.call_later(HEADER_SECONDS_MAX, self._refuse, slow)

    def _be_quiet(self) -> None:
        """Stand last of those that make room."""
        self._quiet.pop(self, None)
        if not self.transport.is_closing():
            self._quiet[self] = None

    def _stop_waiting(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _refuse(self, problem: dict[str, Any]) -> None:
        self._stop_waiting()
        status, body = HTTPStatus(problem["status"]), orjson.dumps(problem)
        lines = (
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"content-type: {PROBLEM_MEDIA_TYPE}",
            f"content-length: {len(body)}",
            "connection: close",
        )
        self.transport.write("\r\n".join((*lines, "", "")).encode("ascii") + body)
        self.transport.close()
