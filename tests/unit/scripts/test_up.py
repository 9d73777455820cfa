"""`dominoes up`: what is decided once for a run is neither changed nor passed over in silence."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scripts.cli.main import app
from scripts.cli.up import RunDiffers
from scripts.community.grids import UnknownGrid
from scripts.serving.embedded import system as systems
from scripts.serving.embedded.run_folder import CONFIG_FILE, write_config
from scripts.serving.settings import DemoSection

pytestmark = pytest.mark.unit

GRID, DAY = "1-LV-rural1--0-sw", date(2016, 6, 15)


def up(state: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["up", "--state", str(state), *arguments])


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The folder of a run that was begun."""
    write_config(tmp_path, systems.fresh_config(DemoSection(grid=GRID, first_day=DAY), last_day=None))
    return tmp_path


@pytest.mark.parametrize(
    ("option", "value"), [("--grid", "1-LV-rural2--0-sw"), ("--day", "2016-06-16"), ("--pv", "2.5")]
)
def test_up__another_run_stands_there__refused_with_what_to_do(state: Path, option: str, value: str) -> None:
    before = (state / CONFIG_FILE).read_bytes()

    done = up(state, option, value)

    assert done.exit_code == 2
    assert RunDiffers.code in done.stderr and option in done.stderr and "dominoes reset" in done.stderr
    assert (state / CONFIG_FILE).read_bytes() == before


def test_up__grid_unheard_of__leaves_nothing_behind(tmp_path: Path) -> None:
    done = up(tmp_path / "new", "--grid", "1-LV-rural9--9-xx")

    assert done.exit_code == 2
    assert UnknownGrid.code in done.stderr
    assert not (tmp_path / "new" / CONFIG_FILE).exists()
