"""secp256k1 signatures as the chain checks them: 65 bytes r || s || v, v 27 or 28, s in the lower half."""

from __future__ import annotations

import secrets
from typing import Protocol

from coincurve import PrivateKey, PublicKey

from domain.errors import DominoesError
from domain.hashing import keccak

SIGNATURE_BYTES = 65
"""Length of a signature; the 64-byte form of EIP-2098 is refused so that one signature has one form."""

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HALF_ORDER = _ORDER // 2


class BadSignature(DominoesError):
    """The bytes are not a signature in the one accepted form, or recover to no key."""

    status = 422
    code = "bad-signature"
    remedy = "Sign the digest again, and send r, s (the lower one) and v as 65 bytes."

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"signature refused: {reason}; sign the typed data again with the registered key")


def address_of(public_key: PublicKey) -> bytes:
    """The 20-byte account address of a public key."""
    return keccak(public_key.format(compressed=False)[1:])[-20:]


class Signer(Protocol):
    """Whatever signs for one address: a key in memory, or an HSM or KMS that never gives its key away."""

    @property
    def address(self) -> bytes:
        """The 20-byte address whose signatures it makes."""
        ...

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest in the one accepted form (65 bytes r || s || v, s in the lower half)."""
        ...


class SigningKey:
    """A private key held in memory: signs digests, knows its address. Its repr never shows the secret."""

    __slots__ = ("_key", "address")

    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)
        self.address = address_of(self._key.public_key)

    @classmethod
    def generate(cls) -> SigningKey:
        """A fresh key from the operating system's randomness."""
        return cls(secrets.token_bytes(32))

    @property
    def secret(self) -> bytes:
        """The 32 secret bytes, for a keystore to encrypt."""
        return self._key.secret

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest (deterministic, RFC 6979; libsecp256k1 gives s in the lower half)."""
        raw = self._key.sign_recoverable(digest, hasher=None)
        return raw[:64] + bytes([raw[64] + 27])

    def __repr__(self) -> str:
        return f"SigningKey(0x{self.address.hex()})"


def recover(digest: bytes, signature: bytes) -> bytes:
    """Address whose key signed the digest. Raises BadSignature for any other form than the accepted one."""
    if len(signature) != SIGNATURE_BYTES:
        raise BadSignature(reason=f"{len(signature)} bytes instead of {SIGNATURE_BYTES}")
    if signature[64] not in (27, 28):
        raise BadSignature(reason=f"v is {signature[64]}, neither 27 nor 28")
    if not 0 < int.from_bytes(signature[32:64], "big") <= _HALF_ORDER:
        raise BadSignature(reason="s is not in the lower half of the curve order")
    try:
        raw = signature[:64] + bytes([signature[64] - 27])
        return address_of(PublicKey.from_signature_and_message(raw, digest, hasher=None))
    except Exception as error:  # coincurve raises bare Exception and ValueError alike
        raise BadSignature(reason="it recovers to no key") from error


def personal_message_digest(text: str) -> bytes:
    """The 32 bytes that `personal_sign` signs (EIP-191 version 0x45)."""
    data = text.encode("utf-8")
    return keccak(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode("ascii") + data)
