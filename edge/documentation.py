"""The API's documentation page: Swagger UI over /v1/openapi.json, served from this machine alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from mimetypes import guess_type
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edge.problems import NoSuchThing

DOCUMENTATION_PATH = "/docs"
ASSETS_PATH = "/docs/assets"

_HERE = Path(__file__).resolve().parent

ASSETS = next(
    (folder for folder in (_HERE / "swagger_ui", _HERE.parent / "node_modules" / "swagger-ui-dist") if folder.exists()),
    _HERE / "swagger_ui",
)
"""Swagger UI as its npm package ships it: beside this module in a wheel, in the checkout's node tools else.

Without it the page says so, and /v1/openapi.json still answers.
"""

Answer = Callable[[Request], Awaitable[Response]]

SHOWN = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
"""The files of it that the page asks for, each a route of its own; nothing else of the folder is served."""


def mount(app: FastAPI) -> None:
    """Serve the page and its assets; they are public and read nothing of the record."""
    for name in SHOWN:
        app.router.add_route(f"{ASSETS_PATH}/{name}", _asset(ASSETS / name), include_in_schema=False)

    async def page(_: Request) -> Response:
        return get_swagger_ui_html(
            openapi_url=str(app.openapi_url),
            title=app.title,
            swagger_js_url=f"{ASSETS_PATH}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS_PATH}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS_PATH}/favicon-32x32.png",
        )

    app.router.add_route(DOCUMENTATION_PATH, page, include_in_schema=False)


def _asset(path: Path) -> Answer:
    async def answer(_: Request) -> Response:
        if not path.exists():
            raise NoSuchThing(what="documentation page (its assets are not installed); see /v1/openapi.json")
        # Whole, whatever Range asks for: of a part that there isn't, starlette would say so in plain text.
        return Response(await run_in_threadpool(path.read_bytes), media_type=guess_type(path.name)[0])

    return answer
