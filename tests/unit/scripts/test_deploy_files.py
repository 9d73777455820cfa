"""The files an installation begins with: settings that are accepted, units and compose file whose commands exist."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml

from scripts.cli.main import app
from scripts.serving.needs import NEEDED, require
from scripts.serving.sources import load

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "scripts" / "serving" / "production" / "deploy"
GUIDE = ROOT / "docs" / "operations.md"
INSTALLED = "/opt/dominoes/bin/dominoes"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SETTINGS = {
    "service": ["service", "broker", "erasing", "backup"],
    "deploy": ["deploy"],
    "attester": ["attester"],
    "registrar": ["signer"],
    "treasurer": ["signer"],
    "desk": ["desk"],
    "security": ["roles"],
    "anchors": ["anchors"],
}


def parse(arguments: list[str]) -> click.Context:
    """Parse a command line as `dominoes` would, without running it. Raises click.UsageError."""
    command: Any = typer.main.get_command(app)
    rest = list(arguments)
    while hasattr(command, "commands"):
        name = rest.pop(0)
        assert name in command.commands, f"there is no command {name!r}"
        command = command.commands[name]
    context: click.Context = command.make_context("dominoes", rest)
    return context


def unit(path: Path) -> configparser.RawConfigParser:
    found = configparser.RawConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string(path.read_text())
    return found


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


def documented() -> list[str]:
    """The `dominoes` command lines in the guide's blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    lines = [line.removeprefix("sudo -u dominoes ") for line in lines]
    return [line.removeprefix("dominoes ") for line in lines if line.startswith("dominoes ")]


def test_settings__each_example__is_listed_here() -> None:
    assert {path.stem for path in (DEPLOY / "settings").glob("*.toml")} == set(SETTINGS)
    assert {process for processes in SETTINGS.values() for process in processes} == set(NEEDED)


@pytest.mark.parametrize(("name", "process"), [(name, one) for name, many in SETTINGS.items() for one in many])
def test_settings__example__is_accepted(name: str, process: Any) -> None:
    require(load(DEPLOY / "settings" / f"{name}.toml", environment={}).settings, process, files=False)


def test_settings__no_example_but_the_operators__names_the_operators_key() -> None:
    owners = [path.stem for path in (DEPLOY / "settings").glob("*.toml") if "operator.json" in path.read_text()]

    assert owners == ["service"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_unit__each_command__parses(path: Path) -> None:
    service = unit(path)["Service"]

    for key in ("ExecStartPre", "ExecStart"):
        program, *arguments = shlex.split(service[key].replace("%i", "registrar"))
        assert program == INSTALLED
        parse(arguments)
        assert Path(arguments[arguments.index("--config") + 1]).stem in SETTINGS


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_unit__what_it_may_do__is_bounded_and_bad_settings_are_not_retried(path: Path) -> None:
    service = unit(path)["Service"]

    assert service["Restart"] == "always" and service["RestartPreventExitStatus"] == "2"
    for key, value in (("NoNewPrivileges", "yes"), ("ProtectSystem", "strict"), ("UMask", "0077")):
        assert service[key] == value
    assert service["User"].startswith("dominoes")


def test_units__systemds_own_check__finds_nothing(tmp_path: Path) -> None:
    for path in UNITS:
        text = path.read_text().replace(INSTALLED, sys.executable)
        (tmp_path / path.name).write_text(re.sub(r"^(User|Group|Documentation)=.*\n", "", text, flags=re.MULTILINE))
    verify = shutil.which("systemd-analyze")
    command = [verify, "verify", *map(str, sorted(tmp_path.iterdir()))] if verify else [sys.executable, "-c", ""]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    ours = [line for line in done.stderr.splitlines() if "dominoes" in line]
    assert (done.returncode, ours) == (0, [])


def test_dockerfile__copies__what_the_checkout_holds_or_make_wheel_builds() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = [source for line in lines if line.startswith("COPY ") for source in line.split()[1:-1]]
    built = re.findall(r"out/dist/dominoes-\S+", (ROOT / "Makefile").read_text())

    assert copied and [source for source in copied if source not in built and not (ROOT / source).exists()] == []


def test_compose__each_command_of_ours__parses_and_reads_a_known_file() -> None:
    ours = {name: item for name, item in compose()["services"].items() if item["image"] == "dominoes:local"}

    assert set(ours) == {"service", "attester", "registrar", "treasurer"}
    for item in ours.values():
        assert Path(parse(item["command"]).params["config"]).stem in SETTINGS
        assert item["read_only"] and item["cap_drop"] == ["ALL"]


def test_compose__settings_in_the_environment__are_settings() -> None:
    for item in compose()["services"].values():
        ours = {name: text for name, text in item.get("environment", {}).items() if name.startswith("DOMINOES_")}
        load(None, environment=ours)


def test_compose__what_it_names__is_declared() -> None:
    document = compose()
    services = document["services"]

    for item in services.values():
        assert re.fullmatch(r"[a-z0-9/-]+:[a-z0-9.]+", item["image"])
        assert set(item.get("depends_on", {})) <= set(services)
        assert set(item.get("secrets", [])) <= set(document["secrets"])
        named = {volume.partition(":")[0] for volume in item.get("volumes", []) if not volume.startswith("./")}
        assert named <= set(document["volumes"])
        for other in item.get("depends_on", {}):
            assert set(item["profiles"]) <= set(services[other]["profiles"])


def test_guide__each_command_line__parses() -> None:
    lines = documented()

    assert len(lines) >= 10
    for line in lines:
        parse(shlex.split(line, comments=True))
