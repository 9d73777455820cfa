"""`dominoes doctor` looks at every process of a run that goes on, says reasons, and ends with 1 where one is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from scripts.cli import doctor as module
from scripts.cli.main import app
from scripts.community.run_config import ATTESTER_NAMES, RunConfig
from scripts.serving.embedded.keys import make_keys
from scripts.serving.embedded.owner import RUN, hold
from scripts.serving.embedded.run_folder import KEYS_FOLDER, write_config

pytestmark = pytest.mark.unit

STUB = "import sys, time; print('up', flush=True); time.sleep(60)"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a run whose chain node and broker answer; the service says what `health` is set to."""
    folder = tmp_path / "a b"
    write_config(
        folder,
        RunConfig(
            grid="street",
            area="A",
            pv_permille=1000,
            genesis=0,
            first_day="2016-06-15",
            last_day=None,
            http_port=1,
            mqtt_port=2,
        ),
    )
    make_keys(folder / KEYS_FOLDER, ("dso",))
    monkeypatch.setattr(module, "_node", lambda *_: module.Checked("chain node", "runs"))
    monkeypatch.setattr(module, "_broker", lambda *_: module.Checked("MQTT broker", "runs"))
    monkeypatch.setattr(module, "_disk", lambda *_: module.Checked("free disk", "plenty"))
    monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(200, json={"status": "ok"}))
    return folder


@pytest.fixture
def attesters(state: Path) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Processes that look like the run's attesters."""
    started = {
        name: subprocess.Popen(
            [sys.executable, "-c", STUB, "scripts.serving.attester", str(state / "attesters" / name / "a.toml")],
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ATTESTER_NAMES
    }
    for process in started.values():
        assert process.stdout is not None and process.stdout.readline() == "up\n"
    yield started
    for process in started.values():
        process.kill()
        process.communicate()


def doctor(state: Path) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, ["doctor", "--state", str(state), "--json"], catch_exceptions=False)
    return done.exit_code, json.loads(done.stdout)


def test_doctor__run_that_goes_on_with_all_its_processes__nothing_is_wrong(state: Path, attesters: Any) -> None:
    with hold(state, RUN):
        code, said = doctor(state)

    assert (code, said["wrong"]) == (0, [])
    assert all(said[name].startswith("runs") for name in ("service", "chain node", "MQTT broker", *ATTESTER_NAMES))


def test_doctor__one_attester_gone__named_with_its_log_and_exit_status_1(state: Path, attesters: Any) -> None:
    attesters[ATTESTER_NAMES[1]].kill()
    attesters[ATTESTER_NAMES[1]].wait()

    with hold(state, RUN):
        code, said = doctor(state)

    assert code == 1 and len(said["wrong"]) == 1
    assert said["wrong"][0].startswith(f"{ATTESTER_NAMES[1]}: does not run") and ".log" in said["wrong"][0]


def test_doctor__service_degraded_or_away__says_the_reason(
    state: Path, attesters: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = [
        httpx.Response(200, json={"status": "degraded", "node": "stands still", "stages": "ok"}),
        httpx.ConnectError("refused"),
    ]

    def answer(*_: Any, **__: Any) -> httpx.Response:
        now = answers.pop(0)
        if isinstance(now, Exception):
            raise now
        return now

    monkeypatch.setattr(httpx, "get", answer)
    with hold(state, RUN):
        code, degraded = doctor(state)
        away_code, away = doctor(state)

    assert (code, away_code) == (1, 1)
    assert "degraded" in degraded["service"] and "stands still" in degraded["service"]
    assert "ConnectError" in away["wrong"][0]


def test_doctor__stopped_run__is_not_wrong_but_exposed_keys_are(state: Path) -> None:
    code, said = doctor(state)
    (state / KEYS_FOLDER / "dso" / "key.json").chmod(0o644)
    exposed_code, exposed = doctor(state)

    assert (code, said["wrong"]) == (0, []) and "stopped" in said["run"]
    assert exposed_code == 1 and "key.json" in exposed["wrong"][0]
