"""keccak256, canonical JSON and hash chains: the digests everything else is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast

import orjson

from domain.errors import DominoesError

ZERO_HASH = b"\x00" * 32
ZERO_ADDRESS = "0x" + 40 * "0"
"""Start of every chain, and root of an empty tree."""

MAX_SAFE_INTEGER = 2**53 - 1
"""Largest whole number canonical JSON may carry as a number (RFC 7493); larger ones travel as strings."""


class Hasher(Protocol):
    """keccak256 fed in parts."""

    def update(self, data: bytes, /) -> Any:
        """Take more bytes."""
        ...

    def digest(self) -> bytes:
        """Hash of all bytes taken so far."""
        ...

    def hexdigest(self) -> str:
        """The same as hex without prefix."""
        ...


def _keccak_backend() -> Callable[[bytes], Hasher]:
    """The fastest keccak256 at hand: safe-pysha3 (C, five times faster) where it has a wheel, else pycryptodome."""
    try:
        import sha3
    except ImportError:
        from Crypto.Hash import keccak as pycryptodome_keccak

        return lambda data: cast(Hasher, pycryptodome_keccak.new(digest_bits=256, data=data, update_after_digest=True))
    return cast(Callable[[bytes], Hasher], sha3.keccak_256)


new_keccak: Callable[[bytes], Hasher] = _keccak_backend()
"""A keccak256 that has taken these bytes, and may take more."""


def keccak(data: bytes) -> bytes:
    """keccak256 as Ethereum uses it (before the SHA-3 padding change)."""
    return new_keccak(data).digest()


class NotCanonical(DominoesError):
    """A value has no canonical JSON form: a float, an unsafe integer, a non-text key or an unknown type."""

    code = "not-canonical"
    remedy = "Keep to texts, whole numbers within 53 bits, lists, objects, true, false and null."

    def __init__(self, *, value: object, reason: str) -> None:
        self.value, self.reason = value, reason
        super().__init__(
            f"{value!r} cannot be written as canonical JSON: {reason}; send large numbers as decimal strings"
        )


def check_canonical(value: Any) -> None:
    """Raises NotCanonical where a value, or anything in it, has no canonical JSON form."""
    if value is None or isinstance(value, (bool, str)):
        return
    if isinstance(value, int):
        if abs(value) > MAX_SAFE_INTEGER:
            raise NotCanonical(value=value, reason="integer beyond 2^53 - 1")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotCanonical(value=key, reason="object key is not text")
            check_canonical(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            check_canonical(item)
    else:
        raise NotCanonical(value=value, reason=f"type {type(value).__name__}")


def canonical_json(value: Any) -> bytes:
    """UTF-8 bytes of `value` per RFC 8785 restricted to objects, arrays, text, booleans, null and safe integers.

    Object keys sort by code point, which equals RFC 8785 for the ASCII keys this project uses. Raises NotCanonical.
    """
    check_canonical(value)
    return sorted_json(value)


def sorted_json(value: Any) -> bytes:
    """`canonical_json` of what is known to have one, as a fact is: typed members, all checked. Raises NotCanonical."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
    except TypeError as error:
        raise NotCanonical(value=value, reason=str(error)) from error


def hash_json(value: Any) -> bytes:
    """keccak256 of the canonical JSON of `value`."""
    return keccak(canonical_json(value))


def chain_hash(hashes: Iterable[bytes]) -> bytes:
    """Fold hashes into one: c = 0, then c = keccak(c || h) for each; 32 zero bytes where there is none."""
    chained = ZERO_HASH
    for item in hashes:
        chained = keccak(chained + item)
    return chained


def text_id(code: str) -> bytes:
    """The 32-byte id that a human-readable code (area, market, meter, metering point) has on chain."""
    return keccak(code.encode("utf-8"))


def to_hex(data: bytes) -> str:
    """Lower-case 0x hex of bytes."""
    return "0x" + data.hex()


def from_hex(text: str) -> bytes:
    """Bytes of 0x hex; raises ValueError where it is none."""
    if not isinstance(text, str) or not text.startswith("0x"):
        raise ValueError("hex must be text that begins with 0x")
    return bytes.fromhex(text[2:])
