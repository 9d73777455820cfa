"""One owner per state folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.serving.embedded.owner import RUN, SERVICE, StateTaken, hold

pytestmark = pytest.mark.unit


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
