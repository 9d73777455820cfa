"""`make run` survives: killed processes come back, a stopped run goes on, a backup starts elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.serving.embedded.evidence import ANCHORS_FILE
from tests.functional.running import DOMINOES, Run, check_journal, kill_all_with

pytestmark = pytest.mark.functional


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "a#b?c%20d"  # what means something in a URL is a letter like others in a folder's name
    kill_all_with(str(tmp_path))


def test_up__service_attester_and_node_killed__goes_on_without_loss(state: Path, tmp_path: Path) -> None:
    run = Run(state, tmp_path / "up.log")
    run.wait_for_mtus(3)

    for mark in ("attester-2", "anvil", "scripts.serving.embedded.service"):
        run.child(mark).send_signal(signal.SIGKILL)
        run.wait_for_mtus(4)

    assert run.stop() == 0
    assert check_journal(state) == 96
    checkpoint = json.loads((state / ANCHORS_FILE).read_text())["checkpoint"]
    assert checkpoint["block"] > 0 and checkpoint["journal_sequence"] > 0


def test_up__stopped_and_started_again__goes_on_where_it_was(state: Path, tmp_path: Path) -> None:
    first = Run(state, tmp_path / "first.log")
    first.wait_for_mtus(3)
    assert first.stop() == 0

    second = Run(state, tmp_path / "second.log")
    second.wait_for_mtus(3)
    os.killpg(second.process.pid, signal.SIGKILL)
    third = Run(state, tmp_path / "third.log")
    third.wait_for_mtus(3)

    assert third.stop() == 0
    assert "registering" not in (tmp_path / "third.log").read_text()
    check_journal(state)


def test_backup__restored_elsewhere__the_run_goes_on_there(state: Path, tmp_path: Path) -> None:
    run = Run(state, tmp_path / "up.log")
    run.wait_for_mtus(2)
    file, elsewhere = tmp_path / "backup.tar.gz", tmp_path / "elsewhere"

    done = subprocess.run(
        [DOMINOES, "backup", str(file), "--state", str(state), "--json"], capture_output=True, text=True
    )
    assert run.stop() == 0
    assert done.returncode == 0 and json.loads(done.stdout)["files"] > 10
    restored = subprocess.run(
        [DOMINOES, "restore", str(file), "--state", str(elsewhere)], capture_output=True, text=True
    )
    assert restored.returncode == 0, restored.stderr
    again = Run(elsewhere, tmp_path / "again.log")
    again.wait_for_mtus(2)

    assert again.stop() == 0
    check_journal(elsewhere)
