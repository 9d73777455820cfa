"""`dominoes doctor`: what is installed, what runs, and what is wrong."""

from __future__ import annotations

import json
import platform
import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import psutil
import typer

from contracts.rpc import NodeAnswerInvalid, NodeUnavailable, Rpc, RpcError
from domain.errors import DominoesError
from ledger_service.chain.anvil import anvil_binary
from ledger_service.chain.embedded import PROCESS_FILE
from scripts.cli.common import (
    DEFAULT_STATE,
    EXIT_FAILED,
    ROOT,
    JsonOption,
    StateOption,
    guarded,
    is_checkout,
    show,
)
from scripts.community.run_config import ATTESTER_NAMES, RunConfig
from scripts.serving.embedded.keys import ALL_KEYS_HERE, exposed_keys
from scripts.serving.embedded.owner import RUN, StateTaken, hold
from scripts.serving.embedded.run_folder import CHAIN_FOLDER, CONFIG_FILE, KEYS_FOLDER, LOGS_FOLDER, read_config

PACKAGES = ("fastapi", "sqlalchemy", "web3", "coincurve", "pynacl", "pulp", "highspy", "power-grid-model", "amqtt")
DISK_LOW_BYTES = 2 * 1024**3
"""Free disk below which a run is likely to wait for space."""

ANSWER_S = 2.0
"""How long a process of this machine may take to answer."""

RUNS = "runs"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at: as it is, or as it should not be."""

    name: str
    said: str
    wrong: bool = False


@guarded
def doctor(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Say what is there and what to do about what is not; exit status 1 where something is wrong.

    A run that is stopped is not wrong; of one that goes on every process is asked.
    """
    checks = [*_installed(), *_state(state)]
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        **{check.name: check.said for check in checks},
        "wrong": [f"{check.name}: {check.said}" for check in checks if check.wrong],
    }
    show(found, as_json=as_json, title="doctor")
    if found["wrong"]:
        raise typer.Exit(EXIT_FAILED)


def _installed() -> Iterator[Checked]:
    yield Checked("node", _tool(shutil.which("node"), ROOT))
    try:
        binary = anvil_binary()
    except DominoesError as error:
        yield Checked("anvil", str(error), wrong=True)
    else:
        yield Checked("anvil", str(binary.relative_to(ROOT) if binary.is_relative_to(ROOT) else binary))
    yield Checked("compiler", _tool("installed" if (ROOT / "node_modules" / "solc").exists() else None, ROOT))


def _tool(found: str | None, root: Path) -> str:
    """A tool that only who builds from the sources needs."""
    return found or ("missing: run `make setup`" if is_checkout(root) else "not needed: this package was built with it")


def _state(state: Path) -> Iterator[Checked]:
    yield _disk(state if state.exists() else ROOT)
    if not (state / CONFIG_FILE).exists():
        yield Checked("run", f"{state} holds none; `make run` begins one")
        return
    config = read_config(state)
    yield _keys(state / KEYS_FOLDER)
    yield Checked("grid", config.grid)
    if not is_held(state):
        yield Checked("run", f"{state}: stopped; `make run` goes on with it")
        return
    yield Checked("run", f"{state}: goes on")
    yield _service(config)
    yield _node(state, config)
    yield _broker(config)
    yield from (_attester(state, name) for name in ATTESTER_NAMES)


def is_held(state: Path) -> bool:
    """Whether a run goes on in this folder."""
    try:
        hold(state, RUN).close()
    except StateTaken:
        return True
    return False


def _disk(place: Path) -> Checked:
    free = shutil.disk_usage(place).free
    low = free <= DISK_LOW_BYTES
    return Checked(
        "free disk", f"{free // 1024**3} GiB" + (": make room, or writes will wait" if low else ""), wrong=low
    )


def _keys(folder: Path) -> Checked:
    exposed = exposed_keys(folder)
    if exposed:
        said = f"{', '.join(map(str, exposed))}: readable by everybody on this machine, so nothing starts; chmod 600"
        return Checked("keys", said, wrong=True)
    return Checked("keys", f"{folder}: {ALL_KEYS_HERE}")


def _service(config: RunConfig) -> Checked:
    """What the service says of itself: 200 `ok`, 200 `degraded` with what is, or 503."""
    try:
        health = httpx.get(f"{config.service_url}/health", timeout=ANSWER_S).json()
        status = health.get("status")
    except (httpx.HTTPError, ValueError, AttributeError) as error:
        said = f"{config.service_url} does not answer ({type(error).__name__}); its log says why"
        return Checked("service", said, wrong=True)
    if status == "ok":
        return Checked("service", f"{RUNS} at {config.service_url}")
    parts = ("node", "stages", "detail")
    reasons = {name: health[name] for name in parts if health.get(name) not in ("ok", None)}
    return Checked("service", f"{config.service_url} says {status}: {json.dumps(reasons)}", wrong=True)


def _node(state: Path, config: RunConfig) -> Checked:
    if config.predecessor is not None:
        return Checked("chain node", f"that of {config.predecessor}")
    file = state / CHAIN_FOLDER / PROCESS_FILE
    try:
        url = f"http://127.0.0.1:{json.loads(file.read_text())['port']}"
        number = Rpc(url, timeout_s=ANSWER_S).block_number()
    except (OSError, ValueError, KeyError, NodeUnavailable, NodeAnswerInvalid, RpcError) as error:
        return Checked("chain node", f"does not answer: {error}; the service starts it again", wrong=True)
    return Checked("chain node", f"{RUNS} at {url}, block {number}")


def _broker(config: RunConfig) -> Checked:
    place = f"127.0.0.1:{config.mqtt_port}"
    try:
        socket.create_connection(("127.0.0.1", config.mqtt_port), timeout=ANSWER_S).close()
    except OSError as error:
        return Checked("MQTT broker", f"{place} takes no connection ({error}); it ends with the service", wrong=True)
    return Checked("MQTT broker", f"{RUNS} at {place}")


def _attester(state: Path, name: str) -> Checked:
    """An attester has no door of its own to ask at: it runs, or it does not."""
    folders = {str(state / "attesters" / name), str(state.resolve() / "attesters" / name)}
    for process in psutil.process_iter(["cmdline", "pid", "status"]):
        with suppress(psutil.Error):
            command = process.info["cmdline"] or []
            named = any(str(Path(part).parent) in folders for part in command)
            if "scripts.serving.attester" in command and named and process.info["status"] != psutil.STATUS_ZOMBIE:
                return Checked(name, f"{RUNS}, process {process.info['pid']}")
    said = f"does not run; {state / LOGS_FOLDER / f'{name}.log'} says why, two of three go on without it"
    return Checked(name, said, wrong=True)
