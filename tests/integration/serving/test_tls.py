"""The API ends TLS itself: what it speaks, and what it does not."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from ledger_service.chain.ports import free_port
from scripts.serving.production.http import open_service
from scripts.serving.settings import ApiSection
from scripts.serving.web import server_of
from tests.authority import Authority

pytestmark = pytest.mark.integration


class Served:
    """A server with a certificate of an authority of its own."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder=folder, name="API CA", now=dt.datetime.now(tz=dt.UTC))
        identity = authority.server(hosts=["127.0.0.1"])
        self.ca, self.port = authority.certificate, free_port()
        app = FastAPI()
        app.get("/")(lambda: {"served": True})
        api = ApiSection(port=self.port, certificate=identity.certificate, key=identity.key)
        self.server = server_of(app, api)
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def handshake(self, **versions: ssl.TLSVersion) -> str | None:
        context = ssl.create_default_context(cafile=self.ca)
        for name, version in versions.items():
            setattr(context, name, version)
        plain = socket.create_connection(("127.0.0.1", self.port))
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as link:
            return link.version()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    made.thread.start()
    while not made.server.started:
        time.sleep(0.05)
    yield made
    made.server.should_exit = True
    made.thread.join(timeout=10)


def test_api__client_of_an_organisation_that_trusts_its_authority__is_answered(served: Served) -> None:
    with open_service(f"https://127.0.0.1:{served.port}", ca=served.ca) as http:
        assert http.get("/").json() == {"served": True}


def test_api__client_that_does_not_know_the_authority__does_not_talk_to_it(served: Served) -> None:
    with open_service(f"https://127.0.0.1:{served.port}", ca=None) as http, pytest.raises(httpx.ConnectError):
        http.get("/")


def test_api__plain_http_on_its_port__is_not_spoken(served: Served) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{served.port}/")


@pytest.mark.parametrize(
    ("version", "spoken"), [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]
)
def test_api__current_tls__is_spoken(served: Served, version: ssl.TLSVersion, spoken: str) -> None:
    assert served.handshake(minimum_version=version, maximum_version=version) == spoken


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_api__tls_older_than_1_2__is_not_spoken(served: Served) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        served.handshake(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)

    assert served.server.config.ssl is not None
    assert served.server.config.ssl.minimum_version is ssl.TLSVersion.TLSv1_2
