"""Checking a proof of a places tree as `Hashes.sol` does: which value stands at which place."""

from __future__ import annotations

from collections.abc import Sequence

from domain.merkle import leaf_hash, place_node_hash


def stands_at(*, value: bytes, index: int, count: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the value stands at this place of `count` under the root of a places tree."""
    node, siblings = leaf_hash(value), iter(proof)
    while count > 1:
        if index ^ 1 < count:
            sibling = next(siblings, None)
            if sibling is None:
                return False
            node = place_node_hash(sibling, node) if index % 2 else place_node_hash(node, sibling)
        index, count = index // 2, (count + 1) // 2
    return next(siblings, None) is None and node == root
