"""Merkle proofs are of values of 32 bytes: a node is no value."""

from __future__ import annotations

import pytest

from domain.hashing import keccak, to_hex
from domain.merkle import leaf_hash, merkle_proof, merkle_root, node_hash, places_root, verify_proof
from verifier import hashes

pytestmark = pytest.mark.unit

VALUES = [keccak(bytes([number])) for number in range(4)]


def test_verify_proof__children_of_a_node_in_place_of_a_value__refused() -> None:
    left, right = sorted((leaf_hash(VALUES[0]), leaf_hash(VALUES[1])))
    posing, rest = left + right, [node_hash(leaf_hash(VALUES[2]), leaf_hash(VALUES[3]))]
    root = merkle_root(VALUES)

    assert keccak(posing) == node_hash(left, right)
    assert not verify_proof(value=posing, proof=rest, root=root)
    assert hashes.merkle_climb(posing, [to_hex(node) for node in rest]) != to_hex(root)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_trees__value_of_another_length__refused(length: int) -> None:
    for tree in (merkle_root, places_root):
        with pytest.raises(ValueError, match="32 bytes"):
            tree([*VALUES, bytes(length)])
    assert not verify_proof(value=bytes(length), proof=merkle_proof(VALUES, 0), root=merkle_root(VALUES))


def test_verify_proof__sibling_of_another_length__refused() -> None:
    proof = merkle_proof(VALUES, 1)

    assert verify_proof(value=VALUES[1], proof=proof, root=merkle_root(VALUES))
    assert not verify_proof(value=VALUES[1], proof=[proof[0] + b"\x00", *proof[1:]], root=merkle_root(VALUES))
