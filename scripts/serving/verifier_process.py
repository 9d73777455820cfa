"""Running the independent verifier as its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERIFIER = "verifier"
"""Module that is run: it shares no code with anything here."""

CLEAN, USAGE, WRONG, SELF_CONSISTENT = 0, 2, 3, 4
"""Exit statuses of the verifier."""


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
    *,
    bundles: Sequence[Path],
    anchors: Path | None,
    rpc: Sequence[str],
    block: int | None = None,
    grid: bool = False,
    receipts: Sequence[Path] = (),
) -> list[Verdict]:
    """Run the verifier once on all these bundles; a verdict on each.

    `rpc`: addresses of nodes, none to ask no chain; the chain is read as of `block` (None: the newest).
    `grid`: compute power flows too. `receipts`: files of receipts to hold against the bundles.
    """
    command = [sys.executable, "-m", VERIFIER, *map(str, bundles), "--json"]
    if anchors is not None:
        command += ["--anchors", str(anchors)]
    for url in rpc:
        command += ["--rpc", url]
    if block is not None:
        command += ["--block", str(block)]
    if grid:
        command.append("--grid")
    for receipt in receipts:
        command += ["--receipt", str(receipt)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        told = {"verdict": "unusable", "findings": [(done.stderr or done.stdout).strip()[-500:]]}
        return [Verdict(exit_code=done.returncode, report=told) for _ in bundles]
    reports = told if isinstance(told, list) else [told]
    return [Verdict(exit_code=int(report["exit_code"]), report=report) for report in reports]
