"""What a route says of itself in the document of the API: what it takes, answers and refuses.

It costs a request nothing: routes read bodies and write answers through the models that they declare here (ADR 42).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from domain.errors import DominoesError
from edge.answers import JSON_MEDIA_TYPE
from edge.models import Answer, Page, page_of
from edge.paging import BadCursor
from edge.problems import PROBLEM_MEDIA_TYPE, RETRY_AFTER_SECONDS, problem_body
from ledger_service.access.idempotency import BadIdempotencyKey, IdempotencyKeyReused, RequestInFlight

REF = "#/components/schemas/{model}"
"""Where the document keeps its schemas."""

DEFINITIONS = "x-definitions"
"""Member of a body under which its nested schemas wait until the document lifts them to its components."""

Failures = Iterable[type[DominoesError]]

KEYED: Failures = (BadIdempotencyKey, IdempotencyKeyReused, RequestInFlight)
"""What a write may answer because of its Idempotency-Key."""

IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Made by the client, one per write it means: a repeat under the same key within seven days gets the "
    "first answer byte for byte. Keys of different accounts never meet.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,64}$"},
    "example": "9b2f6c1e-7a52-4f0e-8f0b-1f6d0a6f3c11",
}

HEADERS: dict[str, dict[str, Any]] = {
    "Idempotency-Hit": {
        "description": "`true` where this is the kept answer to an earlier request under the same Idempotency-Key",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Link": {
        "description": 'The next page, RFC 8288: `<…>; rel="next"`; absent on the last one',
        "schema": {"type": "string"},
        "example": '</v1/participants?limit=100&after=aG91c2Vob2xkIDc>; rel="next"',
    },
    "Retry-After": {
        "description": "Seconds to wait before a retryable request is sent again; absent where `retryable` is false",
        "schema": {"type": "integer"},
        "example": RETRY_AFTER_SECONDS,
    },
    "WWW-Authenticate": {
        "description": "`Bearer`, with an error where a token was sent",
        "schema": {"type": "string", "enum": ["Bearer", 'Bearer error="invalid_token"']},
    },
    "Content-Disposition": {
        "description": "The name to save the file under",
        "schema": {"type": "string"},
        "example": 'attachment; filename="dominoes-personal.tar"',
    },
}
"""Headers of answers that carry a meaning of their own."""


class Declaring:
    """Gives keyword arguments of `router.get` and `router.post`, with examples that `example_of` makes of a type."""

    def __init__(self, *, example_of: Callable[[Any], Any]) -> None:
        self._example_of = example_of

    def reads(self, answer: Any, *, failing: Failures = (), body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A route that answers 200 with one thing and stores nothing, though it may take a body (`body_of`)."""
        return _route({200: self._json(answer)}, failing=failing, extra=body)

    def lists(self, item: type[Answer], *, failing: Failures = ()) -> dict[str, Any]:
        """A route that answers 200 with one page of items (or a page model), and a Link header where more are."""
        page = item if issubclass(item, Page) else page_of(item)
        return _route({200: self._json(page, headers=_headers("Link"))}, failing=(BadCursor, *failing))

    def downloads(self, media: Mapping[str, Any], *, description: str, failing: Failures = ()) -> dict[str, Any]:
        """A route that answers 200 with a file: its media types and the schema of each."""
        content = {name: dict(shown) for name, shown in media.items()}
        answer = {"description": description, "content": content, "headers": _headers("Content-Disposition")}
        return _route({200: answer}, failing=failing)

    def texts(self, media_type: str, *, description: str, example: str) -> dict[str, Any]:
        """A route that answers 200 with plain text of this media type."""
        content = {media_type: {"schema": {"type": "string"}, "example": example}}
        return _route({200: {"description": description, "content": content}}, failing=())

    def writes(self, body: Any, answer: Any, *, failing: Failures = ()) -> dict[str, Any]:
        """A keyed route that records something: 201, or 200 where the same write had been made before."""
        hit = _headers("Idempotency-Hit")
        responses = {
            201: self._json(answer, description="Recorded", headers=hit),
            200: self._json(answer, description="Recorded before: the same content again changes nothing", headers=hit),
        }
        return {"status_code": 201} | _route(responses, failing=(*KEYED, *failing), extra=self.body_of(body) | _keyed())

    def steps(self, body: Any, answer: Any, *, failing: Failures = ()) -> dict[str, Any]:
        """A keyed route that answers 200 however often it is asked."""
        responses = {200: self._json(answer, headers=_headers("Idempotency-Hit"))}
        return _route(responses, failing=(*KEYED, *failing), extra=self.body_of(body) | _keyed())

    def makes(self, body: Any, answer: Any, *, failing: Failures = ()) -> dict[str, Any]:
        """A route without keys that answers 201 with something new each time."""
        return {"status_code": 201} | _route({201: self._json(answer)}, failing=failing, extra=self.body_of(body))

    def submits(self, body: Any, answer: Any, outcomes: Any, *, failing: Failures = ()) -> dict[str, Any]:
        """A keyed route for one submission, answered 201 or 200 (repeat), or a list: 200 with an outcome each."""
        many = {
            "repeat": {
                "summary": "One submission that stood already",
                "value": self._example_of(answer) | {"status": "exists"},
            },
            "list": {"summary": "A list of submissions", "value": self._example_of(outcomes)},
        }
        repeated = {
            "model": answer | outcomes,
            "description": "One submission that stood already, or the outcomes of a list, each decided for itself",
            "content": {JSON_MEDIA_TYPE: {"examples": many}},
        }
        hit = _headers("Idempotency-Hit")
        accepted = self._json(answer, description="Accepted: it stands in the journal", headers=hit)
        responses = {201: accepted, 200: repeated | {"headers": hit}}
        extra = self.body_of(body | list[body]) | _keyed()
        return {"status_code": 201} | _route(responses, failing=(*KEYED, *failing), extra=extra)

    def body_of(self, shape: Any, *, description: str = "", example: Any = None) -> dict[str, Any]:
        """`openapi_extra` of a route that reads a body of this shape itself."""
        schema = TypeAdapter(shape).json_schema(ref_template=REF)
        definitions = schema.pop("$defs", {})
        if isinstance(shape, type) and issubclass(shape, BaseModel):
            definitions[shape.__name__] = schema
            schema = {"$ref": REF.format(model=shape.__name__)}
            description = description or str(shape.__doc__)
        content = {"schema": schema, "example": self._example_of(shape) if example is None else example}
        body = {"required": True, "description": description, "content": {JSON_MEDIA_TYPE: content}}
        return {"requestBody": body | {DEFINITIONS: definitions}}

    def _json(self, answer: Any, *, description: str = "", headers: dict[str, Any] | None = None) -> dict[str, Any]:
        shown = {
            "model": answer,
            "description": description or str(answer.__doc__).split("\n\n")[0],
            "content": {JSON_MEDIA_TYPE: {"example": self._example_of(answer)}},
        }
        return shown if headers is None else shown | {"headers": headers}


def problem_answers(failing: Failures) -> dict[int, dict[str, Any]]:
    """The answers of these failures by status, each code with an example."""
    found: dict[int, dict[str, Any]] = {}
    for cause in sorted(set(failing), key=lambda cause: (cause.status, cause.code)):
        sentence = str(cause.__doc__).split("\n\n")[0].replace("\n    ", " ")
        value = problem_body(status=cause.status, code=cause.code, detail=sentence, retryable=cause.retryable)
        answer = found.setdefault(cause.status, problem_answer({}))
        answer["content"][PROBLEM_MEDIA_TYPE]["examples"][cause.code] = {
            "summary": sentence,
            "description": cause.remedy,
            "value": value,
        }
        if cause.status == 401:
            answer["headers"] = _headers("WWW-Authenticate")
        elif cause.retryable:
            answer["headers"] = _headers("Retry-After")
    return found


def problem_answer(examples: dict[str, Any], *, description: str = "") -> dict[str, Any]:
    """A problem as an answer of the document."""
    content: dict[str, Any] = {"schema": {"$ref": REF.format(model="Problem")}, "examples": examples}
    return {"description": description, "content": {PROBLEM_MEDIA_TYPE: content}}


def _headers(name: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"}}


def _keyed() -> dict[str, Any]:
    return {"parameters": [{"$ref": "#/components/parameters/IdempotencyKey"}]}


def _route(
    responses: dict[int, dict[str, Any]], *, failing: Failures, extra: dict[str, Any] | None = None
) -> dict[str, Any]:
    # The plain Response class has no media type of its own: without it an empty JSON answer would be documented.
    return {
        "responses": responses | problem_answers(failing),
        "response_class": Response,
        "openapi_extra": extra,
    }
