"""The document of the API: what FastAPI reads off the routes, and what holds for all of them.

Routes declare their own bodies, answers and problems (`declaring`); here each gets the problems that follow from how it
is reached (login, body, parameters), and what is repeated is lifted to the components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from domain.errors import DominoesError
from edge import deprecation
from edge.declaring import DEFINITIONS, HEADERS, IDEMPOTENCY_KEY, REF, problem_answer, problem_answers
from edge.limits import TooManyRequests
from edge.models import Problem
from edge.policy import Public, api_routes, methods_of, policy_of
from edge.problems import (
    INTERNAL,
    PROBLEM_MEDIA_TYPE,
    BodyTooLarge,
    BodyTooSlow,
    HeadersTooLarge,
    InvalidFields,
    MalformedBody,
    NotJson,
    problem_body,
)
from edge.turns import TooManyAtOnce
from ledger_service.access.roles import NotAllowed
from ledger_service.access.tokens import TokenRefused
from ledger_service.record import StorageUnavailable

OPENAPI_VERSION = "3.1.0"
"""Whose schemas are JSON Schema 2020-12."""

SERVERS: list[dict[str, Any]] = [{"url": "/", "description": "The service that gives this document"}]
"""Where the paths begin."""


@dataclass(frozen=True, slots=True)
class Document:
    """What an application says of itself in its document."""

    title: str
    version: str
    description: str
    path: str
    """Where the document is served."""
    tags: Sequence[Mapping[str, str]]
    """The groups of operations: name and description."""
    login: str
    """How one gets an access token, and what it is good for."""


_BODY: tuple[type[DominoesError], ...] = (MalformedBody, BodyTooLarge, BodyTooSlow, NotJson, InvalidFields)


def describe(app: FastAPI, about: Document) -> dict[str, Any]:
    """The OpenAPI 3.1 document: the routes, their bodies, their answers, their roles and their problems."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title=about.title,
        version=about.version,
        description=about.description,
        routes=app.routes,
        openapi_version=OPENAPI_VERSION,
        tags=[dict(tag) for tag in about.tags],
        servers=SERVERS,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    _add_schema(schemas, "Problem", TypeAdapter(Problem).json_schema(ref_template=REF))
    components["securitySchemes"] = {
        "login": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": about.login}
    }
    components["headers"] = HEADERS
    components["parameters"] = {"IdempotencyKey": IDEMPOTENCY_KEY}
    examples: dict[str, Any] = components.setdefault("examples", {})
    for route in api_routes(app):
        if route.include_in_schema:
            for method in methods_of(route):
                operation = document["paths"][route.path_format][method.lower()]
                _complete(operation, route=route)
                _lift(operation, schemas=schemas, examples=examples)
    components["responses"] = _shared(document["paths"])
    for schema in schemas.values():
        _drop_titles(schema)
    app.openapi_schema = document
    return document


def _complete(operation: dict[str, Any], *, route: APIRoute) -> None:
    """Add what follows from how a route is reached: its name for generated clients, its login, its problems."""
    policy = policy_of(route)
    operation["operationId"] = f"{operation['tags'][0]}_{route.name}"
    responses = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]  # FastAPI's own form of validation errors, which is never answered here
    causes: list[type[DominoesError]] = [StorageUnavailable, HeadersTooLarge]
    if not (isinstance(policy, Public) and policy.at_once):
        causes.append(TooManyAtOnce)
    if not isinstance(policy, Public):
        operation["security"] = [{"login": []}]
        operation["x-roles"] = sorted(policy.roles)
        causes += [TokenRefused, NotAllowed, TooManyRequests]
    if "requestBody" in operation:
        causes += _BODY
    causes.append(InvalidFields)  # unknown parameters are refused everywhere
    for status, answer in problem_answers(causes).items():
        _merge(responses.setdefault(str(status), {}), answer)
    internal = problem_body(status=INTERNAL.status, code="internal", detail=INTERNAL.meaning, retryable=True)
    shown = {"summary": INTERNAL.meaning, "description": INTERNAL.remedy, "value": internal}
    responses[str(INTERNAL.status)] = problem_answer({"internal": shown})
    responses["default"] = problem_answer({}, description="Any other problem")
    operation["responses"] = {status: responses[status] for status in sorted(responses)}
    deprecation.mark(operation, route=route)


def _merge(into: dict[str, Any], other: dict[str, Any]) -> None:
    for name, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into.setdefault(name, value)


def _lift(operation: dict[str, Any], *, schemas: dict[str, Any], examples: dict[str, Any]) -> None:
    """Move schemas of bodies and examples of problems to the components, and say each problem's codes in words."""
    for name, schema in operation.get("requestBody", {}).pop(DEFINITIONS, {}).items():
        _add_schema(schemas, name, schema)
    for answer in operation["responses"].values():
        shown = answer.get("content", {}).get(PROBLEM_MEDIA_TYPE)
        if shown is None:
            continue
        given = shown.pop("examples")
        for code, example in given.items():
            if examples.setdefault(code, example)["value"]["status"] != example["value"]["status"]:
                raise ValueError(f"the code {code} stands for problems of two statuses; give each its own")
        if given:
            shown["examples"] = {code: {"$ref": f"#/components/examples/{code}"} for code in sorted(given)}
            answer["description"] = "\n".join(f"- `{code}`: {examples[code]['summary']}" for code in sorted(given))


def _add_schema(schemas: dict[str, Any], name: str, schema: dict[str, Any]) -> None:
    """Put a schema and those nested in it among the components; one name has one shape. Raises ValueError."""
    for nested, inner in schema.pop("$defs", {}).items():
        _add_schema(schemas, nested, inner)
    if schemas.setdefault(name, schema) != schema:
        raise ValueError(f"two different schemas are called {name}; rename one")


def _shared(paths: dict[str, Any]) -> dict[str, Any]:
    """Put each problem answer that several operations give into one place; the components' responses by name."""
    places: dict[str, list[tuple[dict[str, Any], str]]] = {}
    for operations in paths.values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                shown = answer["content"].get(PROBLEM_MEDIA_TYPE)
                if shown is not None:
                    name = ".".join((status, *shown.get("examples", ())))
                    places.setdefault(name, []).append((operation["responses"], status))
    shared = {}
    for name, uses in sorted(places.items()):
        if len(uses) > 1:
            shared[name] = uses[0][0][uses[0][1]]
            for responses, status in uses:
                if responses[status] != shared[name]:
                    raise ValueError(f"problems {name} are described in two ways; describe them in one")
                responses[status] = {"$ref": f"#/components/responses/{name}"}
    return shared


def _drop_titles(schema: Any) -> None:
    """Leave out the titles that pydantic makes of the names of members: they say nothing new."""
    if isinstance(schema, list):
        for item in schema:
            _drop_titles(item)
    elif isinstance(schema, dict):
        if isinstance(schema.get("title"), str):
            del schema["title"]
        for item in schema.values():
            _drop_titles(item)
