"""What every test has: one kind, no network in unit tests, and a database of each kind where it asks for one."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_socket import disable_socket, enable_socket

from ledger_service.record import Record
from tests.effort import draw_the_same
from tests.guards import guard_transactions
from tests.postgres import Postgres

draw_the_same()

KINDS = ("unit", "property", "golden", "integration", "functional")
"""Exactly one of these marks says what a test is; `host` may stand beside it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse tests of no kind or of two."""
    odd = [item.nodeid for item in items if sum(1 for kind in KINDS if item.get_closest_marker(kind)) != 1]
    if odd:
        raise pytest.UsageError(f"tests need exactly one of {', '.join(KINDS)}: {', '.join(odd[:5])}")


@pytest.fixture(autouse=True)
def _network(request: pytest.FixtureRequest) -> Iterator[None]:
    """Unit tests reach nothing beyond this process (Unix sockets serve event loops and the tests' own database)."""
    if request.node.get_closest_marker("unit") is None:
        yield
        return
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture(autouse=True)
def _quick_transactions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a unit or integration test drives, its write transactions hold nobody up (tests/guards.py)."""
    if request.node.get_closest_marker("unit") or request.node.get_closest_marker("integration"):
        guard_transactions(monkeypatch)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """One server for all tests of a session."""
    folder = tmp_path_factory.mktemp("pg")
    server = Postgres(folder)
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.host)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/record.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.create(f"test_{tmp_path.name}_{time.monotonic_ns()}"[:60])


@pytest.fixture(scope="session")
def empty_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite record in which nothing happened yet, made once: its migrations take longer than most tests."""
    path = tmp_path_factory.mktemp("record") / "record.db"
    Record.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def record_url(empty_url: str, empty_record: Path) -> str:
    """A database of each kind for a record; the one of SQLite has its tables already."""
    if empty_url.startswith("sqlite:///"):
        shutil.copyfile(empty_record, empty_url.removeprefix("sqlite:///"))
    return empty_url
