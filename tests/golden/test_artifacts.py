"""The Solidity sources give the artifacts and bindings that ship."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contracts.artifacts import ARTIFACTS_FOLDER, CONTRACT_NAMES, load_artifact
from contracts.compile import artifact_text, artifacts_json, compile_sources
from domain.hashing import to_hex
from scripts.tools.make_bindings import BINDINGS_FOLDER, modules

pytestmark = pytest.mark.golden

EIP_170_BYTES = 24_576


@pytest.fixture(scope="module")
def compiled() -> dict[str, dict[str, Any]]:
    """What the compiler gives for the sources as they are."""
    return compile_sources()


def test_artifacts__sources_compiled_again__equal_what_ships(compiled: dict[str, dict[str, Any]]) -> None:
    artifacts = artifacts_json(compiled)

    assert set(artifacts) == set(CONTRACT_NAMES)
    for name, artifact in artifacts.items():
        assert (ARTIFACTS_FOLDER / f"{name}.json").read_text("utf-8") == artifact_text(artifact), name


def test_bindings__made_again__equal_what_ships(compiled: dict[str, dict[str, Any]]) -> None:
    for name, text in modules(compiled).items():
        assert (BINDINGS_FOLDER / name).read_text("utf-8") == text, name


@pytest.mark.parametrize("name", CONTRACT_NAMES)
def test_artifact__deployed_code__fits_a_london_chain_and_its_stored_hash(name: str) -> None:
    artifact = load_artifact(name)
    stored = json.loads((ARTIFACTS_FOLDER / f"{name}.json").read_text("utf-8"))

    assert len(artifact.deployed_code) <= EIP_170_BYTES
    assert to_hex(artifact.code_hash) == stored["deployed_code_hash"]
    assert stored["compiler"]["settings"]["evmVersion"] == "london"
