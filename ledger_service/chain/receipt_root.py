"""Receipts proven by their block: all of them together give the root in its header (yellow paper, section 4.3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import rlp  # type: ignore[import-untyped]
from trie.hexary import HexaryTrie

from contracts.rpc import NodeAnswerInvalid, Rpc, RpcError, as_bytes, as_int
from domain.hashing import to_hex
from ledger_service.chain.errors import NodeLies
from ledger_service.chain.headers import header_of

Receipt = Mapping[str, Any]


def receipts_root(receipts: Sequence[Receipt]) -> bytes:
    """Root of the trie of these receipts, all of one block in their order."""
    trie = HexaryTrie(db={})
    for index, receipt in enumerate(receipts):
        trie[cast(bytes, rlp.encode(index))] = _encode(receipt)
    return bytes(trie.root_hash)


def _encode(receipt: Receipt) -> bytes:
    logs = [
        [as_bytes(log["address"]), [as_bytes(topic) for topic in log["topics"]], as_bytes(log["data"])]
        for log in receipt["logs"]
    ]
    status, gas = as_int(receipt["status"]), as_int(receipt["cumulativeGasUsed"])
    body = cast(bytes, rlp.encode([status, gas, as_bytes(receipt["logsBloom"]), logs]))
    kind = as_int(receipt.get("type", "0x0"))
    return (bytes([kind]) if kind else b"") + body


def check_receipts(*, rpc: Rpc, numbers: Sequence[int], taken: Mapping[bytes, Receipt]) -> None:
    """See that the receipts taken (by transaction hash) are among those that blocks of these numbers are bound to.

    Whatever of a receipt is not in the trie (its place, its gas) follows from the list. Raises NodeLies, or
    NodeAnswerInvalid where the node gives a block without its receipts.
    """
    blocks = rpc.batch([("eth_getBlockByNumber", (hex(number), False)) for number in numbers])
    for number, block in zip(numbers, blocks, strict=True):
        if block is None or isinstance(block, RpcError):
            raise NodeAnswerInvalid(url=rpc.url, reason=f"it has receipts of block {number} but not the block")
        header = header_of(block, url=rpc.url)
        hashes = [as_bytes(item) for item in block["transactions"]]
        listed = rpc.batch([("eth_getTransactionReceipt", (to_hex(item),)) for item in hashes])
        if not all(isinstance(item, Mapping) for item in listed):
            raise NodeAnswerInvalid(url=rpc.url, reason=f"it has block {number} but not all its receipts")
        if receipts_root(listed) != header.receipts_root:
            raise NodeLies(url=rpc.url, block=number, reason="its receipts do not give its receipts root")
        for tx_hash, receipt in zip(hashes, listed, strict=True):
            if tx_hash in taken and dict(taken[tx_hash]) != dict(receipt):
                raise NodeLies(url=rpc.url, block=number, reason="it gave one transaction two receipts")
