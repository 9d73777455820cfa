"""`make run` survives: killed processes come back, a stopped run goes on, a backup starts elsewhere."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ledger_service.chain.anvil import free_port
from ledger_service.record import Record

pytestmark = pytest.mark.functional

DOMINOES = str(Path(sys.executable).with_name("dominoes"))
MTU_LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d  ", re.MULTILINE)
WAIT_SECONDS = 120


class Run:
    """A running `dominoes up` whose output is read from a file."""

    def __init__(self, state: Path, log: Path) -> None:
        self.state, self.log = state, log
        command = [DOMINOES, "up", "--state", str(state), "--seconds-per-mtu", "0.2", "--port", str(free_port())]
        self._file = log.open("w")
        self.process = subprocess.Popen(command, stdout=self._file, stderr=self._file, start_new_session=True)

    def mtus(self) -> int:
        return len(MTU_LINE.findall(self.log.read_text()))

    def wait(self, what: str, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while not ready():
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            assert time.monotonic() < end, f"no {what}: {self.log.read_text()[-2000:]}"
            time.sleep(0.2)

    def wait_for_mtus(self, more: int) -> None:
        wanted = self.mtus() + more
        self.wait(f"{more} more MTUs", lambda: self.mtus() >= wanted)

    def child(self, mark: str) -> psutil.Process:
        found = [
            child
            for child in psutil.Process(self.process.pid).children(recursive=True)
            if any(mark in part for part in child.cmdline())
        ]
        return found[0]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=60)
        self._file.close()
        return code


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    for process in psutil.process_iter(["cmdline"]):
        if any(str(tmp_path) in part for part in process.info["cmdline"] or []):
            process.kill()


def check_journal(state: Path) -> int:
    """The journal is whole and no MTU was cleared twice; returns how many were cleared."""
    record = Record.open(f"sqlite:///{state / 'service.sqlite'}")
    try:
        record.verify()
        cleared = [entry.content()["mtu"] for entry in record.entries(kinds=["mtu.cleared"], limit=100_000)]
        attested = [
            (item["mtu"], item["revision"])
            for entry in record.entries(kinds=["reading.attested"], limit=100_000)
            for item in entry.content()["attestations"]
        ]
    finally:
        record.close()
    assert len(set(cleared)) == len(cleared)
    assert len(set(attested)) == len(attested)
    return len(cleared)


def test_up__service_attester_and_node_killed__goes_on_without_loss(state: Path, tmp_path: Path) -> None:
    run = Run(state, tmp_path / "up.log")
    run.wait_for_mtus(3)

    for mark in ("attester-2", "anvil", "scripts.serving.embedded.service"):
        run.child(mark).send_signal(signal.SIGKILL)
        run.wait_for_mtus(4)

    assert run.stop() == 0
    assert check_journal(state) == 96


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
