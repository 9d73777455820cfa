"""Receipts of what is named by no digest of its own: terms and keys that stand in the journal (docs/evidence.md)."""

from __future__ import annotations

from typing import Any

from domain.eip712 import RECEIPT, Domain
from domain.hashing import from_hex, hash_json
from domain.orders import TAG_BYTES
from domain.signing import recover

KIND_RECORDED = 5
"""What this tag names stands in the journal."""


def recorded_tag(payload: Any) -> bytes:
    """What names a recorded fact in its receipt: the first 16 bytes of the hash of its payload, signatures and all.

    Whoever handed it in knows the payload, and so the tag. Raises NotCanonical.
    """
    return hash_json(payload)[:TAG_BYTES]


def receipt_signer(receipt: dict[str, Any], *, domain: Domain) -> bytes:
    """Who signed a receipt, given as JSON (domain: the Market contract). Raises BadSignature, KeyError, ValueError."""
    values = {name: from_hex(item) if isinstance(item, str) else item for name, item in receipt.items()}
    signature = values.pop("signature")
    return recover(domain.digest(RECEIPT, values), signature)
