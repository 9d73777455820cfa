"""Which block is final, by what the chain itself shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import rlp  # type: ignore[import-untyped]

from contracts.rpc import NodeAnswerInvalid, Rpc, RpcError, as_bytes, as_int
from domain.hashing import keccak
from domain.signing import recover
from ledger_service.chain.profile import ChainProfile, Finality

SEAL_BYTES = 65
"""Length of the sealer's signature at the end of a Clique block's extra data."""

SEALERS_READ_MAX = 64
"""Blocks looked back for distinct sealers: with more than that the network has stalled or forks."""

_HEADER_BYTES = ("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom")
_HEADER_NUMBERS = ("difficulty", "number", "gasLimit", "gasUsed", "timestamp")


def sealers_needed(count: int) -> int:
    """Distinct sealers that make a Clique block final: N − ⌊(N−1)/3⌋."""
    return count - (count - 1) // 3


def sealer_of(block: Mapping[str, Any]) -> bytes:
    """Address of who sealed a Clique block, recovered from its own header. Raises BadSignature.

    The node is not asked who sealed it (`clique_getSigner`): the signature in the header says so itself.
    """
    extra = as_bytes(block["extraData"])
    fields = [as_bytes(block[name]) for name in _HEADER_BYTES]
    fields += [_minimal(as_int(block[name])) for name in _HEADER_NUMBERS]
    fields += [extra[:-SEAL_BYTES], as_bytes(block["mixHash"]), as_bytes(block["nonce"])]
    if block.get("baseFeePerGas") is not None:
        fields.append(_minimal(as_int(block["baseFeePerGas"])))
    seal = extra[-SEAL_BYTES:]
    return recover(keccak(cast(bytes, rlp.encode(fields))), seal[:64] + bytes([seal[64] + 27]))


def _minimal(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def final_block(*, rpc: Rpc, profile: ChainProfile) -> int:
    """Number of the newest final block; 0 (the genesis) where nothing after it is final yet."""
    head = rpc.block_number()
    if profile.finality is Finality.INSTANT:
        return head
    if profile.finality is Finality.DEPTH:
        return max(head - profile.depth_blocks, 0)
    return _final_by_sealers(rpc=rpc, head=head)


def _final_by_sealers(*, rpc: Rpc, head: int) -> int:
    needed = sealers_needed(len(rpc.call("clique_getSigners", "latest")))
    numbers = range(head, max(head - SEALERS_READ_MAX, 0), -1)
    blocks = rpc.batch([("eth_getBlockByNumber", (hex(number), False)) for number in numbers])
    seen: set[bytes] = set()
    child_parent: bytes | None = None
    for number, block in zip(numbers, blocks, strict=True):
        if block is None or isinstance(block, RpcError):
            raise NodeAnswerInvalid(url=rpc.url, reason=f"it has block {head} but not {number}")
        if child_parent is not None and as_bytes(block["hash"]) != child_parent:
            return 0  # the chain moved while it was read; the next look will see one chain
        child_parent = as_bytes(block["parentHash"])
        seen.add(sealer_of(block))
        if len(seen) >= needed:
            return number
    return 0
