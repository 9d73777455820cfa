"""`dominoes doctor`: what is installed, what runs, and what is wrong."""

from __future__ import annotations

import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx

from domain.errors import DominoesError
from ledger_service.chain.anvil import anvil_binary
from scripts.cli.common import DEFAULT_STATE, ROOT, JsonOption, StateOption, guarded, is_checkout, show
from scripts.serving.embedded.keys import ALL_KEYS_HERE, exposed_keys
from scripts.serving.embedded.run_folder import CONFIG_FILE, KEYS_FOLDER, read_config

PACKAGES = ("fastapi", "sqlalchemy", "web3", "coincurve", "pynacl", "pulp", "highspy", "power-grid-model", "amqtt")
DISK_LOW_BYTES = 2 * 1024**3
"""Free disk below which a run is likely to wait for space."""


@guarded
def doctor(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Say what is there and what to do about what is not."""
    free = shutil.disk_usage(ROOT).free
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "node": _tool(shutil.which("node"), ROOT),
        "anvil": _anvil(),
        "compiler": _tool("installed" if (ROOT / "node_modules" / "solc").exists() else None, ROOT),
        "free disk": f"{free // 1024**3} GiB" + ("" if free > DISK_LOW_BYTES else ": make room, or writes will wait"),
        "state": _state(state),
    }
    show(found, as_json=as_json, title="doctor")


def _tool(found: str | None, root: Path) -> str:
    """A tool that only who builds from the sources needs."""
    return found or ("missing: run `make setup`" if is_checkout(root) else "not needed: this package was built with it")


def _anvil() -> str:
    try:
        binary = anvil_binary()
    except DominoesError as error:
        return str(error)
    return str(binary.relative_to(ROOT) if binary.is_relative_to(ROOT) else binary)


def _state(state: Path) -> Any:
    if not (state / CONFIG_FILE).exists():
        return f"{state} holds no run; `make run` begins one"
    config = read_config(state)
    try:
        health = httpx.get(f"{config.service_url}/health", timeout=2.0).json()
    except httpx.HTTPError as error:
        health = f"the service does not answer ({type(error).__name__}); `make run` goes on with this run"
    return {"grid": config.grid, "api": config.service_url, "health": health, "keys": _keys(state / KEYS_FOLDER)}


def _keys(folder: Path) -> str:
    exposed = exposed_keys(folder)
    if exposed:
        return f"{', '.join(map(str, exposed))}: readable by everybody on this machine, so nothing starts; chmod 600"
    return f"{folder}: {ALL_KEYS_HERE}"
