"""The trust anchors a verifier takes apart from any bundle (docs/evidence.md section 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.hashing import canonical_json, to_hex
from ledger_service.evidence.recorded import Anchor

ANCHORS_FORMAT = "dominoes-anchors/2"


@dataclass(frozen=True, slots=True)
class AreaAnchors:
    """What is trusted of an area: its grid model, its zone (IANA), the accounts that fees and taxes go to (as they were
    first registered), its DSO's keys, its attesters and how many must sign."""

    grid_model_hash: bytes
    zone: str
    dso_account: bytes
    tax_account: bytes
    dso: Sequence[bytes]
    attesters: Sequence[bytes]
    threshold: int


@dataclass(frozen=True, slots=True)
class TrustAnchors:
    """What a verifier trusts. `predecessor` are the contracts of the deployment that this one takes over from, if it
    does. `contracts` gives (address, keccak of the deployed code) by name, `roles` the keys of
    operator, treasurer, registrar and security_admin, `auditors` those whose audits count; block number and hash are
    those of the checkpoint."""

    chain_id: int
    genesis_hash: bytes
    speed: int
    origin_seconds: int
    start_seconds: int
    contracts: Mapping[str, tuple[bytes, bytes]]
    roles: Mapping[str, Sequence[bytes]]
    areas: Mapping[str, AreaAnchors]
    block: int
    block_hash: bytes
    predecessor: Mapping[str, tuple[bytes, bytes]] | None = None
    auditors: Sequence[bytes] = ()


def anchors_json(trust: TrustAnchors, anchor: Anchor) -> dict[str, Any]:
    """The content of `anchors.json`; `anchor` is the journal's head at the checkpoint."""
    content = {
        "format": ANCHORS_FORMAT,
        "chain_id": trust.chain_id,
        "genesis_hash": to_hex(trust.genesis_hash),
        "speed": trust.speed,
        "origin_seconds": trust.origin_seconds,
        "start_seconds": trust.start_seconds,
        "contracts": _contracts_json(trust.contracts),
        "roles": {name: _keys_json(keys) for name, keys in trust.roles.items()},
        "areas": {code: _area_json(area) for code, area in trust.areas.items()},
        "checkpoint": {
            "block": trust.block,
            "block_hash": to_hex(trust.block_hash),
            "journal_sequence": anchor.sequence,
            "journal_head": to_hex(anchor.head),
        },
    }
    if trust.auditors:
        content["auditors"] = _keys_json(trust.auditors)
    if trust.predecessor is not None:
        content["predecessor"] = _contracts_json(trust.predecessor)
    return content


def _contracts_json(contracts: Mapping[str, tuple[bytes, bytes]]) -> dict[str, dict[str, str]]:
    return {
        name: {"address": to_hex(address), "code_hash": to_hex(code)} for name, (address, code) in contracts.items()
    }


def _keys_json(keys: Sequence[bytes]) -> str | list[str]:
    """One key as an address, several as a list."""
    return to_hex(keys[0]) if len(keys) == 1 else sorted(map(to_hex, keys))


def _area_json(area: AreaAnchors) -> dict[str, Any]:
    return {
        "grid_model_hash": to_hex(area.grid_model_hash),
        "zone": area.zone,
        "accounts": {"dso": to_hex(area.dso_account), "tax": to_hex(area.tax_account)},
        "dso": _keys_json(area.dso),
        "attesters": sorted(to_hex(address) for address in area.attesters),
        "threshold": area.threshold,
    }


def export_anchors(path: Path, *, trust: TrustAnchors, anchor: Anchor) -> None:
    """Write `anchors.json` (canonical JSON): after a crash it is there whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(canonical_json(anchors_json(trust, anchor)))
    partial.rename(path)
