"""Facts about transactions and blocks, as the journal writes them (docs/facts.md)."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.form import Json, Neur


@dataclass(frozen=True, slots=True)
class Subject:
    """What a transaction is about; what does not apply is left out."""

    area: str | None = None
    market: str | None = None
    period: int | None = None
    session: int | None = None
    first_mtu: int | None = None
    count: int | None = None
    revision: int | None = None
    page: int | None = None
    account: str | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class ChainRequested:
    """A transaction was asked for."""

    key: str
    role: str
    contract: str
    function: str
    args: Json
    about: Subject


@dataclass(frozen=True, slots=True)
class ChainSigned:
    """A transaction was signed."""

    key: str
    role: str
    sender: str
    nonce: int
    contract: str
    function: str
    about: Subject
    tx_hash: str
    raw: str
    gas_price_wei: Neur


@dataclass(frozen=True, slots=True)
class TransactionEvent:
    """An event of a transaction."""

    contract: str
    event: str
    args: dict[str, Json]


@dataclass(frozen=True, slots=True)
class ChainIncluded:
    """A transaction stands in a block and did something."""

    key: str
    contract: str
    function: str
    about: Subject
    tx_hash: str
    block: int
    block_hash: str
    block_time: int
    gas_used: int
    events: tuple[TransactionEvent, ...]


@dataclass(frozen=True, slots=True)
class ChainObserved:
    """A transaction that was not asked for stands in a block and did something."""

    sender: str
    tx_hash: str
    block: int
    block_hash: str
    block_time: int
    events: tuple[TransactionEvent, ...]

    @property
    def key(self) -> str:
        """What stands in the place of a request's key."""
        return f"observed:{self.tx_hash}"


@dataclass(frozen=True, slots=True)
class ChainFailed:
    """A transaction reverted in a block, or (without a block) could not be sent."""

    key: str
    contract: str
    function: str
    about: Subject
    reason: str
    tx_hash: str | None = None
    block: int | None = None
    block_hash: str | None = None
    block_time: int | None = None
    gas_used: int | None = None


@dataclass(frozen=True, slots=True)
class ChainRewound:
    """The chain gave up the block in which a transaction stood, or one that was observed is told as one of the own."""

    key: str
    contract: str
    function: str
    about: Subject
    tx_hash: str
    block: int
    block_hash: str


@dataclass(frozen=True, slots=True)
class BlockMined:
    """A block of the embedded node."""

    number: int
    timestamp: int
    transactions: tuple[str, ...]
    others: tuple[str, ...]
