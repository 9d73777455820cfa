"""What the start pages tell a reader to run does what they say."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from domain.hashing import to_hex
from ledger_service.chain.ports import free_port
from tests.unit.wallet_api.world import MARKET, World, key_named, open_world

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).parents[3] / "docs" / "start" / "trading_client.py"


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address of an application on a free port of this machine."""
    server = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.config.port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def trading(tmp_path: Path) -> Iterator[World]:
    for made in open_world(tmp_path):
        made.open_market()
        yield made


def test_trading_client__as_printed__gets_a_receipt_for_its_order(trading: World) -> None:
    keys = [to_hex(key_named(name).secret) for name in ("household 1", "device of household 1")]

    with served(trading.app) as url:
        done = subprocess.run([sys.executable, str(SCRIPT), url, MARKET, *keys], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    (mine,) = trading.get("household 1", "/v1/orders").json()["items"]
    assert ast.literal_eval(done.stdout)["tag"] == mine["tag"]
