"""The adversary of the forge tests leaves no call of a contract out: what it tries is held to the ABIs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from contracts.artifacts import ARTIFACTS_FOLDER, CONTRACT_NAMES

pytestmark = pytest.mark.unit

ADVERSARY = Path(__file__).parents[3] / "contracts" / "test" / "adversary"


def changing_calls() -> set[str]:
    """Every function that changes something, as `Contract.function`."""
    found = set()
    for name in CONTRACT_NAMES:
        for entry in json.loads((ARTIFACTS_FOLDER / f"{name}.json").read_bytes())["abi"]:
            if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure"):
                found.add(f"{name}.{entry['name']}")
    return found


def named(pattern: str, files: str) -> set[str]:
    """Calls that the sources name in this way."""
    sources = "".join(path.read_text(encoding="utf-8") for path in sorted(ADVERSARY.glob(files)))
    return {f"{contract}.{function}" for contract, function in re.findall(pattern, sources)}


def test_adversary__strikes__call_everything_there_is_to_call() -> None:
    assert named(r"abi\.encodeCall\(\s*I(\w+)\.(\w+)", "*Strikes.sol") == changing_calls()


def test_adversary__counters__are_of_everything_there_is_to_call() -> None:
    assert named(r"I(\w+)\.(\w+)\.selector", "Reached.sol") == changing_calls()
