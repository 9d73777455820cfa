"""What goes over the wire: whatever a client sends, a running server answers in problems, and goes on."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.serving.settings import ApiSection
from scripts.serving.web import server_of
from tests.unit.wallet_api.world import MARKET_SECONDS, WALL_SECONDS, make_services
from wallet_api.app import create_app

pytestmark = pytest.mark.integration

SECONDS = 20
"""Longest that an answer is waited for."""

GET, POST = b"GET /v1/clock HTTP/1.1\r\nHost: x\r\n", b"POST /v1/session/challenge HTTP/1.1\r\nHost: x\r\n"
JSON, CLOSE, END = b"Content-Type: application/json\r\n", b"Connection: close\r\n", b"\r\n"
ASSET = b"GET /docs/assets/swagger-ui.css HTTP/1.1\r\nHost: x\r\n"
PREFLIGHT = b"OPTIONS /v1/orders HTTP/1.1\r\nHost: x\r\n" + CLOSE
CHUNKED = POST + JSON + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED: dict[str, tuple[bytes, int]] = {
    "address of 40 kB": (b"GET /v1/clock?a=" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n" + CLOSE + END, 431),
    "address of 300 kB": (b"GET /" + b"x" * 300_000 + b" HTTP/1.1\r\nHost: x\r\n" + CLOSE + END, 431),
    "header of 70 kB": (GET + CLOSE + b"X-A: " + b"x" * 70_000 + END + END, 431),
    "5000 headers": (GET + CLOSE + b"".join(b"X-%d: 1\r\n" % number for number in range(5_000)) + END, 431),
    "no HTTP": (b"\x16\x03\x01\x02\x00" + b"\x00" * 100, 400),
    "method unheard of": (b"FOO /v1/clock HTTP/1.1\r\nHost: x\r\n" + CLOSE + END, 400),
    "method of others": (b"PROPFIND /v1/clock HTTP/1.1\r\nHost: x\r\n" + CLOSE + END, 405),
    "version unheard of": (b"GET /v1/clock HTTP/9.9\r\nHost: x\r\n" + CLOSE + END, 400),
    "length in letters": (POST + JSON + CLOSE + b"Content-Length: abc\r\n\r\n{}", 400),
    "length below zero": (POST + JSON + CLOSE + b"Content-Length: -1\r\n\r\n{}", 400),
    "two lengths": (POST + JSON + CLOSE + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", 400),
    "length beyond any": (POST + JSON + CLOSE + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n{}", 400),
    "length and chunks": (POST + JSON + CLOSE + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "chunk of no length": (CHUNKED + b"zz\r\n{}\r\n", 400),
    "chunks beyond the limit": (CHUNKED + b"200000\r\n" + b" " * 0x200000 + b"\r\n0\r\n\r\n", 413),
    "other media type": (POST + CLOSE + b"Content-Type: text/xml\r\nContent-Length: 2\r\n\r\n{}", 415),
    "NUL in a header": (GET + CLOSE + b"X-A: a\x00b\r\n\r\n", 400),
    "bare line ends": (b"GET /v1/clock HTTP/1.1\nHost: x\nConnection: close\n\n", 400),
    "origin that may not": (
        PREFLIGHT + b"Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n",
        403,
    ),
    "method that pages may not": (
        PREFLIGHT + b"Origin: https://app.example\r\nAccess-Control-Request-Method: DELETE\r\n\r\n",
        403,
    ),
    "token of no text": (
        b"GET /v1/balance?x=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\r\n" + CLOSE + END,
        401,
    ),
}
"""What is refused, and how."""

TAKEN = {
    "upgrade to WebSocket": GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "range that isn't there": ASSET + CLOSE + b"Range: bytes=999999999-\r\n\r\n",
    "range of something else": ASSET + CLOSE + b"Range: cows=1\r\n\r\n",
}
"""What is answered as if it had not asked for more."""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where the API is served, as it is in earnest."""
    folder: Path = tmp_path_factory.mktemp("wire")
    services, _ = make_services(folder, wall=[WALL_SECONDS], market_seconds=MARKET_SECONDS)
    object.__setattr__(services, "origins", ("https://app.example",))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = server_of(create_app(services), ApiSection(host="127.0.0.1"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        end = time.monotonic() + SECONDS
        while not server.started and time.monotonic() < end:
            time.sleep(0.01)
        yield int(listening.getsockname()[1])
        server.should_exit = True
        thread.join(SECONDS)
    services.record.close()


def exchange(port: int, sent: bytes, *, until: bytes | None = None) -> bytes:
    """What the server answers, until it hangs up or has said `until`."""
    answered = b""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as wire:
        try:
            wire.sendall(sent)
            while (read := wire.recv(65_536)) and (until is None or until not in answered + read):
                answered += read
            answered += read
        except ConnectionError:  # it hung up on what it would not read
            pass
    return answered


@pytest.mark.parametrize("name", REFUSED)
def test_request__that_is_refused__is_told_in_a_problem(port: int, name: str) -> None:
    sent, status = REFUSED[name]

    head, _, body = exchange(port, sent).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert b"content-type: application/problem+json" in head.lower()
    assert b'"type":"/problems/' in body


@pytest.mark.parametrize("name", TAKEN)
def test_request__for_more_than_there_is__answered_without(port: int, name: str) -> None:
    answer = exchange(port, TAKEN[name], until=b"}")

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_head__over_one_connection__leaves_it_open_for_the_next(port: int) -> None:
    head = b"HEAD /v1/clock HTTP/1.1\r\nHost: x\r\n\r\n"

    answer = exchange(port, head + head + GET + CLOSE + END)

    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert answer.count(b"market_time_utc") == 1
