"""Which Clique block is final, on headers made here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import rlp

from contracts.rpc import Rpc
from domain.hashing import from_hex, keccak, to_hex
from domain.signing import SigningKey
from ledger_service.chain.errors import NodeLies
from ledger_service.chain.finality import final_block
from ledger_service.chain.headers import SEAL_BYTES, VANITY_BYTES, header_of
from ledger_service.chain.profile import CLIQUE

pytestmark = pytest.mark.unit

SEALERS = [SigningKey(keccak(f"sealer {number}".encode())) for number in range(4)]
STRANGER = SigningKey(keccak(b"stranger"))
ZERO = to_hex(bytes(32))


def unsealed(number: int, parent: str, extra: bytes) -> dict[str, Any]:
    return {
        "parentHash": parent,
        "sha3Uncles": ZERO,
        "miner": to_hex(bytes(20)),
        "stateRoot": ZERO,
        "transactionsRoot": ZERO,
        "receiptsRoot": ZERO,
        "logsBloom": to_hex(bytes(256)),
        "difficulty": "0x2",
        "number": hex(number),
        "gasLimit": "0x1",
        "gasUsed": "0x0",
        "timestamp": hex(number),
        "extraData": to_hex(extra),
        "mixHash": ZERO,
        "nonce": to_hex(bytes(8)),
        "transactions": [],
    }


def digest(block: dict[str, Any], extra: bytes) -> bytes:
    numbers = ("difficulty", "number", "gasLimit", "gasUsed", "timestamp")
    fields: list[Any] = []
    for name, value in block.items():
        if name in numbers:
            fields.append(int(value, 16))
        elif name == "extraData":
            fields.append(extra)
        elif name != "transactions":
            fields.append(from_hex(value))
    return keccak(rlp.encode(fields))


def sealed(number: int, parent: str, key: SigningKey) -> dict[str, Any]:
    block = unsealed(number, parent, bytes(VANITY_BYTES + SEAL_BYTES))
    seal = key.sign(digest(block, bytes(VANITY_BYTES)))
    extra = bytes(VANITY_BYTES) + seal[:64] + bytes([seal[64] - 27])
    return {**block, "extraData": to_hex(extra), "hash": to_hex(digest(block, extra))}


def chain(*keys: SigningKey) -> list[dict[str, Any]]:
    listed = b"".join(key.address for key in SEALERS)
    extra = bytes(VANITY_BYTES) + listed + bytes(SEAL_BYTES)
    genesis = unsealed(0, ZERO, extra)
    blocks = [{**genesis, "hash": to_hex(digest(genesis, extra))}]
    for number, key in enumerate(keys, start=1):
        blocks.append(sealed(number, blocks[-1]["hash"], key))
    return blocks


class Node(Rpc):
    def __init__(self, blocks: list[dict[str, Any]]) -> None:
        super().__init__("http://node")
        self.blocks = blocks

    def batch(self, calls: Sequence[Any]) -> list[Any]:
        last = hex(len(self.blocks) - 1)
        return [last if method == "eth_blockNumber" else self.blocks[int(given[0], 16)] for method, given in calls]

    def final(self) -> int:
        genesis = header_of(self.blocks[0], url=self.url).hash
        return final_block(rpc=self, profile=CLIQUE, genesis_hash=genesis)


@pytest.mark.parametrize(
    ("order", "final"),
    [
        ((0, 1, 2, 3), 2),
        ((0, 1, 2), 1),
        ((0, 1), 0),
        ((0, 1, 2, 1, 2), 1),
        ((0, 1, 2, 3, 0, 0), 3),
    ],
)
def test_final_block__distinct_sealers_of_four__three_make_final(order: tuple[int, ...], final: int) -> None:
    assert Node(chain(*(SEALERS[at] for at in order))).final() == final


def test_final_block__sealed_by_a_stranger__node_lies() -> None:
    node = Node(chain(SEALERS[0], STRANGER, SEALERS[1], SEALERS[2]))

    with pytest.raises(NodeLies, match="is no sealer"):
        Node(node.blocks[:3]).final()


def test_final_block__other_genesis__node_lies() -> None:
    node = Node(chain(*SEALERS))

    with pytest.raises(NodeLies, match="genesis"):
        final_block(rpc=node, profile=CLIQUE, genesis_hash=bytes(32))


def test_final_block__header_without_its_hash__node_lies() -> None:
    blocks = chain(*SEALERS)
    blocks[4] = {**blocks[4], "receiptsRoot": "0x" + "11" * 32}

    with pytest.raises(NodeLies, match="hash"):
        Node(blocks).final()
