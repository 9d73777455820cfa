"""Logs are JSON line by line, whoever speaks, and do not grow for ever; what a process writes is its owner's alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from ledger_service.record import Record, sqlite_url
from scripts.cli.main import app
from scripts.serving.embedded import processes
from scripts.serving.embedded.owner import RUN, hold
from scripts.serving.embedded.processes import LOGS_BEFORE, Child
from scripts.serving.private_files import OTHERS, keep_private
from scripts.serving.settings import ApiSection
from scripts.serving.web import server_of

pytestmark = pytest.mark.unit

SPEAKS = """
import logging, threading, warnings
from scripts.serving.telemetry import set_up_logging
set_up_logging(logging.INFO)
logging.getLogger("uvicorn.error").error("the server says %s", "this")
warnings.warn("Python says this")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise RuntimeError("nobody caught this\\nin two lines")
"""

CHATTY = "import sys\nfor line in sys.stdin: print(line.strip() * 100, flush=True)"


@pytest.fixture(autouse=True)
def _own_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_logs__server_warnings_and_uncaught_exceptions__are_json_line_by_line() -> None:
    done = subprocess.run([sys.executable, "-c", SPEAKS], capture_output=True, text=True)

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    said = json.dumps(lines)
    assert done.returncode == 1 and done.stdout == ""
    assert [line["level"] for line in lines] == ["error", "warning", "critical", "critical"]
    for part in ("the server says this", "Python says this", "ZeroDivisionError", "nobody caught this"):
        assert part in said


def test_server__has_no_handlers_of_its_own() -> None:
    assert server_of(FastAPI(), ApiSection()).config.log_config is None


def test_child__long_log__becomes_the_one_before_and_few_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LOG_BYTES_MAX", 1_000)
    log = tmp_path / "logs" / "child.log"
    child = Child(name="child", command=[sys.executable, "-c", "import time; time.sleep(60)"], log=log)
    try:
        for number in range(LOGS_BEFORE + 2):
            with log.open("a") as file:
                file.write(f"{number}" * 1_001)
            child.rotate_log()
            child.rotate_log()  # short again: nothing happens
    finally:
        child.signal(processes.signal.SIGKILL)
        child.stop()

    kept = sorted(path.name for path in log.parent.iterdir())
    assert kept == ["child.log", *(f"child.log.{number}" for number in range(1, LOGS_BEFORE + 1))]
    assert log.read_text() == ""
    assert (log.parent / "child.log.1").read_text()[0] == str(LOGS_BEFORE + 1)


def test_child__goes_on_writing_after_its_log_was_cut__at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LOG_BYTES_MAX", 10)
    log, say = tmp_path / "child.log", tmp_path / "say"
    source = f"import pathlib, time\nprint('first ' * 10, flush=True)\nwhile not pathlib.Path({str(say)!r}).exists():"
    source += " time.sleep(0.02)\nprint('second', flush=True)"
    child = Child(name="child", command=[sys.executable, "-c", source], log=log)
    while not log.read_text().endswith("\n"):
        time.sleep(0.02)
    child.rotate_log()
    say.touch()
    while child.alive():
        time.sleep(0.02)
    child.stop()

    assert log.read_text() == "second\n"


def test_keep_private__databases_logs_and_folders__nobody_else_may_read_them(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o755)

    keep_private()
    with closing(hold(state, RUN)), closing(Record.open(sqlite_url(state / "service.sqlite"))):
        child = Child(name="child", command=[sys.executable, "-c", "print('x')"], log=state / "logs" / "child.log")
        child.stop()
        found = [state, *state.rglob("*")]
        assert len(found) >= 6  # folder, lock, database with its two files, log with its folder
        assert [path for path in found if path.stat().st_mode & OTHERS] == []


@pytest.mark.parametrize(
    "command",
    [
        ("up", "--day", "nonsense"),
        ("demo-day", "--day", "nonsense"),
        ("serve", "--config", "/nowhere.toml"),
        ("attester", "--config", "/nowhere.toml"),
        ("signer", "run", "--config", "/nowhere.toml"),
    ],
)
def test_commands__that_keep_state_or_logs__keep_them_private(command: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, list(command)).exit_code == 2

    assert os.umask(0) == OTHERS
