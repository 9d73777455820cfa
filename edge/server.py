"""The HTTP server's own refusals as problems: what is no HTTP request never reaches the application."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from edge.problems import PROBLEM_MEDIA_TYPE, http_problem


class ProblemProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn serves it, whose refusals are problem details like every other.

    Give it to the server as `uvicorn.Config(app, http=ProblemProtocol)`.
    """

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request, and hang up."""
        status = HTTPStatus.BAD_REQUEST
        body = orjson.dumps(http_problem(status))
        lines = (
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"content-type: {PROBLEM_MEDIA_TYPE}",
            f"content-length: {len(body)}",
            "connection: close",
        )
        self.transport.write("\r\n".join((*lines, "", "")).encode("ascii") + body)
        self.transport.close()
