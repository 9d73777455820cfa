"""An attester's way to the service over HTTP: its token and what it trusts come from its settings alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from domain.signing import SigningKey
from oracle.attester.http import HttpService
from oracle.attester.service import ServiceAway, ServiceRefused

pytestmark = pytest.mark.integration


class Desk(BaseHTTPRequestHandler):
    """Answers like the service; the tokens it takes are those of its server."""

    server: Service

    def do_POST(self) -> None:
        """Log in."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.headers.append(self.headers.get("Authorization"))
        if self.path == "/v1/session/challenge":
            return self._answer(200, {"nonce": "n", "text": "sign this"})
        self.server.logins += 1
        return self._answer(200, {"access_token": f"token-{self.server.logins}", "expires_in": 900})

    def do_GET(self) -> None:
        """What waits for signatures, for the token of the last restart."""
        self.server.headers.append(self.headers.get("Authorization"))
        if self.path == "/v1/clock":
            return self._answer(self.server.status, {"market_time": 7})
        if self.headers.get("Authorization") != f"Bearer token-{self.server.good}":
            return self._answer(401, {"code": "token-invalid"})
        return self._answer(200, {"items": []})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Service(ThreadingHTTPServer):
    """The service, as far as an attester asks it here."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Desk)
        self.headers: list[str | None] = []
        self.logins, self.good, self.status = 0, 1, 200


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture
def client(service: Service) -> HttpService:
    return HttpService(url=f"http://127.0.0.1:{service.server_port}/", key=SigningKey(b"\x01" * 32))


def test_token__a_netrc_names_the_host__is_the_sessions(
    service: Service, client: HttpService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert client.pending_settlements("AREA") == []
    assert service.headers == [None, None, "Bearer token-1"]


def test_token__the_service_was_restarted__logs_in_again(service: Service, client: HttpService) -> None:
    client.pending_settlements("AREA")
    service.good = 2
    assert client.pending_settlements("AREA") == []
    assert service.logins == 2


def test_token__asked_from_two_threads__both_are_answered(service: Service, client: HttpService) -> None:
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(client.market_time())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [7, 7]


@pytest.mark.parametrize(("status", "error"), [(503, ServiceAway), (429, ServiceAway), (404, ServiceRefused)])
def test_answer__not_a_good_one__says_whether_to_ask_again(
    service: Service, client: HttpService, status: int, error: type[Exception]
) -> None:
    service.status = status
    with pytest.raises(error):
        client.market_time()


def test_answer__nobody_listens__is_away(service: Service, client: HttpService) -> None:
    service.shutdown()
    service.server_close()
    with pytest.raises(ServiceAway):
        client.market_time()
