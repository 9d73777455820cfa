"""A run of several days whose processes are killed at random moments: nothing lost, nothing twice, however long."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.effort import EFFORT
from tests.functional.running import Run, check_journal, kill_all_with

pytestmark = [pytest.mark.functional, pytest.mark.campaign]

SEED = 20161030
"""Kills of one seed come in one order; which instant each one hits is up to the machine."""

VICTIMS = ("attester-1", "attester-2", "attester-3", "anvil", "scripts.serving.embedded.service")
MTUS_BETWEEN_KILLS = (2, 12)
KILLS = 20 * EFFORT


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    kill_all_with(str(tmp_path))


def test_up__killed_again_and_again__loses_and_doubles_nothing(state: Path, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    run = Run(state, tmp_path / "up.log")
    run.wait_for_mtus(3)

    for _ in range(KILLS):
        run.child(chance.choice(VICTIMS)).send_signal(signal.SIGKILL)
        run.wait_for_mtus(chance.randint(*MTUS_BETWEEN_KILLS))

    seen = run.mtus()
    assert run.stop() == 0
    assert check_journal(state) >= seen
