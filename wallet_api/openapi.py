"""OpenAPI for routes that read their own body: the shapes they accept, and the problems they answer with."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter

from wallet_api.policy import Public, api_routes, methods_of, policy_of
from wallet_api.problems import PROBLEM_MEDIA_TYPE

_REF = "#/components/schemas/{model}"
_SCHEMAS: dict[str, Any] = {}

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details; `type` names the cause and is stable.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["/problems/invalid-fields"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what to do next."},
        "retryable": {"type": "boolean"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


def body_of(shape: type[BaseModel] | Any, *, description: str = "") -> dict[str, Any]:
    """`openapi_extra` of a route that reads a body of this shape itself."""
    schema = TypeAdapter(shape).json_schema(ref_template=_REF)
    _SCHEMAS.update(schema.pop("$defs", {}))
    title = getattr(shape, "__name__", None)
    if title and isinstance(shape, type) and issubclass(shape, BaseModel):
        _SCHEMAS[title] = schema
        schema = {"$ref": _REF.format(model=title)}
    return {
        "requestBody": {
            "required": True,
            "description": description,
            "content": {"application/json": {"schema": schema}},
        }
    }


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document: the routes, their bodies, their roles and their problems."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, openapi_version="3.1.0"
    )
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(_SCHEMAS)
    components["schemas"]["Problem"] = PROBLEM_SCHEMA
    components["securitySchemes"] = {"login": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    problem = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}
    for route in api_routes(app):
        if not route.include_in_schema:
            continue
        policy = policy_of(route)
        for method in methods_of(route):
            operation = document["paths"][route.path_format][method.lower()]
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {"description": "What went wrong", "content": problem}
            if not isinstance(policy, Public):
                operation["security"] = [{"login": []}]
                operation["x-roles"] = sorted(policy.roles)
    app.openapi_schema = document
    return document
