"""The compiled contracts that ship with the product: ABI, code, and what they were compiled with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from contracts.abi import Abi
from domain.errors import DominoesError
from domain.hashing import from_hex, keccak

ARTIFACTS_FOLDER = Path(__file__).parent / "artifacts"
"""Where the artifacts lie, one JSON file per contract."""

CONTRACT_NAMES = (
    "Roles",
    "Calendar",
    "Market",
    "Clearing",
    "Objections",
    "Readings",
    "Accounts",
    "Settlement",
    "Redemptions",
    "Guarantees",
    "Successions",
    "Handovers",
    "Anchors",
    "Registry",
)
"""The deployed contracts, in the order in which they are deployed."""


class ArtifactMissing(DominoesError):
    """There is no artifact of this contract."""

    status = 500
    code = "artifact-missing"

    def __init__(self, *, contract: str) -> None:
        self.contract = contract
        super().__init__(f"no artifact of contract {contract}; run `make contracts`")


@dataclass(frozen=True)
class Artifact:
    """One compiled contract. `code` creates it, `deployed_code` is what then runs, immutables still zero."""

    name: str
    abi: Abi
    code: bytes
    deployed_code: bytes
    immutables: tuple[tuple[int, int], ...]
    compiler: dict[str, Any] = field(repr=False)

    def code_hash_of(self, deployed: bytes) -> bytes:
        """keccak of deployed code with its immutables zeroed: equal to `code_hash` for the same source."""
        blank = bytearray(deployed)
        for start, length in self.immutables:
            blank[start : start + length] = bytes(length)
        return keccak(bytes(blank))

    @property
    def code_hash(self) -> bytes:
        """keccak of the deployed code as compiled, immutables zero."""
        return self.code_hash_of(self.deployed_code)


def artifact_from_json(data: dict[str, Any]) -> Artifact:
    """Read an artifact's JSON form."""
    return Artifact(
        name=data["contract"],
        abi=Abi(contract=data["contract"], entries=data["abi"]),
        code=from_hex(data["bytecode"]),
        deployed_code=from_hex(data["deployed_bytecode"]),
        immutables=tuple((start, length) for start, length in data["immutables"]),
        compiler=data["compiler"],
    )


@cache
def load_artifact(name: str) -> Artifact:
    """The shipped artifact of a contract. Raises ArtifactMissing."""
    path = ARTIFACTS_FOLDER / f"{name}.json"
    if not path.exists():
        raise ArtifactMissing(contract=name)
    return artifact_from_json(json.loads(path.read_text("utf-8")))


def load_artifacts() -> dict[str, Artifact]:
    """All shipped artifacts by contract name. Raises ArtifactMissing."""
    return {name: load_artifact(name) for name in CONTRACT_NAMES}
