"""Problem details (RFC 9457): every answer that is not a success, in one shape and without internals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from domain.errors import DominoesError
from ledger_service.access.tokens import TokenRefused

PROBLEM_MEDIA_TYPE = "application/problem+json"

FINDINGS_MAX = 20
"""Findings listed in one answer; a request with more is wrong as a whole."""

RETRY_AFTER_SECONDS = 1
"""What a retryable problem tells the client to wait where the error itself says nothing."""

_log = structlog.get_logger("edge")


class MalformedBody(DominoesError):
    """The body is no JSON of the accepted kind."""

    status = 400
    code = "malformed-body"
    remedy = "Write the body as plain JSON in UTF-8, without what `detail` objects to."

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"request body refused: {reason}; send UTF-8 JSON without floats, NaN or repeated keys")


class BodyTooLarge(DominoesError):
    """More bytes than one request may carry."""

    status = 413
    code = "body-too-large"
    remedy = "Split the content into several requests below the limit that `detail` gives."

    def __init__(self, *, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(f"request body is larger than {limit_bytes} bytes; split it into several requests")


class BodyTooSlow(DominoesError):
    """The body did not come in the time that a body of its size has."""

    status = 408
    code = "body-too-slow"
    remedy = "Send the body in one go, or in smaller requests; nothing was changed."
    retryable = True

    def __init__(self, *, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"the request body was not whole after {seconds} s; send it in one go, or less at once")


class HeadersTooLarge(DominoesError):
    """Address and headers of the request are longer than the service reads."""

    status = 431
    code = "headers-too-large"
    remedy = "Shorten the address, or send fewer and shorter headers and cookies."

    def __init__(self, *, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(f"address and headers have more than {limit_bytes} bytes; send fewer or shorter headers")


class NotJson(DominoesError):
    """The body's media type is not application/json, its text not UTF-8, or it is compressed."""

    status = 415
    code = "not-json"
    remedy = "Send UTF-8 JSON with `Content-Type: application/json`, uncompressed."

    def __init__(self) -> None:
        super().__init__("send the body as application/json, in UTF-8 and without Content-Encoding")


class InvalidFields(DominoesError):
    """The body is JSON but not of the shape asked for; `errors` lists each place (RFC 6901 pointer) and reason."""

    status = 422
    code = "invalid-fields"
    remedy = "Correct each place that `errors` names."

    def __init__(self, *, findings: Sequence[dict[str, str]]) -> None:
        self.findings = list(findings)[:FINDINGS_MAX]
        super().__init__("the request doesn't have the shape asked for; see errors and the documentation at /docs")


class NoSuchThing(DominoesError):
    """Nothing public has this name."""

    status = 404
    code = "not-found"
    remedy = "List what there is, and take the name or address from there."

    def __init__(self, *, what: str) -> None:
        self.what = what
        super().__init__(f"there is no such {what}; list them to see what there is")


class NotAvailable(DominoesError):
    """The service runs without the part that would answer this."""

    status = 503
    code = "not-available"
    remedy = "Ask the operator whether this service can offer it; nothing about the request is wrong."

    def __init__(self, *, what: str) -> None:
        self.what = what
        super().__init__(f"{what} is not available on this service; ask its operator")


class Busy(DominoesError):
    """The service does this for somebody else at the moment, one at a time."""

    status = 503
    code = "busy"
    remedy = "Nothing was changed; ask again when the seconds in Retry-After are over."
    retryable = True

    def __init__(self, *, what: str, seconds: int) -> None:
        self.what, self.retry_after_seconds = what, seconds
        super().__init__(f"{what}; ask again in {seconds} s")


_EXPECTED = (NotAvailable, Busy)
"""Answers of 503 that are no failure: they say themselves what is up and hold nothing of the inside."""


def problem_body(*, status: int, code: str, detail: str, **facts: Any) -> dict[str, Any]:
    """The members of a problem; `type` is stable and may be switched on by clients."""
    return {
        "type": f"/problems/{code}",
        "title": code.replace("-", " "),
        "status": status,
        "detail": detail,
        **facts,
    }


def problem_of(error: DominoesError) -> dict[str, Any]:
    """The problem of an anticipated failure."""
    facts: dict[str, Any] = {"retryable": error.retryable}
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, _EXPECTED):
        # What is broken inside (paths, hosts, SQL) is for the log, not for the answer.
        _log.error("request failed", code=error.code, cause=str(error))
        detail = "the service can't do this now; nothing was changed; try again, and tell the operator if it stays"
        return problem_body(status=error.status, code=error.code, detail=detail, **facts)
    findings = getattr(error, "findings", None)
    if isinstance(findings, list) and findings:
        facts["errors"] = findings
    return problem_body(status=error.status, code=error.code, detail=str(error), **facts)


def problem_response(body: dict[str, Any], *, headers: dict[str, str] | None = None) -> Response:
    """A problem as an HTTP answer."""
    return Response(orjson.dumps(body), status_code=int(body["status"]), media_type=PROBLEM_MEDIA_TYPE, headers=headers)


def pointer(location: Sequence[Any]) -> str:
    """RFC 6901 pointer of a place in the body."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def findings_of(errors: Sequence[Any]) -> list[dict[str, str]]:
    """Pydantic's errors as pointer and reason, without echoing what was sent."""
    return [{"pointer": pointer(error["loc"]), "detail": str(error["msg"])} for error in errors[:FINDINGS_MAX]]


def _headers_of(error: DominoesError, request: Request) -> dict[str, str] | None:
    if error.status == HTTPStatus.UNAUTHORIZED:
        # RFC 6750, 3.1: an error is named only to those who sent a token.
        sent = isinstance(error, TokenRefused) and "authorization" in request.headers
        return {"WWW-Authenticate": 'Bearer error="invalid_token"' if sent else "Bearer"}
    if error.retryable:
        return {"Retry-After": str(getattr(error, "retry_after_seconds", RETRY_AFTER_SECONDS))}
    return None


async def _on_dominoes_error(request: Request, error: Exception) -> Response:
    known = cast(DominoesError, error)
    return problem_response(problem_of(known), headers=_headers_of(known, request))


async def _on_validation_error(_: Request, error: Exception) -> Response:
    invalid = cast(RequestValidationError, error)
    body = problem_of(InvalidFields(findings=findings_of(invalid.errors())))
    return problem_response(body)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    known = cast(HTTPException, error)
    headers = dict(known.headers) if known.headers else {}
    if known.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(allowed_methods(request))
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    return problem_response(http_problem(known.status_code), headers=headers)


@dataclass(frozen=True, slots=True)
class ServerProblem:
    """A failure that no operation declares, since it is answered before one is found."""

    status: int
    meaning: str
    remedy: str

    @property
    def code(self) -> str:
        """Named as HTTP names it."""
        return _named(self.status)


def _named(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "-")


INTERNAL = ServerProblem(
    status=500,
    meaning="Something failed here that should not; it is logged",
    remedy="Nothing is wrong with the request. Try again later, and tell the operator if it stays.",
)
"""What nobody anticipated; its code is `internal`, for `internal-server-error` would promise more."""

SERVER_PROBLEMS = (
    ServerProblem(
        status=400,
        meaning="What was sent is no HTTP request that this server reads.",
        remedy="Send HTTP/1.1 as RFC 9112 has it: one Content-Length or well-formed chunks, and no bare line ends.",
    ),
    ServerProblem(
        status=403,
        meaning="A page of another origin asked for what such pages may not do here.",
        remedy="Ask the operator to allow the page's origin; such pages may send GET, HEAD and POST.",
    ),
    ServerProblem(
        status=404,
        meaning="There is nothing at this address.",
        remedy="Take the address from /docs or from a Link header, with codes and ids in their places.",
    ),
    ServerProblem(
        status=405,
        meaning="There is something at this address, but it takes other methods.",
        remedy="Use one of the methods that the Allow header lists.",
    ),
    ServerProblem(
        status=408,
        meaning="A request did not come whole in the time that it has.",
        remedy="Send the request in one go, its headers within 10 seconds and its body within a minute.",
    ),
)
"""The others, by rising status."""


def http_problem(status_code: int) -> dict[str, Any]:
    """The problem of a failure that HTTP itself knows, named as HTTP names it."""
    detail = f"{HTTPStatus(status_code).phrase}; see /docs for what there is and how it is asked for"
    return problem_body(status=status_code, code=_named(status_code), detail=detail, retryable=False)


def allowed_methods(request: Request) -> list[str]:
    """Every method that some route takes at the path of this request."""
    found = {"OPTIONS"}
    for route in request.app.routes:
        if isinstance(route, Route) and route.path_regex.match(request.url.path):
            found |= route.methods or set()
    return sorted(found | ({"HEAD"} if "GET" in found else set()))


def internal_problem() -> Response:
    """What is said of a failure nobody anticipated: nothing but that it is logged."""
    detail = "something failed here that should not; it is logged; try again, and tell the operator if it stays"
    return problem_response(problem_body(status=INTERNAL.status, code="internal", detail=detail, retryable=True))


def install(app: FastAPI) -> None:
    """Give the application its problem answers."""
    app.add_exception_handler(DominoesError, _on_dominoes_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
