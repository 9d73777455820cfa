"""How far a gateway's chain is final."""

from __future__ import annotations

from ledger_service.chain.finality import final_block
from ledger_service.chain.gateway import Gateway


def final(gateway: Gateway) -> int:
    """Number of the newest final block."""
    return final_block(rpc=gateway.rpc, profile=gateway.profile, genesis_hash=gateway.deployment.genesis_hash)
