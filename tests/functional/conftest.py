"""A real day that several tests look at, produced once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SMALLEST_GRID = "1-LV-rural1--0-sw"
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
