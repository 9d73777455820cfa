"""A running system as the tests of whole systems watch it: started by the command line, killed, looked at."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from domain.facts import MtuCleared, ReadingAttested
from ledger_service.chain.ports import free_port
from ledger_service.record import Record, sqlite_url
from tests.journal import content_of

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


def kill_all_with(mark: str) -> None:
    """End every process that names `mark` on its command line, whatever became of its parents."""
    for process in psutil.process_iter(["cmdline"]):
        if any(mark in part for part in process.info["cmdline"] or []):
            process.kill()


def check_journal(state: Path) -> int:
    """The journal is whole and no MTU was cleared twice; returns how many were cleared."""
    record = Record.open(sqlite_url(state / "service.sqlite"))
    try:
        record.verify()
        cleared = [content_of(entry)["mtu"] for entry in record.entries(kinds=[MtuCleared], limit=100_000)]
        attested = [
            (item["mtu"], item["revision"])
            for entry in record.entries(kinds=[ReadingAttested], limit=100_000)
            for item in content_of(entry)["attestations"]
        ]
    finally:
        record.close()
    assert len(set(cleared)) == len(cleared)
    assert len(set(attested)) == len(attested)
    return len(cleared)
