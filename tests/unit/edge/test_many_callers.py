"""Nobody keeps others waiting: heavy reads, uploads that are given up or never end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from edge import strict_json
from edge.answers import model_answer
from edge.application import equip, routed
from edge.context import Caller, Edge
from edge.declaring import Declaring
from edge.examples import Examples
from edge.limits import Limiter
from edge.middleware import CLIENT_CLOSED, Metrics
from edge.models import Answer
from edge.openapi import Document
from edge.policy import allow
from edge.turns import READS_AT_ONCE
from edge.writes import Created, write

pytestmark = pytest.mark.unit

ABOUT = Document(title="A street", version="1", description="", path="/openapi.json", tags=[], login="")
HEAVY_AT_ONCE = 40


class House(Answer):
    """A house."""

    number: int


@dataclass
class Neighbour:
    """Somebody logged in."""

    address: bytes
    role: str = "neighbour"


async def by_name(request: Request) -> Caller:
    """Believes everybody's name."""
    return Neighbour(address=request.headers["authorization"].encode())


class Street:
    """An application with a list that takes until `let_go`."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Event()
        router, declaring = APIRouter(tags=["street"]), Declaring(example_of=Examples(samples={"number": 7}, ids={}).of)

        @router.get("/heavy", **declaring.reads(House))
        def heavy(request: Request, _: Annotated[Caller, allow("neighbour")]) -> Response:
            self.begun.release()
            assert self.let_go.wait(60)
            return model_answer(House(number=7))

        @router.get("/light", **declaring.reads(House))
        def light(request: Request, _: Annotated[Caller, allow("neighbour")]) -> Response:
            return model_answer(House(number=8))

        @router.post("/houses", **declaring.makes(House, House))
        async def build(request: Request, who: Annotated[Caller, allow("neighbour")]) -> Response:
            return await write(request, who=who, shape=House, work=Created)

        self.app: FastAPI = equip(
            routed([router], about=ABOUT),
            Edge(
                authenticate=by_name,
                limiter=Limiter(monotonic=time.monotonic),
                answers=None,  # type: ignore[arg-type]  # nobody sends an Idempotency-Key here
                wall_clock=lambda: 0,
                metrics=Metrics(),
            ),
        )


@pytest.fixture
def street() -> Iterator[Street]:
    made = Street()
    yield made
    made.let_go.set()


def test_heavy_reads__one_client_asks_for_many__others_are_answered_meanwhile(street: Street) -> None:
    with TestClient(street.app) as client, ThreadPoolExecutor(HEAVY_AT_ONCE + 1) as threads:

        def ask(path: str, name: str) -> Any:
            return client.get(path, headers={"Authorization": name})

        heavy = [threads.submit(ask, "/heavy", "hungry") for _ in range(HEAVY_AT_ONCE)]
        for _ in range(READS_AT_ONCE):
            assert street.begun.acquire(timeout=60)
        other = threads.submit(ask, "/light", "other").result(timeout=60)
        written = client.post("/houses", json={"number": 9}, headers={"Authorization": "hungry"})
        street.let_go.set()

        assert (other.status_code, written.status_code) == (200, 201)
        assert {one.result().status_code for one in heavy} == {200}


def posted(street: Street, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """What is answered to a body that comes in these pieces and then no more."""
    left, sent = list(messages), list[dict[str, Any]]()

    async def receive() -> dict[str, Any]:
        return left.pop(0) if left else await asyncio.Event().wait()  # type: ignore[return-value]

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", b"slow"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/houses",
        "raw_path": b"/houses",
        "query_string": b"",
        "headers": headers,
        "client": ("here", 1),
        "server": ("here", 80),
        "scheme": "http",
        "root_path": "",
        "http_version": "1.1",
    }
    asyncio.run(street.app(scope, receive, send))
    return sent


BEGINNING = {"type": "http.request", "body": b'{"num', "more_body": True}


def test_upload__given_up__no_failure(street: Street) -> None:
    with capture_logs() as told:
        answered = posted(street, BEGINNING, {"type": "http.disconnect"})

    assert answered == []
    assert [(line["log_level"], line["status"]) for line in told] == [("info", CLIENT_CLOSED)]


def test_upload__never_ends__told_after_its_time(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json, "BODY_SECONDS_MAX", 0)
    monkeypatch.setattr(strict_json, "BODY_BYTES_PER_SECOND_LEAST", 2**30)

    begin, body = posted(street, BEGINNING)

    assert begin["status"] == 408
    assert b'"type":"/problems/body-too-slow"' in body["body"]


def test_heavy_reads__what_a_route_computes__comes_out_of_its_clients_allowance(street: Street) -> None:
    taken: list[tuple[bytes, float]] = []
    edge: Edge = street.app.state.edge
    assert edge.reading.budgets is not None
    edge.reading.budgets.take = lambda client, seconds: taken.append((client, seconds))  # type: ignore[method-assign]

    with TestClient(street.app) as client:
        client.get("/light", headers={"Authorization": "other"})

    ((who, seconds),) = taken
    assert (who, seconds > 0) == (b"other", True)
