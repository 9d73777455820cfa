"""What HTTP itself promises: HEAD, Allow, other origins, and problems that explain themselves."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from domain.errors import DominoesError
from edge.middleware import HEADER_BYTES_MAX
from edge.pages import problem_types
from edge.policy import api_routes, methods_of
from edge.problems import SERVER_PROBLEMS
from edge.server import ProblemProtocol
from tests.unit.wallet_api.routes import filled
from tests.unit.wallet_api.test_openapi import SPEC
from tests.unit.wallet_api.world import World, make_services
from wallet_api.app import create_app

pytestmark = pytest.mark.unit

ORIGIN = "https://app.example"


@pytest.mark.parametrize("path", ["/v1/clock", "/v1/areas", "/v1/nothing", "/v1/balance", "/docs"])
def test_head__whatever_get_answers__the_same_without_body(world: World, path: str) -> None:
    shown, head = world.client.get(path), world.client.head(path)

    assert (head.status_code, head.content) == (shown.status_code, b"")
    assert head.headers["content-type"] == shown.headers["content-type"]
    assert head.headers["content-length"] == shown.headers["content-length"]


def test_allow__method_not_taken__every_method_that_is(world: World) -> None:
    taken: dict[str, set[str]] = {}
    for route in api_routes(world.app):
        taken.setdefault(filled(route.path), set()).update(methods_of(route))

    for path, methods in taken.items():
        answer = world.client.delete(path)
        expected = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        assert (answer.status_code, answer.json()["type"]) == (405, "/problems/method-not-allowed")
        assert set(answer.headers["allow"].split(", ")) >= expected, path
        options = world.client.options(path)
        assert (options.status_code, options.headers["allow"]) == (204, answer.headers["allow"])


def test_parameter__unknown_or_twice__refused_by_name(market: World) -> None:
    unknown = market.client.get("/v1/areas?limit=1&colour=red")
    twice = market.client.get("/v1/areas?limit=1&limit=2")

    for answer, name in ((unknown, "colour"), (twice, "limit")):
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-fields")
        assert [found["pointer"] for found in answer.json()["errors"]] == [f"/query/{name}"]


@pytest.mark.parametrize("query", ["?after=%00", "?limit=0", "?colour=red"])
def test_order__nobody_logged_in__told_so_before_anything_else(world: World, query: str) -> None:
    assert world.client.get(f"/v1/orders{query}").status_code == 401


def test_headers__longer_than_the_server_reads__problem(world: World) -> None:
    answer = world.client.get("/v1/clock", headers={"X-Long": "x" * HEADER_BYTES_MAX})

    assert (answer.status_code, answer.json()["type"]) == (431, "/problems/headers-too-large")


def test_server__no_http_at_all__problem() -> None:
    sent: list[bytes] = []

    class Wire:
        def write(self, data: bytes) -> None:
            sent.append(data)

        def close(self) -> None:
            sent.append(b"closed")

    protocol = ProblemProtocol.__new__(ProblemProtocol)
    protocol.transport = Wire()  # type: ignore[assignment]
    protocol.send_400_response("Invalid HTTP request received.")

    head, _, body = sent[0].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/problem+json" in head
    assert b'"type":"/problems/bad-request"' in body
    assert sent[-1] == b"closed"


def test_problem_pages__every_type_of_the_document__explained(world: World) -> None:
    codes = {*SPEC["components"]["examples"]} | {
        shown.type.removeprefix("/problems/") for shown in problem_types(SPEC).values()
    }

    assert len(codes) > len(SERVER_PROBLEMS)
    for code in codes:
        answer = world.client.get(f"/problems/{code}")
        shown = answer.json()
        assert (answer.status_code, shown["type"]) == (200, f"/problems/{code}")
        assert shown["title"] and shown["meaning"] and shown["what_to_do"]
    assert world.client.get("/problems/unheard-of").status_code == 404


def test_problem_types__every_code__says_what_to_do_about_its_own_cause() -> None:
    causes = [DominoesError]
    for cause in causes:
        causes += cause.__subclasses__()
    by_code: dict[str, set[str]] = {}
    for cause in causes:
        if cause.remedy:
            by_code.setdefault(cause.code, set()).add(cause.remedy)
    shown = {code: one.what_to_do for code, one in problem_types(SPEC).items()}
    documented = {code: shown[code] for code in SPEC["components"]["examples"] if code != "internal"}

    assert {code: by_code.get(code) for code in documented} == {code: {text} for code, text in documented.items()}
    assert [text for text, times in Counter(shown.values()).items() if times > 1] == []
    assert [text for text in shown.values() if not 20 <= len(text) <= 120 or text[-1] != "."] == []


def test_problem_page__for_people__html_without_script(world: World) -> None:
    answer = world.client.get("/problems/token-refused", headers={"Accept": "text/html"})

    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>token refused</h1>" in answer.text
    assert "script" not in answer.text
    assert "<code>Authorization: Bearer …</code>" in answer.text and "`" not in answer.text


def _client(tmp_path: Path, **changes: Any) -> TestClient:
    services, _ = make_services(tmp_path, wall=[1_800_000_000], market_seconds=1_464_739_200)
    for name, value in changes.items():
        object.__setattr__(services, name, value)
    return TestClient(create_app(services))


def test_cors__origin_allowed__its_pages_may_ask_and_read(tmp_path: Path) -> None:
    client = _client(tmp_path, origins=(ORIGIN,))
    wanted = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "idempotency-key",
    }

    preflight = client.options("/v1/orders", headers=wanted)
    answer = client.get("/v1/clock", headers={"Origin": ORIGIN})
    other = client.get("/v1/clock", headers={"Origin": "https://evil.example"})

    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "Link" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in other.headers


def test_cors__nothing_said__no_origin(world: World) -> None:
    answer = world.client.get("/v1/clock", headers={"Origin": ORIGIN})

    assert "access-control-allow-origin" not in answer.headers
