"""What the start pages tell a reader to run does what they say."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from eth_account import Account
from fastapi import FastAPI
from typer.testing import CliRunner

from domain.eip712 import PROGRAM
from domain.facts import SessionOpened
from domain.hashing import to_hex
from grid.model import GridModel
from ledger_service.chain.ports import free_port
from ledger_service.market.views import fold
from ledger_service.programs import ValidationStage
from ledger_service.trading import GateStage
from scripts.cli.main import app as dominoes
from scripts.serving.embedded.keys import keep_keys
from scripts.serving.embedded.run_folder import HOUSEHOLD_KEYS
from tests.integration.ledger.told import session_opened
from tests.journal import append_fact
from tests.unit.wallet_api.world import AREA, AREA_BODY, CHAIN_ID, GATE, MARKET, World, key_named, open_world

pytestmark = pytest.mark.integration

PAGES = Path(__file__).parents[3] / "docs" / "start"
SCRIPT = PAGES / "trading_client.py"
DSO_PAGE = PAGES / "dso-engineer.md"


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


def run_client(world: World, folder: Path, market: str) -> subprocess.CompletedProcess[str]:
    """The page's client, run with the keys that a demo keeps for it."""
    keep_keys(folder, {"prosumer": key_named("household 1"), "prosumer-orders": key_named("device of household 1")})
    keys = [str(folder / name) for name in HOUSEHOLD_KEYS]
    with served(world.app) as url:
        return subprocess.run([sys.executable, str(SCRIPT), url, market, *keys], capture_output=True, text=True)


def test_trading_client__refused__says_what_the_problem_says(trading: World, tmp_path: Path) -> None:
    done = run_client(trading, tmp_path, "DE-9/DA")

    assert done.returncode == 1
    assert "GET /v1/markets/DE-9/DA/programs" in done.stderr
    assert "there is no such market; list them" in done.stderr
    assert "Traceback" not in done.stderr


def test_trading_client__after_the_gate__says_that_nothing_is_open(trading: World, tmp_path: Path) -> None:
    trading.clock.advance_to(GATE)

    done = run_client(trading, tmp_path, MARKET)

    assert (done.returncode, "is open now" in done.stderr, "Traceback" in done.stderr) == (1, True, False)


def test_trading_client__as_printed__gets_a_receipt_for_its_order(trading: World, tmp_path: Path) -> None:
    done = run_client(trading, tmp_path, MARKET)

    assert done.returncode == 0, done.stderr
    (mine,) = trading.get("household 1", "/v1/orders").json()["items"]
    assert ast.literal_eval(done.stdout)["tag"] == mine["tag"]


SESSION_OF_THE_PAGE = "1465984800"
"""The gate that the page's commands name."""


def commands(page: str) -> list[list[str]]:
    """The command lines of a page, without `dominoes`."""
    return [line.split()[1:] for line in re.findall(r"^    (dominoes .*)$", page, re.MULTILINE)]


def settings_of_the_page(page: str, url: str) -> str:
    """The page's settings file, with the market of the tests in the place of its example."""
    (text,) = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for was, now in (
        ("https://market.example:8443", url),
        ('"DE-1"', f'"{AREA}"'),
        ('"DE-1/DA"', f'"{MARKET}"'),
        ("Europe/Berlin", "UTC"),
        ("12:00", "10:00"),
    ):
        assert was in text
        text = text.replace(was, now)
    return text


@pytest.fixture
def deciding(trading: World) -> World:
    """A market whose first program, with one bid that nobody answers, waits for the DSO's verdict."""
    assert trading.post("household 1", "/v1/orders", trading.order_body("household 1")).status_code == 201
    trading.clock.advance_to(GATE)
    record = trading.services.record
    (opened,) = record.entries(kinds=[SessionOpened])
    told = session_opened(opened.as_a(SessionOpened))
    with record.begin() as tx:
        entry = append_fact(tx, "chain.included", {"key": "opened", "block": 1, "events": [told]})
        fold(tx.connection, [entry])
    for stage in (GateStage(record), ValidationStage(record, metered=lambda connection, point, mtus: {})):
        while stage.run(GATE):
            pass
    return trading


def equip(desk: Path, world: World, url: str) -> None:
    """The files that a DSO brings: its key, its grid model, the anchors of its contract, its settings."""
    (desk / "keys").mkdir()
    for name, text in (
        ("keys/dso.json", json.dumps(Account.encrypt(key_named("grid operator").secret, "p", iterations=2))),
        ("keys/dso.password", "p"),
    ):
        (desk / name).touch(mode=0o600)
        (desk / name).write_text(text)
    grid = GridModel.from_document(AREA_BODY["grid_model"])
    (desk / "my-grid.json").write_bytes(grid.to_json())
    market = {"address": to_hex(world.services.deployment.domain_of(PROGRAM).verifying_contract)}
    area = {"grid_model_hash": to_hex(grid.grid_model_hash)}
    anchors = {"chain_id": CHAIN_ID, "contracts": {"Market": market}, "areas": {AREA: area}}
    (desk / "anchors.json").write_text(json.dumps(anchors))
    (desk / "dso.toml").write_text(settings_of_the_page(DSO_PAGE.read_text(), url))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder on the DSO's own machine in which it works."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_dso_engineer__commands_as_printed__sign_what_waits_on_a_machine_without_the_operators_files(
    deciding: World, desk: Path
) -> None:
    answers: dict[str, str] = {}

    with served(deciding.app) as url:
        equip(desk, deciding, url)
        for arguments in commands(DSO_PAGE.read_text()):
            if "--state" in arguments:
                continue  # of a demo's machine
            given = [url if part == "https://market.example:8443" else part for part in arguments]
            given = ["new" + part if part.startswith("keys/") else part for part in given]
            given = [str(GATE) if part == SESSION_OF_THE_PAGE else part for part in given]
            done = CliRunner().invoke(dominoes, given, input="y\n")
            assert done.exit_code == 0, (arguments, done.output)
            answers[" ".join(arguments[:2])] = done.stdout

    assert set(answers) >= {"key keys/dso.json", "sign list", "sign program", "market programs", "market prices"}
    verdicts = deciding.get("grid operator", "/v1/dso/verdicts").json()["items"]
    assert [(one["session"], one["verdict"]) for one in verdicts] == [(GATE, "signed")]


def test_dso_engineer__another_grid_than_the_anchored_one__signs_nothing(deciding: World, desk: Path) -> None:
    with served(deciding.app) as url:
        equip(desk, deciding, url)
        other = AREA_BODY["grid_model"] | {"source_micro_pu": 1_000_000}
        (desk / "my-grid.json").write_bytes(GridModel.from_document(other).to_json())
        done = CliRunner().invoke(dominoes, ["sign", "program", str(GATE), "--config", "dso.toml", "--yes"])

    assert done.exit_code == 2 and "grid-not-anchored" in done.stderr
    assert deciding.get("grid operator", "/v1/dso/verdicts").json()["items"] == []
