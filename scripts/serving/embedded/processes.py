"""The processes of an embedded run: started with logs of their own, watched, measured, and ended in order."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx
import psutil

from domain.errors import DominoesError
from scripts.serving.settings import ENVIRONMENT_PREFIX

START_SECONDS_MAX = 120.0
"""Longest wait for a process to be ready."""

STOP_SECONDS_MAX = 30.0
"""Longest wait for a process to end by itself before it is killed."""

LOG_BYTES_MAX = 50 * 1024**2
"""A log longer than this becomes the one before, and an empty one begins: days of the demo's run."""

LOGS_BEFORE = 3
"""Logs before the present one that are kept, the last one as `.1`."""

SAMPLE_SECONDS = 0.5
"""Wall seconds between looks at memory."""


class ProcessDied(DominoesError):
    """A process of the run ended though nobody asked it to."""

    code = "process-died"

    def __init__(self, *, name: str, returncode: int, log: Path) -> None:
        self.name, self.returncode, self.log = name, returncode, log
        super().__init__(f"{name} ended with {returncode}; its log is {log}; the next `make run` goes on where it was")


class NotReady(DominoesError):
    """A process did not become ready in time."""

    code = "not-ready"

    def __init__(self, *, name: str, log: Path) -> None:
        self.name, self.log = name, log
        super().__init__(f"{name} is not ready after {START_SECONDS_MAX:.0f} s; its log is {log}")


CHILD_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "262144",
    "MALLOC_TRIM_THRESHOLD_": "262144",
}
"""Logs at once; one thread for arithmetic on a machine of few cores; and what a settlement or a set of messages took
goes back to the system when it is done (glibc keeps it otherwise: a tenth of all memory over a day)."""


class Child:
    """One child process, its output in `log`, in a process group of its own so that Ctrl-C reaches only the parent.

    Its settings come from its file alone: what the shell says of ours is meant for the process that the shell started.
    """

    def __init__(self, *, name: str, command: Sequence[str], log: Path) -> None:
        self.name, self.log = name, log
        log.parent.mkdir(parents=True, exist_ok=True)
        self._file = log.open("ab")
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=self._file,
            start_new_session=True,
            env={**_without_settings(os.environ), **CHILD_ENVIRONMENT},
        )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def rotate_log(self) -> None:
        """Begin an empty log where the present one has grown long.

        The process goes on writing to the same file, at its end: what it says while it is copied may be lost.
        """
        if self.log.stat().st_size <= LOG_BYTES_MAX:
            return
        for number in range(LOGS_BEFORE, 1, -1):
            younger = _before(self.log, number - 1)
            if younger.exists():
                younger.replace(_before(self.log, number))
        shutil.copyfile(self.log, _before(self.log, 1))
        os.truncate(self.log, 0)

    def check(self) -> None:
        """Raise ProcessDied where the process has ended."""
        code = self._process.poll()
        if code is not None:
            raise ProcessDied(name=self.name, returncode=code, log=self.log)

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; one that kills is waited for."""
        self._process.send_signal(number)
        if number is signal.SIGKILL:
            self._process.wait()

    def stop(self) -> None:
        """Ask it to end, and kill it where it does not."""
        if self.alive():
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._file.close()


def _before(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(ENVIRONMENT_PREFIX)}


def end_leftovers(state: Path) -> None:
    """End processes of this run that a killed parent left behind, so that two never work on one state."""
    marks = {str(state), str(state.resolve())}
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        ours = any(module in command for module in ("scripts.serving.embedded.service", "scripts.serving.attester"))
        if ours and any(part == mark or part.startswith(f"{mark}{os.sep}") for part in command for mark in marks):
            try:
                process.kill()
                process.wait(STOP_SECONDS_MAX)
            except psutil.Error:
                continue


def python_module(module: str, *arguments: str) -> list[str]:
    """The command that runs one of our modules with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def wait_for_health(child: Child, *, url: str) -> None:
    """Return once the API answers. Raises ProcessDied or NotReady."""

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/health", timeout=2.0).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    wait_until_ready(child, answers)


def wait_until_ready(child: Child, ready: Callable[[], bool]) -> None:
    """Return once `ready()`. Raises ProcessDied or NotReady."""
    end = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < end:
        child.check()
        if ready():
            return
        time.sleep(0.1)
    raise NotReady(name=child.name, log=child.log)


class Memory:
    """Peak of the memory all processes below this one take together, sampled; shared pages are counted once."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopping.wait(SAMPLE_SECONDS):
            self.peak_bytes = max(self.peak_bytes, _total_bytes())


def _total_bytes() -> int:
    root = psutil.Process()
    total = 0
    for process in (root, *root.children(recursive=True)):
        try:
            info = process.memory_full_info()
            total += int(getattr(info, "pss", 0) or info.rss)
        except psutil.Error:
            continue
    return total
