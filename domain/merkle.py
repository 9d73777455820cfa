"""Merkle trees that OpenZeppelin's `MerkleProof` verifies, and places trees, whose root fixes each leaf's place.

A leaf is keccak of its 32-byte value, a node keccak of its two children in ascending order; an odd node at the end of
a level moves up unchanged. Leaves are hashed once more than nodes' children, so a node can't pose as a leaf's value.
The children of a places tree's node are hashed left before right, so that only one value can stand at each place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.hashing import ZERO_HASH, keccak

VALUE_BYTES = 32
"""Length of a leaf's value and of a node. One of 64 bytes could be the two children of a node: a proof of what nobody
put there."""


def leaf_hash(value: bytes) -> bytes:
    """The leaf node of a 32-byte value. Raises ValueError for one of another length."""
    if len(value) != VALUE_BYTES:
        raise ValueError(f"a leaf's value has {VALUE_BYTES} bytes, not {len(value)}")
    return keccak(value)


def node_hash(left: bytes, right: bytes) -> bytes:
    """The parent of two nodes, whichever side each stands on."""
    return keccak(left + right) if left <= right else keccak(right + left)


def place_node_hash(left: bytes, right: bytes) -> bytes:
    """The parent of two nodes of a places tree."""
    return keccak(left + right)


def _levels(values: Sequence[bytes], node_of: Callable[[bytes, bytes], bytes] = node_hash) -> list[list[bytes]]:
    levels = [[leaf_hash(value) for value in values]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [node_of(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
        if len(below) % 2:
            above.append(below[-1])
        levels.append(above)
    return levels


def merkle_root(values: Sequence[bytes]) -> bytes:
    """Root over 32-byte values in the order given; 32 zero bytes where there is none."""
    return _levels(values)[-1][0] if values else ZERO_HASH


def merkle_proof(values: Sequence[bytes], index: int) -> list[bytes]:
    """The sibling nodes that lead from value `index` to the root, lowest first."""
    return merkle_proofs(values, [index])[0]


def merkle_proofs(values: Sequence[bytes], indexes: Sequence[int]) -> list[list[bytes]]:
    """Proofs for many values of one tree, the tree being built once."""
    return _paths(_levels(values), indexes)


def places_root(values: Sequence[bytes]) -> bytes:
    """Root of a places tree over 32-byte values; 32 zero bytes where there is none."""
    return _levels(values, place_node_hash)[-1][0] if values else ZERO_HASH


def places_proofs(values: Sequence[bytes], indexes: Sequence[int]) -> list[list[bytes]]:
    """Proofs for many places of one places tree; a level where the node moves up unchanged gives no sibling."""
    return _paths(_levels(values, place_node_hash), indexes)


def _paths(levels: Sequence[Sequence[bytes]], indexes: Sequence[int]) -> list[list[bytes]]:
    proofs = []
    for index in indexes:
        proof, at = [], index
        for level in levels[:-1]:
            sibling = at ^ 1
            if sibling < len(level):
                proof.append(level[sibling])
            at //= 2
        proofs.append(proof)
    return proofs


def verify_proof(*, value: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the value is a leaf under the root; never where it, or a node of its proof, has not 32 bytes."""
    if any(len(each) != VALUE_BYTES for each in (value, *proof)):
        return False
    node = leaf_hash(value)
    for sibling in proof:
        node = node_hash(node, sibling)
    return node == root
