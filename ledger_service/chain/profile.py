"""What differs between chains: when a block is final, what gas costs, and when to send again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Finality(Enum):
    """When a block can't go away any more."""

    INSTANT = "instant"
    """At once: one node makes the blocks (embedded), or the consensus is final (Besu QBFT)."""
    CLIQUE = "clique"
    """When N − ⌊(N−1)/3⌋ distinct sealers have sealed it or a block after it."""
    DEPTH = "depth"
    """After a number of blocks: development chains that can be reorganised by command."""


@dataclass(frozen=True, slots=True)
class ChainProfile:
    """A kind of chain. Prices in wei per gas; `*_blocks` count blocks, so that no clock is needed.

    `sealers`: who may seal Clique blocks, where that is not the list in the genesis block (they have voted since).
    """

    name: str
    finality: Finality
    gas_price_wei: int = 0
    gas_price_cap_wei: int = 0
    resend_blocks: int = 5
    reprice_blocks: int = 20
    depth_blocks: int = 0
    transaction_gas_max: int = 400_000_000
    sealers: tuple[bytes, ...] = ()


GWEI = 1_000_000_000

EMBEDDED = ChainProfile(name="embedded", finality=Finality.INSTANT)
"""anvil under the service's own hand: gas is free, the service mines."""

BORROWED = ChainProfile(name="borrowed", finality=Finality.INSTANT, resend_blocks=0)
"""The embedded node of another run, which mines where something waits: what the node forgot is sent again at once."""

QBFT = ChainProfile(name="qbft", finality=Finality.INSTANT)
"""Besu QBFT with `min-gas-price=0` and a zero base fee."""

CLIQUE = ChainProfile(
    name="clique",
    finality=Finality.CLIQUE,
    gas_price_wei=2 * GWEI,
    gas_price_cap_wei=200 * GWEI,
    transaction_gas_max=100_000_000,
)
"""geth Clique: London's base fee begins at 1 gwei and only falls while blocks are less than half full."""

GANACHE = ChainProfile(
    name="ganache",
    finality=Finality.DEPTH,
    gas_price_wei=2 * GWEI,
    gas_price_cap_wei=200 * GWEI,
    transaction_gas_max=30_000_000,
)
"""ganache, kept for those who use it; one block makes final."""

PRICE_BUMP_PERCENT = 25
"""How much a replacement pays more: nodes ask for at least 10 %, some for 12.5 %."""


def bumped_price(*, profile: ChainProfile, price_wei: int) -> int | None:
    """Price of a replacement, rounded up; None once the cap is reached."""
    wanted = price_wei + max(-(-price_wei * PRICE_BUMP_PERCENT // 100), 1)
    return wanted if wanted <= profile.gas_price_cap_wei else None
