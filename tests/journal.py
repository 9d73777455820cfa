"""Facts for tests: read from JSON as the journal reads them, or as the chain gateway would report them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from domain.facts import ChainEvent, ChainFailed, ChainIncluded, Fact, Subject, read_fact
from domain.hashing import canonical_json, keccak
from domain.members import JsonDocument

NOTHING = Subject()
"""What a request is about whose subject does not matter."""


def fact_of(kind: type[Fact] | str, payload: dict[str, Any]) -> Fact:
    """The fact of a kind with this payload. Raises FactMalformed where it is none."""
    return read_fact(kind if isinstance(kind, str) else kind.KIND, canonical_json(payload))


def chain_event(contract: str, event: str, args: dict[str, Any]) -> ChainEvent:
    """An event of one of our contracts."""
    return ChainEvent(contract=contract, event=event, args=JsonDocument(args))


def included(
    key: str,
    events: Iterable[ChainEvent] = (),
    *,
    contract: str = "Market",
    function: str = "",
    about: Subject = NOTHING,
    block: int = 1,
) -> ChainIncluded:
    """A request's transaction that succeeded; block hash and transaction hash follow from block and key."""
    return ChainIncluded(
        key=key,
        contract=contract,
        function=function,
        about=about,
        tx_hash=keccak(key.encode()),
        block=block,
        block_hash=keccak(block.to_bytes(8, "big")),
        block_time=block,
        gas_used=21_000,
        events=tuple(events),
    )


def failed(
    key: str, reason: str, *, contract: str = "Settlement", function: str = "", about: Subject = NOTHING
) -> ChainFailed:
    """A request that failed for this reason."""
    return ChainFailed(key=key, contract=contract, function=function, about=about, reason=reason)
