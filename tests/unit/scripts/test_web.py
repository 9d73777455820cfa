"""Who is listened to over plain HTTP, and whose forwarded headers count."""

from __future__ import annotations

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from scripts.serving.settings import ApiSection
from scripts.serving.web import server_of, surrounded

pytestmark = pytest.mark.unit

PROXY, STRANGER = "10.0.0.1", "10.9.9.9"


def app() -> FastAPI:
    made = FastAPI()

    @made.get("/who")
    def who(request: Request) -> dict[str, str]:
        return {"client": request.client.host if request.client else "", "scheme": request.url.scheme}

    return made


def asked(api: ApiSection, *, by: str) -> tuple[int, dict[str, str]]:
    client = TestClient(surrounded(app(), api), client=(by, 5_000), base_url="http://service")
    answer = client.get("/who", headers={"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https"})
    return answer.status_code, answer.json()


def test_behind_a_proxy__the_proxy__its_forwarded_headers_count() -> None:
    assert asked(ApiSection(trusted_proxies=(PROXY,)), by=PROXY) == (
        200,
        {"client": "203.0.113.7", "scheme": "https"},
    )


def test_behind_a_proxy__network_of_proxies__counts_as_the_proxy() -> None:
    assert asked(ApiSection(trusted_proxies=("10.0.0.0/24",)), by=PROXY)[1]["client"] == "203.0.113.7"


def test_behind_a_proxy__somebody_else__refused_whatever_they_forward() -> None:
    status, problem = asked(ApiSection(trusted_proxies=(PROXY,)), by=STRANGER)

    assert status == 403
    assert problem["status"] == 403  # type: ignore[comparison-overlap]


def test_behind_a_proxy__this_machine__served_but_not_believed() -> None:
    assert asked(ApiSection(trusted_proxies=(PROXY,)), by="127.0.0.1") == (
        200,
        {"client": "127.0.0.1", "scheme": "http"},
    )


def test_without_a_proxy__forwarded_headers__count_from_nobody() -> None:
    assert asked(ApiSection(), by=STRANGER) == (200, {"client": STRANGER, "scheme": "http"})


def test_server__without_certificate__speaks_plain_http_on_its_host() -> None:
    config = server_of(app(), ApiSection()).config

    assert (config.host, config.ssl) == ("127.0.0.1", None)
