"""Look at the contracts without running them: `python -m scripts.tools.analysis symbolic` (halmos: the scan of a book
for every value of its words) or `static` (slither: its findings, without those that are triaged).

Both live in an environment of their own, which `scripts.tools.host_software` makes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
ENVIRONMENT = ROOT / ".venv-analysis"
"""Made from requirements/analysis.txt."""

FINDINGS_FILE = CONTRACTS / "findings.json"
"""Findings of slither that are no faults: kind, places (file, or file and function), and why."""

SYMBOLIC_CHECKS = 4
"""Functions `check_…` of `contracts/test/symbolic`."""

SCAN_LOOPS_MOST = 8
"""Times a loop is unrolled: more than the words and limits there are."""

STATIC_PROFILE = """[profile.default]
src = "src"
libs = ["node_modules"]
remappings = ["@openzeppelin/=node_modules/@openzeppelin/"]
solc = "{solc}"
offline = true
auto_detect_solc = false
evm_version = "london"
"""
"""A project of the contracts alone: with sources above its root, slither takes OpenZeppelin's files for two of each."""

Place = tuple[str, str]
"""Kind of a finding, and where: `File.sol:function`."""


def _environment() -> dict[str, str]:
    tools = [ENVIRONMENT / "bin", ROOT / "node_modules" / ".bin"]
    path = os.pathsep.join([*map(str, tools), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1"}


def _tool(name: str) -> str:
    tool = ENVIRONMENT / "bin" / name
    if not tool.exists():
        raise SystemExit(f"{name} is not installed; run `python -m scripts.tools.host_software`")
    return str(tool)


def symbolic() -> subprocess.CompletedProcess[str]:
    """Run halmos on the symbolic checks; its output says of each whether it holds."""
    command = [_tool("halmos"), "--forge-build-out", "out/symbolic", "--loop", str(SCAN_LOOPS_MOST)]
    command += ["--solver-command", _tool("yices-smt2"), "--solver-timeout-assertion", "10m"]
    environment = {**_environment(), "FOUNDRY_PROFILE": "symbolic"}
    return subprocess.run(command, cwd=CONTRACTS, env=environment, capture_output=True, text=True, check=False)


def static() -> set[Place]:
    """All findings of slither in our own sources, triaged or not."""
    slither = _tool("slither")
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        shutil.copytree(CONTRACTS / "src", project / "src")
        shutil.copytree(ROOT / "node_modules" / "@openzeppelin", project / "node_modules" / "@openzeppelin")
        (project / "foundry.toml").write_text(STATIC_PROFILE.format(solc=CONTRACTS / "solc-wrapper"), "utf-8")
        command = [slither, ".", "--filter-paths", "node_modules", "--json", "findings.json"]
        ran = subprocess.run(command, cwd=project, env=_environment(), capture_output=True, text=True, check=False)
        if not (project / "findings.json").exists() or "Failed to resolve" in ran.stderr:
            raise SystemExit(f"slither could not read the contracts: {ran.stderr[-2_000:]}")
        answer = json.loads((project / "findings.json").read_text("utf-8"))
    if not answer["success"]:
        raise SystemExit(f"slither failed: {answer['error']}")
    return {(found["check"], _place(found)) for found in answer["results"].get("detectors", [])}


def _place(found: dict[str, object]) -> str:
    """The first thing a finding names: its file, and the function or the contract it is in."""
    elements = found["elements"]
    first = elements[0] if isinstance(elements, list) else {}
    name = first["name"] if first["type"] == "function" else first["type_specific_fields"]["parent"]["name"]
    return f"{Path(first['source_mapping']['filename_relative']).name}:{name}"


def triaged() -> dict[Place, str]:
    """Why a finding is no fault, by kind and place; a place without a function stands for its whole file."""
    entries = json.loads(FINDINGS_FILE.read_text("utf-8"))
    return {(entry["kind"], place): entry["why"] for entry in entries for place in entry["places"]}


def untriaged(found: set[Place], known: set[Place]) -> set[Place]:
    """Findings that no entry stands for."""
    return {(kind, place) for kind, place in found if not {(kind, place), (kind, place.split(":")[0])} & known}


def stale(found: set[Place], known: set[Place]) -> set[Place]:
    """Entries that stand for nothing any more."""
    there = found | {(kind, place.split(":")[0]) for kind, place in found}
    return known - there


def main(arguments: list[str]) -> int:
    """Run one of the two; returns the exit status."""
    if arguments == ["symbolic"]:
        ran = symbolic()
        print(ran.stdout[ran.stdout.find("Running") :])
        return ran.returncode
    if arguments == ["static"]:
        found, known = static(), set(triaged())
        for kind, place in sorted(untriaged(found, known)):
            print(f"{place}: {kind}")
        for kind, place in sorted(stale(found, known)):
            print(f"{place}: {kind} is triaged, and no longer found")
        return 1 if untriaged(found, known) or stale(found, known) else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
