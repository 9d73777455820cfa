"""Holds answers against the document of the API: whatever a test gets must be what its operation promises."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from httpx import Response
from pydantic import TypeAdapter, ValidationError
from starlette.testclient import TestClient

from edge.models import Problem
from edge.policy import api_routes
from edge.problems import PROBLEM_MEDIA_TYPE

JSON = "application/json"


class CheckedClient(TestClient):
    """A client that fails the test with the first answer that the document doesn't promise."""

    def request(self, method: Any, url: Any, **options: Any) -> Response:
        """Send a request and check its answer."""
        answer = super().request(method, url, **options)
        route = route_of(self.app, answer)  # type: ignore[arg-type]
        if route is not None:
            check_answer(self.app, route, answer)  # type: ignore[arg-type]
        return answer


def route_of(app: FastAPI, answer: Response) -> APIRoute | None:
    """The operation that answered; None for what is no operation (unknown paths and methods, pages for people)."""
    path, method = answer.request.url.path, answer.request.method
    for route in api_routes(app):
        if route.path_regex.match(path) and method in (route.methods or ()):
            return route
    return None


def check_answer(app: FastAPI, route: APIRoute, answer: Response) -> None:
    """Assert that status, media type, headers, problem code and body are those of the operation in the document."""
    method = answer.request.method
    operation = document_of(app)["paths"][route.path_format][method.lower()]
    name = f"{method} {route.path_format}: {answer.status_code}"
    documented = resolved(document_of(app), operation["responses"].get(str(answer.status_code)))
    assert documented is not None, f"{name} is not documented"
    media_type = answer.headers["content-type"].partition(";")[0]
    assert media_type in documented["content"], f"{name} is documented as {list(documented['content'])}"
    for header in ("link", "retry-after", "www-authenticate", "idempotency-hit", "content-disposition"):
        if header in answer.headers:
            assert header in {known.lower() for known in documented.get("headers", {})}, f"{name}: header {header}"
    if media_type == PROBLEM_MEDIA_TYPE:
        check_body(name, Problem, answer)
        code = answer.json()["type"].removeprefix("/problems/")
        assert code in documented["content"][media_type]["examples"], f"{name}: problem {code} is not documented"
    elif media_type == JSON:
        check_body(name, route.responses[answer.status_code]["model"], answer)


_DOCUMENTS: dict[str, dict[str, Any]] = {}
"""The document by its title: it follows from the routes alone, so the first application's serves all."""


def document_of(app: FastAPI) -> dict[str, Any]:
    """The document of the API, made once for all tests."""
    if app.title not in _DOCUMENTS:
        _DOCUMENTS[app.title] = app.openapi()
    return _DOCUMENTS[app.title]


def resolved(document: dict[str, Any], part: Any) -> Any:
    """A part of the document, or what it refers to."""
    while isinstance(part, dict) and "$ref" in part:
        found: Any = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def check_body(name: str, shape: Any, answer: Response) -> None:
    """Assert that a body has exactly the declared members, each of exactly the declared type."""
    adapter = adapter_of(shape)
    try:
        found = adapter.validate_json(answer.content, strict=True, extra="ignore")
    except ValidationError as error:
        raise AssertionError(f"{name} is not what its schema says: {error}") from error
    written = json.loads(adapter.dump_json(found, by_alias=True, exclude_unset=True))
    assert written == answer.json(), f"{name} has members that its schema doesn't know"


@cache
def adapter_of(shape: Any) -> TypeAdapter[Any]:
    """The validator of a declared shape, built once."""
    return TypeAdapter(shape)
