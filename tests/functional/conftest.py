"""Real days that several tests look at, each produced once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.community.households import wishes
from scripts.serving.embedded.demo_day import MTUS_PER_STEP, DayResult
from tests.functional.agent_day import AgentDay, EndsBeforeTheGate
from tests.functional.later_gates import LATER_GATE, SMALLEST_GRID, later_day
from tests.functional.moving_town import MovingTown, until_noon

CLOCK_GOES_FORWARD = "2016-03-27"


@pytest.fixture(scope="session")
def small_grid_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The day on which the clock goes forward, on the smallest low-voltage grid."""
    out = tmp_path_factory.mktemp("small") / "out"
    command = [str(Path(sys.executable).with_name("dominoes")), "demo-day", "--grid", SMALLEST_GRID]
    asked = [*command, "--day", CLOCK_GOES_FORWARD, "--out", str(out)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return out


@pytest.fixture(scope="session")
def lived_day(tmp_path_factory: pytest.TempPathFactory) -> tuple[DayResult, Path]:
    """A summer day of the smallest grid: one household moves out and another in, one changes its supplier, one has an
    agent."""
    out = tmp_path_factory.mktemp("lived") / "out"
    EndsBeforeTheGate.seen = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.serving.embedded.system.Town", MovingTown)
        patch.setattr("scripts.serving.embedded.demo_day.DayDriver", EndsBeforeTheGate)
        patch.setattr("scripts.community.trading.wishes", until_noon(wishes))
        result = later_day(out, mtus_per_step=MTUS_PER_STEP)
    return result, out


@pytest.fixture(scope="session")
def two_auctions_day(tmp_path_factory: pytest.TempPathFactory) -> tuple[DayResult, Path]:
    """A summer day of the smallest grid with two auctions; in the first one a household trades through an agent too."""
    out = tmp_path_factory.mktemp("agents") / "out"
    AgentDay.seen = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.serving.embedded.demo_day.DayDriver", AgentDay)
        return later_day(out, second_auction_gate_local=LATER_GATE), out
