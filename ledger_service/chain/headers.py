"""Block headers whose hash is recomputed, so that what they say of sealers and receipts needs no trust in the node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import rlp  # type: ignore[import-untyped]

from contracts.rpc import NodeAnswerInvalid, Rpc, RpcError, as_bytes, as_int
from domain.hashing import keccak
from domain.signing import recover
from ledger_service.chain.errors import NodeLies

SEAL_BYTES = 65
"""Length of the sealer's signature at the end of a Clique block's extra data."""

ADDRESS_BYTES = 20
"""Length of a sealer's address in the genesis block."""

VANITY_BYTES = 32
"""Length of the free part at the start of a Clique block's extra data; in the genesis block the sealers follow it."""

_ROOTS = ("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom")
_NUMBERS = ("difficulty", "number", "gasLimit", "gasUsed", "timestamp")


@dataclass(frozen=True, slots=True)
class SealedHeader:
    """A London header that gives its own hash."""

    number: int
    hash: bytes
    parent: bytes
    receipts_root: bytes
    extra: bytes
    unsealed: bytes
    """Hash of the header without the seal: what a Clique sealer signs."""

    def sealer(self) -> bytes:
        """Address of who sealed this Clique block. Raises BadSignature.

        The node is not asked who it was (`clique_getSigner`): the seal says so itself.
        """
        seal = self.extra[-SEAL_BYTES:]
        return recover(self.unsealed, seal[:64] + bytes([seal[64] + 27]))


def header_of(block: Mapping[str, Any], *, url: str) -> SealedHeader:
    """A header out of a node's block object. Raises NodeLies where its fields do not give its hash."""
    extra, number = as_bytes(block["extraData"]), as_int(block["number"])
    found = SealedHeader(
        number=number,
        hash=as_bytes(block["hash"]),
        parent=as_bytes(block["parentHash"]),
        receipts_root=as_bytes(block["receiptsRoot"]),
        extra=extra,
        unsealed=_hash(block, extra[:-SEAL_BYTES]),
    )
    if _hash(block, extra) != found.hash:
        raise NodeLies(url=url, block=number, reason="its fields do not give its hash")
    return found


def _hash(block: Mapping[str, Any], extra: bytes) -> bytes:
    fields: list[bytes | int] = [as_bytes(block[name]) for name in _ROOTS]
    fields += [as_int(block[name]) for name in _NUMBERS]
    fields += [extra, as_bytes(block["mixHash"]), as_bytes(block["nonce"])]
    if block.get("baseFeePerGas") is not None:
        fields.append(as_int(block["baseFeePerGas"]))
    return keccak(cast(bytes, rlp.encode(fields)))


def read_headers(*, rpc: Rpc, numbers: Iterable[int]) -> list[SealedHeader]:
    """Headers of blocks that the node must have. Raises NodeAnswerInvalid where one is missing, NodeLies."""
    wanted = list(numbers)
    blocks = rpc.batch([("eth_getBlockByNumber", (hex(number), False)) for number in wanted])
    headers = []
    for number, block in zip(wanted, blocks, strict=True):
        if block is None or isinstance(block, RpcError):
            raise NodeAnswerInvalid(url=rpc.url, reason=f"it has no block {number} although it has later ones")
        headers.append(header_of(block, url=rpc.url))
    return headers


@lru_cache(maxsize=8)
def genesis_sealers(*, rpc: Rpc, genesis_hash: bytes) -> tuple[bytes, ...]:
    """Who may seal a Clique chain, out of its genesis block, which the deployment knows by hash. Raises NodeLies.

    The block never changes, so a node is asked once.
    """
    (genesis,) = read_headers(rpc=rpc, numbers=[0])
    if genesis.hash != genesis_hash:
        raise NodeLies(url=rpc.url, block=0, reason="it is not the deployment's genesis block")
    listed = genesis.extra[VANITY_BYTES:-SEAL_BYTES]
    return tuple(listed[at : at + ADDRESS_BYTES] for at in range(0, len(listed), ADDRESS_BYTES))
