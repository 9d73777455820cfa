"""Compact JWS (RFC 7515) with EdDSA over Ed25519 (RFC 8037), in the one form meters use.

The header is fixed per meter, so it is compared and never parsed: neither `alg` nor `kid` can be talked into
anything else.
"""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey

from domain.errors import DominoesError
from domain.hashing import canonical_json

SIGNATURE_BYTES = 64
"""Length of an Ed25519 signature."""

KEY_BYTES = 32
"""Length of an Ed25519 public key."""

_TO_STANDARD = bytes.maketrans(b"-_", b"+/")

_PADDING = (b"", b"===", b"==", b"=")

_LAST_CHARACTERS: dict[int, frozenset[int]] = {1: frozenset(), 2: frozenset(b"AQgw"), 3: frozenset(b"AEIMQUYcgkosw048")}
"""Where the last group is short, characters whose unused bits are zero: any other spells the same bytes again."""


class MessageRefused(DominoesError):
    """A meter message, or a reading in it, changes nothing: base of every cause."""

    code = "meter-message-refused"


class MalformedMessage(MessageRefused):
    """The bytes are not a compact JWS over the canonical JSON of a meter message."""

    code = "meter-message-malformed"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"meter message refused: {reason}; send the form of docs/protocol.md section 4")


def encode_part(data: bytes) -> bytes:
    """base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def decode_part(text: bytes) -> bytes:
    """Undo `encode_part`. Raises MalformedMessage for any other spelling, so that one message has one form."""
    over = len(text) & 3
    if b"+" in text or b"/" in text or b"=" in text or (over and text[-1] not in _LAST_CHARACTERS[over]):
        raise MalformedMessage(reason="a part is not base64url without padding")
    try:
        return binascii.a2b_base64(text.translate(_TO_STANDARD) + _PADDING[over], strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedMessage(reason="a part is not base64url") from error


@lru_cache(maxsize=65_536)
def header_of(kid: str) -> bytes:
    """The encoded protected header of messages signed by this meter."""
    return encode_part(canonical_json({"alg": "EdDSA", "kid": kid, "typ": "meter+jws"}))


def sign_compact(*, kid: str, payload: bytes, key: SigningKey) -> bytes:
    """`header.payload.signature` in ASCII."""
    signed = header_of(kid) + b"." + encode_part(payload)
    return signed + b"." + encode_part(key.sign(signed).signature)


def split_compact(jws: bytes) -> tuple[bytes, bytes, bytes]:
    """(header, payload, signature), still encoded. Raises MalformedMessage where there are not three parts."""
    parts = jws.split(b".")
    if len(parts) != 3 or not all(parts):
        raise MalformedMessage(reason="it does not have the three parts of a compact JWS")
    return parts[0], parts[1], parts[2]


def signature_matches(*, signed: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether the Ed25519 key made the signature (64 bytes) over `signed`."""
    if len(signature) != SIGNATURE_BYTES or len(public_key) != KEY_BYTES:
        return False
    try:
        crypto_sign_open(signature + signed, public_key)
    except BadSignatureError:
        return False
    return True
