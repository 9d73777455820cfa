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


class StartedChild:
    """A process that was started, and whether it was stopped."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.stopped, self._refuses = False, refuses

    def stop(self) -> None:
        """Stop it, or fail to."""
        self.stopped = True
        if self._refuses:
            raise OSError("it does not end")


@pytest.mark.parametrize("failing", ["wait_for_health", "load_keys"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("no such file")])
def test_start__interrupted_or_failing_at_any_step__stops_the_service(
    state: Path, monkeypatch: pytest.MonkeyPatch, failing: str, error: BaseException
) -> None:
    service = StartedChild()

    def fail(*_: Any, **__: Any) -> None:
        raise error

    for name, value in (
        ("load_community", lambda **_: None),
        ("start_service", lambda _: service),
        ("wait_for_health", lambda *_, **__: None),
        (failing, fail),
    ):
        monkeypatch.setattr(systems, name, value)

    with pytest.raises(type(error)):
        systems.start(state=state, cache=state, wanted=None)

    assert service.stopped


def test_stop__a_process_that_does_not_end__leaves_no_other_running() -> None:
    service, attesters = StartedChild(), [StartedChild(refuses=True), StartedChild(refuses=True), StartedChild()]
    closing: Any = StartedChild()
    closing.close = closing.stop
    parts: Any = (service, attesters, None, closing, closing)
    system = systems.System(Path(), None, None, *parts, fresh=False)  # type: ignore[arg-type]

    with pytest.raises(OSError, match="does not end"):
        system.stop()

    assert service.stopped and all(child.stopped for child in attesters)
