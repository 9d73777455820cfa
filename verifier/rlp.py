"""Recursive length prefix, and the transactions written in it.

Sources: the yellow paper of Ethereum, appendix B (RLP) and section 4.2 (transactions); EIP-155 (chain id in the
signature).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from verifier.hashes import keccak, tohex, word32
from verifier.signatures import recover

Rlp: TypeAlias = "bytes | Sequence[Rlp]"

FIELDS = 9
"""Of a signed transaction: nonce, gas price, gas, target, value, data, v, r, s."""


def rlp(item: Rlp) -> bytes:
    """Bytes, or a list of such, written."""
    if isinstance(item, bytes):
        return item if len(item) == 1 and item[0] < 0x80 else _prefixed(item, 0x80)
    return _prefixed(b"".join(map(rlp, item)), 0xC0)


def _prefixed(body: bytes, offset: int) -> bytes:
    if len(body) <= 55:
        return bytes([offset + len(body)]) + body
    length = number_bytes(len(body))
    return bytes([offset + 55 + len(length)]) + length + body


def number_bytes(value: int) -> bytes:
    """A number without leading zeros, as RLP has it."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def flat_list(data: bytes) -> list[bytes]:
    """The byte strings of a written list that holds no list. Raises ValueError, IndexError for anything else."""
    items: list[bytes] = []
    start, end = _body(data, 0, 0xC0)
    while start < end:
        if data[start] < 0x80:
            items.append(data[start : start + 1])
            start += 1
            continue
        first, after = _body(data, start, 0x80)
        items.append(data[first:after])
        start = after
    if rlp(items) != data:
        raise ValueError("it is not a list of byte strings in RLP")
    return items


def _body(data: bytes, at: int, offset: int) -> tuple[int, int]:
    """Where the body of the item at `at` begins and ends. Raises IndexError past the end."""
    short = data[at] - offset
    if short <= 55:
        return at + 1, at + 1 + short
    size = short - 55
    return at + 1 + size, at + 1 + size + int.from_bytes(data[at + 1 : at + 1 + size], "big")


@dataclass(frozen=True, slots=True)
class RawTransaction:
    """What the bytes of a signed transaction say; no target: it deploys a contract."""

    sender: str
    target: str | None
    nonce: int
    gas_price_wei: int


def read_transaction(raw: bytes, chain_id: int) -> RawTransaction:
    """A legacy transaction signed for this chain. Raises ValueError, IndexError."""
    fields = flat_list(raw)
    if len(fields) != FIELDS:
        raise ValueError(f"it has {len(fields)} fields, not the {FIELDS} of a legacy transaction")
    nonce, gas_price, _, target, value, _ = fields[:6]
    v, r, s = (int.from_bytes(field, "big") for field in fields[6:])
    recovery = v - 35 - 2 * chain_id
    if recovery not in (0, 1):
        raise ValueError(f"it is not signed for chain {chain_id}")
    if value:
        raise ValueError("it sends money of the chain itself, which no call of the service does")
    signed = keccak(rlp([*fields[:6], number_bytes(chain_id), b"", b""]))
    sender = recover(signed, tohex(word32(r) + word32(s) + bytes([27 + recovery])))
    return RawTransaction(sender, tohex(target) if target else None, _number(nonce), _number(gas_price))


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")
