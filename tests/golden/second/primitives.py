"""Hashes, canonical JSON, trees and signatures: what all else is made of (protocol.md, head and sections 2, 3)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_hash.auto import keccak
from eth_keys.datatypes import Signature

Json = dict[str, Any]

ZERO = bytes(32)
PAGE = 2_048
SETTLEMENT_PAGE = 256
NO_PRICE = -(2**31)
NO_CAP = 2**24 - 1


# ---- bytes and JSON


def raw(text: str) -> bytes:
    """Bytes of 0x hex."""
    return bytes.fromhex(text.removeprefix("0x"))


def hexed(data: bytes) -> str:
    """0x hex, lower case."""
    return "0x" + data.hex()


def canonical(value: Any) -> bytes:
    """Canonical JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def hash_of(value: Any) -> bytes:
    """keccak of canonical JSON."""
    return keccak(canonical(value))


def id_of(code: str) -> bytes:
    """Id of an area, market, meter or metering point."""
    return keccak(code.encode())


def encoded(*items: int | bytes) -> bytes:
    """abi.encode of static values: numbers and addresses to the right, other bytes to the left of 32."""
    return b"".join(
        item.rjust(32, b"\0")
        if isinstance(item, bytes) and len(item) == 20
        else item.ljust(32, b"\0")
        if isinstance(item, bytes)
        else (item % 2**256).to_bytes(32, "big")
        for item in items
    )


# ---- chains and trees (section 3)


def chained(hashes: Iterable[bytes]) -> bytes:
    """chain(h_0..h_k)."""
    value = ZERO
    for item in hashes:
        value = keccak(value + item)
    return value


def page_hashes(words: Sequence[int], size: int = PAGE) -> list[bytes]:
    """Hashes of the pages of words."""
    pages = [words[at : at + size] for at in range(0, len(words), size)]
    return [keccak(encoded(*page)) for page in pages]


def _grown(values: Sequence[bytes], *, ordered: bool) -> list[list[bytes]]:
    """Levels of a tree, leaves first; `ordered`: children are hashed by size, not by place."""
    levels = [[keccak(value) for value in values]]
    while len(levels[-1]) > 1:
        below, above = levels[-1], []
        for at in range(0, len(below), 2):
            pair = below[at : at + 2]
            above.append(pair[0] if len(pair) == 1 else keccak(b"".join(sorted(pair) if ordered else pair)))
        levels.append(above)
    return levels


def merkle_root(values: Sequence[bytes]) -> bytes:
    """Root of a Merkle tree."""
    return _grown(values, ordered=True)[-1][0] if values else ZERO


def places_root(values: Sequence[bytes]) -> bytes:
    """Root of a places tree."""
    return _grown(values, ordered=False)[-1][0] if values else ZERO


def merkle_proof(values: Sequence[bytes], index: int) -> list[str]:
    """Siblings from the leaf up."""
    found = []
    for level in _grown(values, ordered=True)[:-1]:
        if index ^ 1 < len(level):
            found.append(hexed(level[index ^ 1]))
        index //= 2
    return found


# ---- EIP-712 (section 2): the shapes are read from the page itself

_PROTOCOL = Path(__file__).parents[3] / "docs" / "protocol.md"
_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


def _shapes() -> dict[str, str]:
    block = _PROTOCOL.read_text("utf-8").split("## 2. EIP-712")[1].split("```text\n")[1].split("```")[0]
    types = re.findall(r"\w+\([^)]*\)", block)
    return {re.match(r"\w+", text)[0]: re.sub(r",\s+", ",", text) for text in types}  # type: ignore[index]


SHAPES = _shapes()
"""Type string of each shape by its name."""


def _struct(type_string: str, values: Json) -> bytes:
    parts = [keccak(type_string.encode())]
    for member in type_string[type_string.index("(") + 1 : -1].split(","):
        kind, name = member.split(" ")
        parts.append(_member(kind, values[name]))
    return keccak(b"".join(parts))


def _member(kind: str, value: Any) -> bytes:
    """`encodeData` of one member: texts by their hash, arrays by the hash of what they hold."""
    if kind.endswith("[]"):
        return keccak(b"".join(_member(kind.removesuffix("[]"), item) for item in value))
    if kind == "string":
        return keccak(value.encode())
    return encoded(raw(value) if isinstance(value, str) else value)


def separator(chain: Json, contract: str) -> bytes:
    """Domain separator of a contract."""
    address = raw(chain["contracts"][contract])
    values = {"name": "DOMINOES", "version": "1", "chainId": chain["chain_id"], "verifyingContract": address}
    return _struct(_DOMAIN, values)


def digest_of(chain: Json, contract: str, shape: str, values: Json) -> bytes:
    """What is signed."""
    return keccak(b"\x19\x01" + separator(chain, contract) + _struct(SHAPES[shape], values))


def signer_of(digest: bytes, signature: str) -> str:
    """Address whose key signed a digest."""
    data = raw(signature)
    parts = (data[64] - 27, int.from_bytes(data[:32], "big"), int.from_bytes(data[32:64], "big"))
    return Signature(vrs=parts).recover_public_key_from_msg_hash(digest).to_address()


# ---- JWS (section 4)


def unpadded(part: str) -> bytes:
    """Bytes of base64url without padding."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def opened(jws: str, public_keys: dict[str, str]) -> Json:
    """The payload of a meter's message. Raises ValueError unless it is its meter's own, in the one form."""
    head, body, signature = jws.split(".")
    payload: Json = json.loads(unpadded(body))
    code = payload["meter"]
    expected = {"alg": "EdDSA", "kid": code, "typ": "meter+jws"}
    if unpadded(head) != canonical(expected) or unpadded(body) != canonical(payload):
        raise ValueError("not canonical, or of another meter")
    try:
        key = Ed25519PublicKey.from_public_bytes(raw(public_keys[code]))
        key.verify(unpadded(signature), f"{head}.{body}".encode())
    except InvalidSignature as error:
        raise ValueError("not signed by its meter") from error
    return payload
