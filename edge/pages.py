"""`/problems/<code>`: what each type of problem means and what to do about it, for people and for machines."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from html import escape
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Request
from starlette.responses import HTMLResponse, Response

from edge.answers import model_answer
from edge.declaring import Declaring
from edge.models import ProblemType
from edge.policy import anyone
from edge.problems import NoSuchThing, http_problem, remedy_of

SERVER_PROBLEMS = {
    HTTPStatus.BAD_REQUEST: "What was sent is no HTTP request that this server reads.",
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "There is something at this address, but it takes other methods.",
}
"""Problems that no operation declares, since they are answered before one is found."""

_HTML = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<h1>{title}</h1><p>Status {status}. {meaning}</p><h2>What to do</h2><p>{what_to_do}</p></html>"""


def problem_types(document: Mapping[str, Any]) -> dict[str, ProblemType]:
    """Every type of problem: those of a document of the API by code, and those of the server itself."""
    found = {}
    for status, meaning in SERVER_PROBLEMS.items():
        shown = http_problem(status)
        code = shown["type"].removeprefix("/problems/")
        found[code] = _type_of(shown, meaning=meaning, remedy=remedy_of(status=status, retryable=False))
    for code, example in document["components"]["examples"].items():
        found[code] = _type_of(example["value"], meaning=example["summary"], remedy=example["description"])
    return found


def _type_of(shown: Mapping[str, Any], *, meaning: str, remedy: str) -> ProblemType:
    return ProblemType(
        type=shown["type"],
        title=shown["title"],
        status=shown["status"],
        meaning=meaning,
        what_to_do=remedy,
        retryable=shown.get("retryable", False),
    )


def problem_pages(declaring: Declaring) -> APIRouter:
    """The route of the pages, described in the document like any other."""
    router = APIRouter(tags=["service"])

    @cache
    def types_of(app: FastAPI) -> dict[str, ProblemType]:
        return problem_types(app.openapi())

    shown = declaring.reads(ProblemType, failing=(NoSuchThing,))
    shown["responses"][200]["content"]["text/html"] = {"schema": {"type": "string"}, "example": "<!doctype html>…"}

    @router.get("/problems/{code}", **shown)
    def problem(
        request: Request,
        code: Annotated[str, Path(max_length=64, description="The last part of a problem's `type`")],
        _: Annotated[None, anyone()],
    ) -> Response:
        """What a type of problem means and what to do: JSON, or a page where `text/html` is asked for."""
        found = types_of(request.app).get(code)
        if found is None:
            raise NoSuchThing(what="type of problem")
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(_HTML.format(**{name: escape(str(value)) for name, value in found}))
        return model_answer(found)

    return router
