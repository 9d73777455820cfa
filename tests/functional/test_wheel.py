"""The product as a wheel: built, installed beside nothing of this checkout, and used from another folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.functional

ROOT = Path(__file__).resolve().parents[2]

LOOK = """
import json
from contracts.artifacts import ARTIFACTS_FOLDER, CONTRACT_NAMES
from edge.documentation import ASSETS, SHOWN
from ledger_service.record.migrate import MIGRATIONS
from scripts.cli.common import CACHE

print(json.dumps({
    "assets": [str(ASSETS / name) for name in SHOWN],
    "artifacts": [str(ARTIFACTS_FOLDER / f"{name}.json") for name in CONTRACT_NAMES],
    "migrations": [str(path) for path in (MIGRATIONS / "versions").glob("*.py")],
    "cache": str(CACHE),
}))
"""


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), **env},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", out, cwd=ROOT)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel, and of this one only the packages that the wheel depends on."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    run(uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel, cwd=folder)
    (packages,) = (folder / "venv" / "lib").glob("python3.*/site-packages")
    # a path added like this brings its packages, but none of its own .pth files: not this checkout
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def test_wheel__installed_elsewhere__says_its_commands_and_verifies(installed: Path) -> None:
    bin_folder = installed / "venv" / "bin"

    shown = run(bin_folder / "dominoes", "--help", cwd=installed)
    verifier = run(bin_folder / "python", bin_folder / "dominoes-verify.pyz", "--help", cwd=installed)

    assert "demo-day" in shown and "doctor" in shown
    assert "--anchors" in verifier


def test_wheel__installed_elsewhere__has_its_own_files_and_writes_none_beside_them(installed: Path) -> None:
    found = json.loads(run(installed / "venv" / "bin" / "python", "-c", LOOK, cwd=installed))

    files = [Path(name) for kind in ("assets", "artifacts", "migrations") for name in found[kind]]
    assert len(files) > 10 and all(path.is_file() and path.is_relative_to(installed / "venv") for path in files)
    assert Path(found["cache"]) == installed / ".cache" / "dominoes" / "grids"


def test_wheel__no_node_tools__says_in_one_line_what_to_install(installed: Path) -> None:
    dominoes = installed / "venv" / "bin" / "dominoes"
    done = subprocess.run(
        [str(dominoes), "demo-day", "--out", "day"],
        cwd=installed,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": "/nowhere", "HOME": str(installed)},
    )

    assert done.returncode == 2
    assert done.stderr.strip().startswith("node-binary-missing") and "npm install @foundry-rs/anvil-" in done.stderr
    assert not (installed / "day").exists()


def test_wheel__metadata__names_what_the_lock_is_compiled_from_and_no_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        lines = archive.read(name).decode().splitlines()

    wanted = {
        line for line in (ROOT / "requirements" / "runtime.in").read_text().split("\n") if line and line[0] != "#"
    }
    assert {line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")} == wanted
    assert "License-Expression: LicenseRef-UNLICENSED" in lines
