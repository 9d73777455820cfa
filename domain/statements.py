"""Statements: what a settlement account is told, and the root under which attesters sign all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.hashing import canonical_json, keccak
from domain.merkle import merkle_root


def statement_hash(*, salt: bytes, statement: dict[str, Any]) -> bytes:
    """Salted hash of a statement's canonical JSON; without the salt the statement can't be guessed from it."""
    return keccak(salt + canonical_json(statement))


def statement_leaf(*, account: bytes, period: int, revision: int, hashed: bytes) -> bytes:
    """The value under the statements root for one account."""
    return keccak(account.rjust(32, b"\x00") + period.to_bytes(32, "big") + revision.to_bytes(32, "big") + hashed)


def statements_root(*, period: int, revision: int, hashes: Mapping[bytes, bytes]) -> bytes:
    """Root over the statement hashes by account, accounts ascending."""
    return merkle_root(
        [
            statement_leaf(account=account, period=period, revision=revision, hashed=hashes[account])
            for account in sorted(hashes)
        ]
    )
