"""Trust anchors: what the verifier's user holds true, from a place of their own (docs/evidence.md section 7)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifier.chain import CONTRACTS
from verifier.form import Json, Keys, record
from verifier.hashes import keccak
from verifier.verdict import UNREADABLE, Unusable

FORMAT = "dominoes-anchors/2"

ADDRESS = re.compile("0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class AnchoredContract:
    """Where a contract stands, and keccak of its code."""

    address: str
    code_hash: str


@dataclass(frozen=True, slots=True)
class AnchoredRoles:
    """Keys of the roles that no area has of its own."""

    operator: Keys
    treasurer: Keys
    registrar: Keys
    security_admin: Keys


@dataclass(frozen=True, slots=True)
class AnchoredAccounts:
    """The accounts that grid fees and taxes of an area go to, as they were first registered."""

    dso: str
    tax: str

    def of(self, kind: str) -> str | None:
        """The account of this kind; None for kinds that everybody may have."""
        return {"dso": self.dso, "tax": self.tax}.get(kind)


@dataclass(frozen=True, slots=True)
class AnchoredArea:
    """An area's grid model, its zone, where fees and taxes go, its DSO, its attesters and how many must sign."""

    grid_model_hash: str
    zone: str
    accounts: AnchoredAccounts
    dso: Keys
    attesters: Keys
    threshold: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A block and a journal entry that an earlier audit saw."""

    block: int
    block_hash: str
    journal_sequence: int
    journal_head: str


@dataclass(frozen=True, slots=True)
class Anchors:
    """All trust anchors of one deployment."""

    format: str
    chain_id: int
    genesis_hash: str
    speed: int
    origin_seconds: int
    start_seconds: int
    contracts: dict[str, AnchoredContract]
    roles: AnchoredRoles
    areas: dict[str, AnchoredArea]
    checkpoint: Checkpoint
    auditors: Keys = frozenset()
    """Keys of auditors; they may be missing: then nothing counts as audited, and nothing may be erased."""
    predecessor: dict[str, AnchoredContract] | None = None
    """Contracts of the deployment that this one takes over from; it may be missing: the first of its kind."""

    @classmethod
    def read(cls, value: Json) -> Anchors:
        """Trust anchors from their JSON. Raises Unusable."""
        try:
            anchors = record(cls, _lower_addresses(value))
            missing = set(CONTRACTS) - anchors.contracts.keys()
            if anchors.format != FORMAT or missing:
                raise ValueError(f"format {anchors.format!r}, contracts missing: {sorted(missing)}")
        except UNREADABLE as error:
            raise Unusable(
                f"the trust anchors are not those of docs/evidence.md section 7 ({error!r}); give the anchors.json"
                " that you keep"
            ) from error
        return anchors


def _lower_addresses(value: Json) -> Json:
    """Addresses in lower case, as evidence has them; people may write them with the checksum of EIP-55.

    Raises ValueError where the checksum is wrong: somebody mistyped it.
    """
    if isinstance(value, dict):
        return {name: _lower_addresses(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_lower_addresses(item) for item in value]
    if not isinstance(value, str) or not ADDRESS.fullmatch(value) or value == value.lower():
        return value
    lower = value[2:].lower()
    marks = keccak(lower.encode()).hex()
    checked = "".join(letter.upper() if mark >= "8" else letter for letter, mark in zip(lower, marks, strict=False))
    if value != f"0x{checked}":
        raise ValueError(f"{value} is no address: its checksum (EIP-55) is wrong")
    return f"0x{lower}"
