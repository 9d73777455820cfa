"""Blocks after the checkpoint follow from the seals of a Clique chain, where enough of its sealers built upon them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domain.hashing import from_hex, keccak, to_hex
from tests.unit.verifier.fake_chain import address, key_of
from verifier.blocks import Known, final_block, header_hash, prove
from verifier.rlp import number_bytes, rlp

pytestmark = pytest.mark.unit

SEALERS = ("sealer 1", "sealer 2", "sealer 3", "sealer 4")
"""Of four, three must have built upon a block."""

CHECKPOINT, HEIGHT = 5, 12
EMPTY_ROOT = to_hex(keccak(rlp(b"")))
ZERO = "0x" + "00" * 32

Header = dict[str, Any]


def header(number: int, parent: str, extra: bytes) -> Header:
    """An empty block that is not sealed yet."""
    return {
        "parentHash": parent,
        "sha3Uncles": ZERO,
        "miner": "0x" + "00" * 20,
        "stateRoot": ZERO,
        "transactionsRoot": EMPTY_ROOT,
        "receiptsRoot": EMPTY_ROOT,
        "logsBloom": "0x" + "00" * 256,
        "difficulty": "0x2",
        "number": hex(number),
        "gasLimit": "0x1c9c380",
        "gasUsed": "0x0",
        "timestamp": hex(1_000 + 5 * number),
        "extraData": to_hex(extra),
        "mixHash": ZERO,
        "nonce": "0x0000000000000000",
        "baseFeePerGas": "0x0",
        "transactions": [],
    }


def sealed(block: Header, name: str) -> Header:
    """The block with a named key's seal: its signature over the header without the seal (EIP-225)."""
    names = ("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom")
    numbers = ("difficulty", "number", "gasLimit", "gasUsed", "timestamp")
    body = from_hex(block["extraData"])
    fields = [from_hex(block[item]) for item in names] + [number_bytes(int(block[item], 16)) for item in numbers]
    fields += [body, from_hex(block["mixHash"]), from_hex(block["nonce"]), number_bytes(0)]
    seal = key_of(name).sign(keccak(rlp(fields)))
    block = {**block, "extraData": to_hex(body + seal[:64] + bytes([seal[64] - 27]))}
    return {**block, "hash": header_hash(block)}


def chain(turns: Callable[[int], str] = lambda number: SEALERS[number % 4], height: int = HEIGHT) -> list[Header]:
    """Blocks from the first one on, each sealed by whose turn it is."""
    listed = bytes(32) + b"".join(from_hex(address(name)) for name in SEALERS) + bytes(65)
    first = header(0, ZERO, listed)
    blocks = [{**first, "hash": header_hash(first)}]
    for number in range(1, height + 1):
        blocks.append(sealed(header(number, blocks[-1]["hash"], bytes(32)), turns(number)))
    return blocks


def node(blocks: list[Header]) -> Callable[[str, list[Any]], Any]:
    """Answers with these blocks."""
    return lambda method, params: blocks[int(params[0], 16)]


def known(blocks: list[Header]) -> Known:
    return Known(blocks[0]["hash"], CHECKPOINT, blocks[CHECKPOINT]["hash"])


def final_of(blocks: list[Header]) -> int:
    return final_block(node(blocks), known(blocks), len(blocks) - 1).block


def test_final_block__all_seal_in_turn__is_the_one_that_three_built_upon() -> None:
    blocks = chain()

    assert final_of(blocks) == HEIGHT - 2
    proof = prove(node(blocks), final_block(node(blocks), known(blocks), HEIGHT), {}, [])
    assert (proof.block, proof.faults, len(proof.headers)) == (HEIGHT - 2, (), HEIGHT - 2)


@pytest.mark.parametrize(
    ("turns", "final"),
    [
        (lambda number: SEALERS[number % 3], HEIGHT - 2),
        (lambda number: SEALERS[number % 2], CHECKPOINT),
        (lambda number: SEALERS[0 if number > 8 else number % 4], 6),
        (lambda number: "stranger" if number == HEIGHT - 1 else SEALERS[number % 4], CHECKPOINT),
        (lambda number: "stranger" if number < CHECKPOINT else SEALERS[number % 4], HEIGHT - 2),
    ],
    ids=["one is down", "two are down", "one went on alone", "a stranger seals", "a stranger sealed long ago"],
)
def test_final_block__other_seals__is_what_enough_of_them_stand_for(turns: Callable[[int], str], final: int) -> None:
    assert final_of(chain(turns)) == final


def forked(blocks: list[Header]) -> list[Header]:
    """Another end, that one dishonest sealer made."""
    made = blocks[: CHECKPOINT + 1]
    while len(made) < len(blocks):
        made.append(sealed(header(len(made), made[-1]["hash"], b"x" * 32), SEALERS[0]))
    return made


def other_past(blocks: list[Header]) -> list[Header]:
    """An end that does not follow the checkpoint."""
    apart = chain()[: CHECKPOINT + 1]
    other = [sealed(header(CHECKPOINT, apart[-2]["hash"], b"y" * 32), SEALERS[0])]
    while CHECKPOINT + len(other) <= HEIGHT:
        number = CHECKPOINT + len(other)
        other.append(sealed(header(number, other[-1]["hash"], bytes(32)), SEALERS[number % 4]))
    return [*apart, *other[1:]]


def changed(blocks: list[Header]) -> list[Header]:
    """A block whose receipts root was changed, hash and all."""
    other = {**blocks[9], "receiptsRoot": ZERO}
    return [*blocks[:9], {**other, "hash": header_hash(other)}, *blocks[10:]]


@pytest.mark.parametrize("lie", [forked, other_past, changed])
def test_final_block__end_that_is_not_the_chains__stays_at_the_checkpoint(
    lie: Callable[[list[Header]], list[Header]],
) -> None:
    blocks = chain()

    assert final_block(node(lie(blocks)), known(blocks), HEIGHT).block == CHECKPOINT


def test_final_block__chain_without_sealers__stays_at_the_checkpoint() -> None:
    first = header(0, ZERO, b"")
    blocks = [{**first, "hash": header_hash(first)}]
    for number in range(1, HEIGHT + 1):
        block = header(number, blocks[-1]["hash"], b"")
        blocks.append({**block, "hash": header_hash(block)})

    assert final_of(blocks) == CHECKPOINT
