"""`/problems/<code>`: what each type of problem means and what to do about it, for people and for machines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from html import escape
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Request
from starlette.responses import HTMLResponse, Response

from edge.answers import model_answer
from edge.declaring import Declaring
from edge.documentation import DOCUMENTATION_PATH
from edge.models import ProblemType
from edge.policy import anyone
from edge.problems import SERVER_PROBLEMS, NoSuchThing, http_problem

_HTML = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<h1>{title}</h1>
<p>{meaning}</p>
<h2>What to do</h2>
<p>{what_to_do}</p>
<p>HTTP status {status}; the same request {again}. <a href="{docs}">All operations and their problems</a></p>
</html>
"""
_CODE = re.compile("`([^`]+)`")


def problem_types(document: Mapping[str, Any]) -> dict[str, ProblemType]:
    """Every type of problem: those of a document of the API by code, and those of the server itself."""
    found = {}
    for problem in SERVER_PROBLEMS:
        found[problem.code] = _type_of(http_problem(problem.status), meaning=problem.meaning, remedy=problem.remedy)
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


def _page(shown: ProblemType) -> str:
    """A type of problem for people, plain enough to need neither script nor style."""
    texts = {name: _CODE.sub(r"<code>\1</code>", escape(str(value))) for name, value in shown}
    again = "may succeed later" if shown.retryable else "will not succeed as it is"
    return _HTML.format(**texts, again=again, docs=DOCUMENTATION_PATH)


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
            return HTMLResponse(_page(found))
        return model_answer(found)

    return router
