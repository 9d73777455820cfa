"""Transactions as bytes: legacy form of EIP-155, which every London chain takes, signed by any `Signer`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import rlp  # type: ignore[import-untyped]

from domain.errors import DominoesError
from domain.hashing import keccak
from domain.signing import BadSignature, Signer, recover


class NotATransaction(DominoesError):
    """The bytes are no signed transaction in the one form used here, or are signed for another chain."""

    code = "not-a-transaction"
    remedy = "Sign a legacy transaction with this chain's id (EIP-155), and send its RLP."

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"no signed transaction: {reason}; sign the call again in the legacy form of EIP-155")


@dataclass(frozen=True, slots=True)
class UnsignedTransaction:
    """What a sender signs. `to` is None for a deployment; `gas_price_wei` and `gas` as in the Ethereum yellow paper."""

    chain_id: int
    nonce: int
    to: bytes | None
    data: bytes
    gas: int
    gas_price_wei: int = 0

    def _fields(self) -> list[int | bytes]:
        return [self.nonce, self.gas_price_wei, self.gas, self.to or b"", 0, self.data]

    def digest(self) -> bytes:
        """What the sender signs, for this chain only (EIP-155)."""
        return keccak(_encode([*self._fields(), self.chain_id, 0, 0]))

    def sign(self, key: Signer) -> SignedTransaction:
        """Sign for this chain only (EIP-155)."""
        fields = self._fields()
        signature = key.sign(self.digest())
        recovery = signature[64] - 27 + 35 + 2 * self.chain_id
        scalars = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"))
        raw = _encode([*fields, recovery, *scalars])
        return SignedTransaction(transaction=self, sender=key.address, raw=raw, hash=keccak(raw))


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction ready to be sent, and the hash under which a chain knows it."""

    transaction: UnsignedTransaction
    sender: bytes
    raw: bytes
    hash: bytes


def signed_bytes(transaction: UnsignedTransaction, *, v: int, r: int, s: int) -> bytes:
    """The bytes of a transaction that somebody signed, out of its members."""
    return _encode([*transaction._fields(), v, r, s])


def decode_transaction(raw: bytes, *, chain_id: int) -> UnsignedTransaction:
    """What was signed, out of the signed bytes of one of our own transactions."""
    nonce, gas_price, gas, to, _, data, *_ = cast("list[bytes]", rlp.decode(raw))
    return UnsignedTransaction(
        chain_id=chain_id,
        nonce=int.from_bytes(nonce, "big"),
        to=to or None,
        data=data,
        gas=int.from_bytes(gas, "big"),
        gas_price_wei=int.from_bytes(gas_price, "big"),
    )


def read_signed(raw: bytes, *, chain_id: int) -> SignedTransaction:
    """A transaction that somebody else signed for this chain, with its sender. Raises NotATransaction."""
    try:
        nonce, gas_price, gas, to, value, data, v, r, s = cast("list[bytes]", rlp.decode(raw))
    except Exception as error:  # rlp raises errors of many kinds for bytes that are no list of nine strings
        raise NotATransaction(reason="not nine fields in RLP") from error
    recovery = int.from_bytes(v, "big") - 35 - 2 * chain_id
    if recovery not in (0, 1):
        raise NotATransaction(reason=f"it is not signed for chain {chain_id}")
    if int.from_bytes(value, "big"):
        raise NotATransaction(reason="it sends money of the chain itself, which no call here does")
    transaction = UnsignedTransaction(
        chain_id=chain_id,
        nonce=int.from_bytes(nonce, "big"),
        to=to or None,
        data=data,
        gas=int.from_bytes(gas, "big"),
        gas_price_wei=int.from_bytes(gas_price, "big"),
    )
    signature = r.rjust(32, b"\0") + s.rjust(32, b"\0") + bytes([recovery + 27])
    try:
        sender = recover(transaction.digest(), signature)
    except BadSignature as error:
        raise NotATransaction(reason=str(error)) from error
    return SignedTransaction(transaction=transaction, sender=sender, raw=raw, hash=keccak(raw))


def _encode(fields: list[int | bytes]) -> bytes:
    return cast(bytes, rlp.encode(fields))


def created_address(*, sender: bytes, nonce: int) -> bytes:
    """Address of the contract that a deployment from `sender` at `nonce` creates."""
    return keccak(_encode([sender, nonce]))[12:]
