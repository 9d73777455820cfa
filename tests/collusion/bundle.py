"""Evidence of a day that was told again, sealed so that nothing of its form gives it away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from domain.hashing import canonical_json, from_hex, keccak, to_hex
from tests.collusion.day import Payload

Files = dict[str, bytes]


def jsonl(rows: Iterable[Payload]) -> bytes:
    """Canonical lines."""
    return b"".join(canonical_json(row) + b"\n" for row in rows)


def closed(entry: Payload) -> Payload:
    """An entry whose payload is not shown."""
    hashed = keccak(from_hex(entry["salt"]) + canonical_json(entry["payload"]))
    return {**{name: entry[name] for name in ("sequence", "kind", "hash")}, "payload_hash": to_hex(hashed)}


def sealed(kind: str, files: Mapping[str, bytes]) -> Files:
    """Files with a manifest that fits them, as anyone can make it."""
    inside = {name: data for name, data in files.items() if name != "manifest.json"}
    listed = {name: {"bytes": len(data), "keccak": to_hex(keccak(data))} for name, data in inside.items()}
    return {**inside, "manifest.json": canonical_json({"files": listed, "format": "dominoes-evidence/1", "kind": kind})}


def auditor_bundle(
    *, chain: Payload, entries: Iterable[Payload], receipts: Iterable[Payload], erased: frozenset[int] = frozenset()
) -> Files:
    """The auditor's bundle; of the erased entries only the hashes."""
    lines = [closed(entry) if entry["sequence"] in erased else entry for entry in entries]
    kept = [row for row in receipts if row["sequence"] not in erased]
    files = {"chain.json": canonical_json(chain), "journal.jsonl": jsonl(lines), "receipts.jsonl": jsonl(kept)}
    return sealed("auditor", files)
