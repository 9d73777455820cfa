"""What was asked of the chain, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, PlainSerializer, PlainValidator, SerializerFunctionWrapHandler, WrapSerializer

from domain.facts.base import Fact, fact
from domain.hashing import MAX_SAFE_INTEGER, to_hex
from domain.members import (
    Address,
    BigNatural,
    Bytes,
    Code,
    Document,
    Hash,
    Mtu,
    Natural,
    Number,
    Says,
    Seconds,
    Session,
)
from domain.roles import ChainRole

RequestKey = Annotated[str, Field(min_length=1, max_length=194), Says("key of the request")]
"""What names a request for good, without the `chain:` of its journal key."""


def _read_arguments(value: object) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError("expected an array of arguments in the order of the ABI")
    return tuple(_frozen(item) for item in value)


def _frozen(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, (str, bool)) or (isinstance(value, int) and abs(value) <= MAX_SAFE_INTEGER):
        return value
    raise ValueError("expected text, whole numbers, booleans and arrays of them")


def _write_arguments(value: Sequence[Any]) -> list[Any]:
    return [_write_arguments(item) if isinstance(item, (list, tuple)) else item for item in value]


Arguments = Annotated[
    tuple[Any, ...],
    PlainValidator(_read_arguments),
    PlainSerializer(_write_arguments),
    Says("array in ABI order"),
]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request to the chain is about; None (and not written) where a member does not apply.

    `first_mtu` and `count` name a run of MTUs, `account` whose money moves, `ref` the payment's reference, `page` which
    part of what does not fit into one transaction.
    """

    area: Code | None = None
    market: Code | None = None
    period: Number | None = None
    session: Session | None = None
    first_mtu: Mtu | None = None
    count: Natural | None = None
    revision: Natural | None = None
    page: Natural | None = None
    account: Address | None = None
    ref: Hash | None = None


def _write_subject(value: Subject, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
    return {name: item for name, item in handler(value).items() if item is not None}


About = Annotated[Subject, WrapSerializer(_write_subject)]


@fact
class ChainRequested(Fact):
    """A stage asks for one call of a contract, to be sent by the key of an organisation's role.

    `key` names the request for good; what failed stays failed under it, and is asked for again under the key of the
    next attempt. `args` are the call's arguments: bytes and addresses as 0x hex, integers beyond 2^53 as decimal
    text, structs as arrays.
    """

    KIND = "chain.requested"
    key: RequestKey
    role: ChainRole
    contract: str
    function: str
    args: Arguments
    about: About

    @property
    def journal_key(self) -> str:
        """One fact per request."""
        return requested_key(self.key)


def requested_key(key: str) -> str:
    """The journal key of a request to the chain."""
    return f"chain:{key}"


@fact
class ChainSigned(Fact):
    """The transaction of a request, signed and not yet sent; or the same again at another gas price.

    Deployments sign transactions that nobody requested: they are about nothing.
    """

    KIND = "chain.signed"
    key: RequestKey
    role: str
    sender: Address
    nonce: Natural
    contract: str
    function: str
    about: About
    tx_hash: Hash
    raw: Bytes
    gas_price_wei: BigNatural

    @property
    def journal_key(self) -> str:
        """One fact per signed transaction."""
        return f"{self.KIND}:{to_hex(self.tx_hash)}"


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """An event of one of our contracts; `args` by name, bytes as 0x hex, integers beyond 2^53 as decimal text."""

    contract: str
    event: str
    args: Document

    @property
    def name(self) -> tuple[str, str]:
        """Contract and event."""
        return (self.contract, self.event)


@fact
class ChainIncluded(Fact):
    """The transaction of a request succeeded in this block; its events in their order. `block_time` in unix seconds.

    A transaction that comes into another block makes another fact, which counts from then on.
    """

    KIND = "chain.included"
    key: RequestKey
    contract: str
    function: str
    about: About
    tx_hash: Hash
    block: Natural
    block_hash: Hash
    block_time: Seconds
    gas_used: Natural
    events: tuple[ChainEvent, ...]


@fact
class ChainObserved(Fact):
    """A transaction that was not asked for here left these events of our contracts, in their order: a holder's, or
    anybody's who sent it to the chain directly. `block_time` in unix seconds.

    A transaction that comes into another block makes another fact, which counts from then on.
    """

    KIND = "chain.observed"
    sender: Address
    tx_hash: Hash
    block: Natural
    block_hash: Hash
    block_time: Seconds
    events: tuple[ChainEvent, ...]

    @property
    def key(self) -> str:
        """Names the transaction as a request's key does, and its `chain.rewound`."""
        return observed_key(self.tx_hash)


def observed_key(tx_hash: bytes) -> str:
    """What stands in the place of a request's key where there was no request."""
    return f"observed:{to_hex(tx_hash)}"


Happened = ChainIncluded | ChainObserved
"""What tells events of our contracts: of transactions asked for here, and of all others."""

HAPPENED: tuple[type[ChainIncluded], type[ChainObserved]] = (ChainIncluded, ChainObserved)
"""The kinds of Happened."""


@fact
class ChainFailed(Fact):
    """The transaction of a request failed in this block and changed nothing; its key is spent.

    No block where the request could not even be encoded.
    """

    KIND = "chain.failed"
    key: RequestKey
    contract: str
    function: str
    about: About
    reason: str
    tx_hash: Hash | None = None
    block: Natural | None = None
    block_hash: Hash | None = None
    block_time: Seconds | None = None
    gas_used: Natural | None = None


@fact
class ChainRewound(Fact):
    """The block that held a transaction is no longer of the chain: what was told of it counts no more.

    One that was observed has the key of `chain.observed` and names no call; so it ends as well where a record that
    was restored finds that the transaction is its own.
    """

    KIND = "chain.rewound"
    key: RequestKey
    contract: str
    function: str
    about: About
    tx_hash: Hash
    block: Natural
    block_hash: Hash


@fact
class BlockMined(Fact):
    """The embedded node is about to make this block: its time (unix seconds) and its transactions in their order.

    `others` are the signed bytes of those that strangers sent to the node, so that a replay can send them again.
    """

    KIND = "block.mined"
    number: Natural
    timestamp: Seconds
    transactions: tuple[Hash, ...]
    others: tuple[Bytes, ...]

    @property
    def journal_key(self) -> str:
        """A block is made once; a replay makes it again."""
        return f"{self.KIND}:{self.number}"
