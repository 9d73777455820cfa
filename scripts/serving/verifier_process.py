"""Running the independent verifier as its own process, with a node on the state a day left where none is given."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.errors import DominoesError
from ledger_service.chain.anvil import AnvilProcess, NodeSettings
from ledger_service.chain.embedded import SETTINGS_FILE, STATE_FILE
from scripts.serving.embedded.run_config import CHAIN_FOLDER

VERIFIER = "verifier"
"""Module that is run: it shares no code with anything here."""

CLEAN, USAGE, WRONG, SELF_CONSISTENT = 0, 2, 3, 4
"""Exit statuses of the verifier."""


class NoChain(DominoesError):
    """No node was given and there is no chain state beside the bundle."""

    code = "no-chain"

    def __init__(self, *, looked: Path) -> None:
        self.looked = looked
        super().__init__(f"no chain state at {looked}; give a node with --rpc URL (make: RPC=URL)")


@dataclass(frozen=True)
class Verdict:
    """What the verifier said: its exit status, and its report."""

    exit_code: int
    report: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "exit_code": self.exit_code,
            "verdict": self.report.get("verdict"),
            "findings": self.report.get("findings", [])[:20],
        }


def run_verifier(
    *, bundles: Sequence[Path], anchors: Path | None, rpc: str | None, block: int | None = None
) -> list[Verdict]:
    """Run the verifier once on all these bundles, the chain as of `block` (None: the newest); a verdict on each."""
    command = [sys.executable, "-m", VERIFIER, *map(str, bundles), "--json"]
    if anchors is not None:
        command += ["--anchors", str(anchors)]
    if rpc is not None:
        command += ["--rpc", rpc]
    if block is not None:
        command += ["--block", str(block)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        told = {"verdict": "unusable", "findings": [(done.stderr or done.stdout).strip()[-500:]]}
        return [Verdict(exit_code=done.returncode, report=told) for _ in bundles]
    reports = told if isinstance(told, list) else [told]
    return [Verdict(exit_code=int(report["exit_code"]), report=report) for report in reports]


def chain_state_of(bundle: Path) -> Path:
    """The chain folder of the day that wrote this bundle. Raises NoChain."""
    for parent in bundle.resolve().parents:
        chain = parent / "state" / CHAIN_FOLDER
        if (chain / STATE_FILE).exists():
            return chain
    raise NoChain(looked=bundle.resolve().parent.parent / "state" / CHAIN_FOLDER)


def start_node(chain: Path) -> AnvilProcess:
    """A node on the state that a day left, on a free port of this machine; the state itself is not changed."""
    settings = NodeSettings(**json.loads((chain / SETTINGS_FILE).read_text()))
    return AnvilProcess.start(settings=settings, state=chain / STATE_FILE)
