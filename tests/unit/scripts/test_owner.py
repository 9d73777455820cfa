"""One owner per state folder, and processes that are started again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from domain.errors import DominoesError
from scripts.serving.embedded import running
from scripts.serving.embedded.owner import RUN, SERVICE, StateTaken, hold

pytestmark = pytest.mark.unit


class DiskFull(DominoesError):
    code = "disk-full"


def test_hold__held_already__refused_and_free_again_after(tmp_path: Path) -> None:
    held = hold(tmp_path, RUN)

    with pytest.raises(StateTaken) as refusal:
        hold(tmp_path, RUN)
    hold(tmp_path, SERVICE).close()
    held.close()

    assert refusal.value.owner == RUN
    hold(tmp_path, RUN).close()


def test_hold__owner_killed__free_at_once(tmp_path: Path) -> None:
    code = (
        "from scripts.serving.embedded.owner import hold; from pathlib import Path; "
        f"f = hold(Path({str(tmp_path)!r}), 'run'); print('held', flush=True); import time; time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    with pytest.raises(StateTaken):
        hold(tmp_path, RUN)

    process.kill()
    process.wait()

    hold(tmp_path, RUN).close()


class Dying:
    """A system whose service is dead until it was started often enough."""

    def __init__(self, *, starts: int) -> None:
        self.starts, self.tried = starts, 0

    def dead(self) -> list[str]:
        return [] if self.tried >= self.starts else ["service"]

    def revive(self, name: str) -> None:
        self.tried += 1
        if self.tried < self.starts:
            raise DiskFull("no space left")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "REVIVE_SECONDS", 0.001)
    monkeypatch.setattr(running, "REVIVE_SECONDS_MAX", 0.001)


def reviver(system: Any, said: list[str], ended: list[str]) -> running.Reviver:
    return running.Reviver(system=system, say=said.append, gave_up=ended.append)


def test_reviver__start_fails_for_a_while__goes_on_trying() -> None:
    system, said, ended = Dying(starts=4), list[str](), list[str]()

    with reviver(system, said, ended) as under_test:
        while system.tried < 4:
            under_test._stopping.wait(0.001)

    assert sum("no space left" in text for text in said) == 3
    assert ended == []


def test_reviver__never_comes_back__says_so_and_gives_up() -> None:
    system, said, ended = Dying(starts=10_000), list[str](), list[str]()

    with reviver(system, said, ended) as under_test:
        while not ended:
            under_test._stopping.wait(0.001)

    assert system.tried == running.REVIVALS_MAX
    assert "logs" in ended[0]
