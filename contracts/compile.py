"""Compile the Solidity sources with py-solc-x and rewrite the shipped artifacts: `python -m contracts.compile`.

The compiler is solc-js from npm behind `solc-wrapper`, so that every machine has the same one. Settings equal those of
`foundry.toml`: what forge tests is what ships.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import solcx

from contracts.artifacts import ARTIFACTS_FOLDER, CONTRACT_NAMES
from domain.errors import DominoesError
from domain.hashing import keccak, to_hex

CONTRACTS_FOLDER = Path(__file__).parent
SOURCES_FOLDER = CONTRACTS_FOLDER / "src"
SOLC = CONTRACTS_FOLDER / "solc-wrapper"

EVM_VERSION = "london"
"""Last fork of a permissioned geth Clique network; later code would not run there."""

OPTIMIZER_RUNS = 10_000
"""Contracts are called far more often than deployed, so code is made for cheap calls."""

SETTINGS: dict[str, Any] = {
    "evmVersion": EVM_VERSION,
    "optimizer": {"enabled": True, "runs": OPTIMIZER_RUNS},
    "metadata": {"bytecodeHash": "none"},
}
"""Compiler settings; `bytecodeHash` none keeps comments and paths out of the code."""

_WANTED = [
    "abi",
    "evm.bytecode.object",
    "evm.deployedBytecode.object",
    "evm.deployedBytecode.immutableReferences",
    "userdoc",
    "devdoc",
]


class CompilationFailed(DominoesError):
    """The compiler refused the sources."""

    status = 500
    code = "compilation-failed"

    def __init__(self, *, messages: list[str]) -> None:
        self.messages = messages
        super().__init__("the contracts do not compile: " + "; ".join(messages)[:2_000])


def sources() -> dict[str, str]:
    """Our own Solidity files by their path below `contracts/`."""
    files = sorted(SOURCES_FOLDER.rglob("*.sol"))
    return {file.relative_to(CONTRACTS_FOLDER).as_posix(): file.read_text("utf-8") for file in files}


def compile_sources(given: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """Compiler output by contract name. Raises CompilationFailed."""
    wanted = sources() if given is None else given
    answer = _compiler_answer(wanted, {"*": {"*": _WANTED}})
    return {
        name: {**output, "source": path}
        for path, contracts in answer["contracts"].items()
        for name, output in contracts.items()
        if path in wanted
    }


def syntax_trees(given: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """The compiler's syntax tree of each source, by path. Raises CompilationFailed."""
    wanted = sources() if given is None else given
    answer = _compiler_answer(wanted, {"*": {"": ["ast"]}})
    return {path: answer["sources"][path]["ast"] for path in wanted}


def _compiler_answer(wanted: dict[str, str], outputs: dict[str, Any]) -> dict[str, Any]:
    """The compiler's standard JSON answer for some sources. Raises CompilationFailed."""
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in wanted.items()},
        "settings": {**SETTINGS, "outputSelection": outputs},
    }
    try:
        return dict(solcx.compile_standard(request, solc_binary=SOLC, base_path=CONTRACTS_FOLDER))
    except solcx.exceptions.SolcError as error:
        raise CompilationFailed(messages=[str(error)]) from error


def artifact_json(name: str, output: dict[str, Any]) -> dict[str, Any]:
    """The artifact that ships for one contract of the compiler's output."""
    deployed = output["evm"]["deployedBytecode"]
    places = sorted((at["start"], at["length"]) for places in deployed["immutableReferences"].values() for at in places)
    blank = bytearray.fromhex(deployed["object"])
    for start, length in places:
        blank[start : start + length] = bytes(length)
    return {
        "contract": name,
        "source": output["source"],
        "compiler": {"version": solc_version(), "settings": SETTINGS},
        "abi": output["abi"],
        "bytecode": "0x" + output["evm"]["bytecode"]["object"],
        "deployed_bytecode": "0x" + deployed["object"],
        "deployed_code_hash": to_hex(keccak(bytes(blank))),
        "immutables": [list(place) for place in places],
    }


@cache
def solc_version() -> str:
    """Version of the compiler behind the wrapper, such as `0.8.37`."""
    return str(solcx.wrapper.get_solc_version(SOLC))


def artifacts_json(outputs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The artifacts that ship, from the compiler's output, both by contract name."""
    return {name: artifact_json(name, outputs[name]) for name in CONTRACT_NAMES}


def artifact_text(artifact: dict[str, Any]) -> str:
    """An artifact as the text of its file."""
    return json.dumps(artifact, indent=1, sort_keys=True) + "\n"


def main() -> int:
    """Rewrite all artifacts; prints one line per contract with its size in bytes."""
    ARTIFACTS_FOLDER.mkdir(exist_ok=True)
    for name, artifact in artifacts_json(compile_sources()).items():
        (ARTIFACTS_FOLDER / f"{name}.json").write_text(artifact_text(artifact), "utf-8")
        size = len(artifact["deployed_bytecode"]) // 2 - 1
        sys.stdout.write(f"{name}: {size} bytes, {artifact['deployed_code_hash']}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
