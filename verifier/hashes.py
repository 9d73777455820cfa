"""Hashes: keccak, ids, Merkle trees, words, readings, statements.

Sources: docs/protocol.md sections 1 (ids, trees), 3 (words), 4 (readings), 5 (statements).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache, reduce
from typing import Any

from verifier.facts import Reading
from verifier.form import Json, as_json, canonical, unhex, whole
from verifier.party_facts import Term

try:
    from sha3 import keccak_256 as _keccak
except ImportError:  # where safe-pysha3 has no wheel
    from Crypto.Hash import keccak as _pycryptodome

    def _keccak(data: bytes) -> Any:
        return _pycryptodome.new(digest_bits=256, data=data)


ZERO = bytes(32)
ZERO_HEX = "0x" + "00" * 32

PAGE_WORDS = 2_048
"""Words on one page of a book."""

SETTLEMENT_PAGE_WORDS = 256
"""Words on one page of a settlement."""


def keccak(data: bytes) -> bytes:
    """keccak256."""
    return bytes(_keccak(data).digest())


def tohex(data: bytes) -> str:
    """Lower-case 0x hex."""
    return "0x" + data.hex()


def word32(number: int) -> bytes:
    """ABI word, two's complement."""
    return (number % 2**256).to_bytes(32, "big")


def number_of(text: str) -> int:
    """Number of a word in hex."""
    return int.from_bytes(unhex(text, 32), "big")


def hash_json(value: Json) -> str:
    """keccak of canonical JSON."""
    return tohex(keccak(canonical(value)))


@lru_cache(maxsize=4_096)
def ident(code: str | None) -> str:
    """32-byte id of a code, zero where there is none; an id already in hex stays."""
    if code is None:
        return ZERO_HEX
    return code if code.startswith("0x") and len(code) == 66 else tohex(keccak(code.encode()))


def merkle_node(one: bytes, other: bytes) -> bytes:
    """Parent of two nodes, in ascending order."""
    return keccak(one + other if one <= other else other + one)


def _leaf(value: bytes) -> bytes:
    """Node of a value. One that has not 32 bytes could be a node's children: its node is one that no tree has."""
    return keccak(value if len(value) == len(ZERO) else b"not 32 bytes:" + value)


def merkle_root(values: Iterable[bytes]) -> str:
    """Root over the hashes of values; an odd node moves up unchanged; zero where there is no value."""
    level = [_leaf(value) for value in values]
    while len(level) > 1:
        pairs = (level[at : at + 2] for at in range(0, len(level), 2))
        level = [merkle_node(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return tohex(level[0] if level else ZERO)


def places_root(values: Iterable[bytes]) -> str:
    """Root of a places tree: nodes hash left before right, so that each value has its place."""
    level = [_leaf(value) for value in values]
    while len(level) > 1:
        pairs = (level[at : at + 2] for at in range(0, len(level), 2))
        level = [keccak(b"".join(pair)) if len(pair) == 2 else pair[0] for pair in pairs]
    return tohex(level[0] if level else ZERO)


def mask_of(mtus: Iterable[int], first_mtu: int) -> int:
    """MTUs of a session as a mask: bit i stands for MTU first + i."""
    return sum(1 << mtu - first_mtu for mtu in set(mtus))


def merkle_climb(value: bytes, proof: Sequence[str]) -> str:
    """Root that a value of 32 bytes and its proof lead to; one of another length leads nowhere."""
    return tohex(reduce(merkle_node, (unhex(sibling, 32) for sibling in proof), _leaf(value)))


def chained(hashes: Iterable[bytes]) -> bytes:
    """Chain over hashes, from zero."""
    return reduce(lambda chain, item: keccak(chain + item), hashes, ZERO)


def words_hash(words: Sequence[int]) -> str:
    """Chain over the hashes of pages of a book's words."""
    return _paged_hash(words, PAGE_WORDS)


def settlement_words_hash(words: Sequence[int]) -> str:
    """Chain over the hashes of pages of a settlement's words."""
    return _paged_hash(words, SETTLEMENT_PAGE_WORDS)


def _paged_hash(words: Sequence[int], size: int) -> str:
    pages = (b"".join(map(word32, words[start : start + size])) for start in range(0, len(words), size))
    return tohex(chained(map(keccak, pages)))


def schedule_hash(net_wh: Sequence[int]) -> bytes:
    """Hash of a schedule's values, int32 each."""
    return keccak(b"".join(wh.to_bytes(4, "big", signed=True) for wh in net_wh))


def reading_hash(reading: Reading) -> bytes:
    """Value of a reading's leaf (protocol.md section 4)."""
    registers = (reading.import_register_wh, reading.export_register_wh)
    numbers = (reading.mtu, *registers, reading.import_wh, reading.export_wh, reading.sequence, reading.quality)
    body = b"".join(word32(whole(number)) for number in numbers)
    balancing = (reading.balancing_import_wh, reading.balancing_export_wh)
    entry = b"".join(map(word32, balancing)) if any(balancing) else b""
    return keccak(keccak(reading.meter.encode()) + body + unhex(reading.nonce, 32) + entry)


def statement_leaf(statement: Json, salt: str) -> bytes:
    """Value of a statement's leaf: account, period, revision and the salted hash (protocol.md section 5)."""
    account = unhex(statement["account"], 20).rjust(32, b"\0")
    head = account + word32(statement["period"]) + word32(statement["revision"])
    return keccak(head + keccak(unhex(salt, 32) + canonical(statement)))


def terms_hash(terms: Iterable[Term]) -> str:
    """Over tariff and agreement versions by id, version, tariffs first (evidence.md section 5, `tariffHash`)."""
    ranked = {term.rank: term for term in terms}
    return hash_json([as_json(ranked[rank]) for rank in sorted(ranked)])
