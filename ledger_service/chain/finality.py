"""Which block is final, by what the chain itself shows."""

from __future__ import annotations

from contracts.rpc import Rpc
from domain.hashing import to_hex
from ledger_service.chain.errors import NodeLies
from ledger_service.chain.headers import SealedHeader, genesis_sealers, read_headers
from ledger_service.chain.profile import ChainProfile, Finality

SEALERS_READ_MAX = 64
"""Blocks looked back for distinct sealers: with more than that the network has stalled or forks."""


def sealers_needed(count: int) -> int:
    """Distinct sealers that make a Clique block final: N − ⌊(N−1)/3⌋."""
    return count - (count - 1) // 3


def final_block(*, rpc: Rpc, profile: ChainProfile, genesis_hash: bytes) -> int:
    """Number of the newest final block; 0 (the genesis) where nothing after it is final yet.

    Raises NodeLies where a header is not what its hash says, or is sealed by nobody who may.
    """
    head = rpc.block_number()
    if profile.finality is Finality.INSTANT:
        return head
    if profile.finality is Finality.DEPTH:
        return max(head - profile.depth_blocks, 0)
    sealers = profile.sealers or genesis_sealers(rpc=rpc, genesis_hash=genesis_hash)
    numbers = range(head, max(head - SEALERS_READ_MAX, 0), -1)
    return _final_of(read_headers(rpc=rpc, numbers=numbers), sealers=sealers, url=rpc.url)


def _final_of(headers: list[SealedHeader], *, sealers: tuple[bytes, ...], url: str) -> int:
    """The newest of these headers, newest first, at and after which enough distinct sealers have sealed."""
    seen: set[bytes] = set()
    child: SealedHeader | None = None
    for header in headers:
        if child is not None and header.hash != child.parent:
            return 0  # the chain moved while it was read; the next look will see one chain
        sealer = header.sealer()
        if sealer not in sealers:
            reason = (
                f"{to_hex(sealer)}, who sealed it, is no sealer; if they have voted since, name them in the profile"
            )
            raise NodeLies(url=url, block=header.number, reason=reason)
        child = header
        seen.add(sealer)
        if len(seen) >= sealers_needed(len(sealers)):
            return header.number
    return 0
