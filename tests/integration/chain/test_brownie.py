"""The Brownie project on the same Solidity sources: compile, deploy, test, in its own environment."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.host, pytest.mark.timeout(900)]

SCRIPT = Path(__file__).parents[2] / "brownie" / "run.sh"


def test_brownie__compile_deploy_and_state_machine__pass() -> None:
    finished = subprocess.run([str(SCRIPT)], capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished.stdout[-4_000:] + finished.stderr[-2_000:]
    assert "6 passed" in finished.stdout
    assert "registered 14 contracts" in finished.stdout
