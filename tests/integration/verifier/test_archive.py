"""The verifier as one file: the same bytes every time, and the same verdict as the package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.tools.build_verifier import archive
from tests.unit.verifier.small_day import Day

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def day() -> Any:
    """A clean day."""
    return Day().run()


def write(directory: Path, files: dict[str, bytes]) -> Path:
    """A bundle on disk."""
    directory.mkdir()
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return directory


def run(archive_file: Path, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    """Run the file away from the sources."""
    command = [sys.executable, "-I", str(archive_file), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=archive_file.parent)


def test_archive__built_twice__same_bytes() -> None:
    assert archive() == archive()


def test_archive__several_bundles__one_verdict_each_and_the_worst_exit_status(day: Any, tmp_path: Path) -> None:
    target = tmp_path / "dominoes-verify.pyz"
    target.write_bytes(archive())
    honest = write(tmp_path / "honest", day.auditor())
    changed = write(tmp_path / "changed", {**day.public(), "settlements.jsonl": b""})

    alone, both = run(target, honest, "--json"), run(target, honest, changed, "--json")

    assert (alone.returncode, json.loads(alone.stdout)["verdict"]) == (4, "self-consistent only"), alone.stderr
    assert [report["verdict"] for report in json.loads(both.stdout)] == ["self-consistent only", "wrong"]
    assert both.returncode == 3
