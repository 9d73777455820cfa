"""What a connection may cost before anybody is logged in: half requests, endless headers, sockets that say nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import uvicorn

from edge import server
from edge.middleware import HEADER_BYTES_MAX
from ledger_service.chain.ports import free_port

pytestmark = pytest.mark.integration

REQUEST = b"GET /anything HTTP/1.1\r\nHost: here\r\n\r\n"
Connect = Callable[[], socket.socket]


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers everything."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Connects to a server with small limits."""
    monkeypatch.setattr(server, "HEADER_SECONDS_MAX", 1.0)
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 3)
    config = uvicorn.Config(
        application,
        port=free_port(),
        http=server.ProblemProtocol,
        timeout_keep_alive=60,
        ws="none",
        lifespan="off",
        log_level="error",
    )
    serving = uvicorn.Server(config)
    thread = threading.Thread(target=serving.run)
    thread.start()
    with ExitStack() as opened:

        def connected() -> socket.socket:
            while not serving.started:
                assert thread.is_alive()
            made = opened.enter_context(socket.create_connection(("127.0.0.1", config.port)))
            made.settimeout(10)
            return made

        yield connected
    serving.should_exit = True
    thread.join()


def all_of(connection: socket.socket) -> bytes:
    """Everything that comes until the server hangs up."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def said(connection: socket.socket) -> bytes:
    """What came within a moment."""
    connection.settimeout(0.01)
    try:
        return connection.recv(65_536)
    except TimeoutError:
        return b""


def is_served(connection: socket.socket) -> bool:
    connection.sendall(REQUEST)
    return connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("sent", [b"", b"GET /any", REQUEST[:-2]])
def test_connection__headers_do_not_come__told_and_closed(connect: Connect, sent: bytes) -> None:
    connection = connect()
    connection.sendall(sent)

    answer = all_of(connection)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"type":"/problems/request-timeout"' in answer


def test_connection__second_request_stays_half__told_and_closed(connect: Connect) -> None:
    connection = connect()
    assert is_served(connection)
    connection.sendall(REQUEST[:-2])

    assert all_of(connection).startswith(b"HTTP/1.1 408 ")


def test_connection__endless_header__told_and_closed(connect: Connect) -> None:
    connection = connect()
    connection.sendall(REQUEST[:-2] + b"X-Long: ")
    taken = 0

    while not (answer := said(connection)):
        connection.sendall(b"x" * 4_096)
        taken += 4_096

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"type":"/problems/headers-too-large"' in answer
    assert taken < 10 * HEADER_BYTES_MAX


def test_connection__too_many_are_open__longest_quiet_one_makes_room(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS_MAX", 60.0)
    quiet, *used = [connect() for _ in range(3)]
    assert is_served(quiet)
    assert all(map(is_served, used))

    assert is_served(connect())

    assert all_of(quiet) == b""
    assert all(map(is_served, used))
