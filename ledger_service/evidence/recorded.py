"""Reading the record for evidence: how far it is anchored, and in which order the chain recorded things."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from domain.errors import DominoesError
from domain.facts import ChainFailed, ChainIncluded
from domain.hashing import from_hex
from ledger_service.record import Entry, JournalBroken
from ledger_service.record.journal import Kinds, select_entries, walk_entries
from ledger_service.record.tables import journal_entry

ReceiptSource = Callable[[Entry], bytes]
"""Gives the operator's 65-byte receipt signature of an `order.accepted` or `order.cancelled` entry."""


class NothingAnchored(DominoesError):
    """No head of the journal stands on chain yet."""

    status = 409
    code = "nothing-anchored"
    retryable = True

    def __init__(self) -> None:
        super().__init__("no journal head is anchored on chain yet; export evidence after the next anchor")


@dataclass(frozen=True, slots=True)
class ChainInfo:
    """Where the contracts are: their addresses by name (protocol.md section 7) on a chain."""

    chain_id: int
    contracts: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Anchor:
    """The last entry whose hash stands on chain, and the block of that transaction."""

    sequence: int
    head: bytes
    block: int


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One event of the chain: `key` names the transaction that made it."""

    key: str
    contract: str
    event: str
    args: Mapping[str, Any]


def last_anchor(connection: Connection) -> Anchor:
    """The newest anchored head. Raises NothingAnchored, or JournalBroken where the journal does not pass through it."""
    query = select_entries().where(journal_entry.c.kind == ChainIncluded.KIND).order_by(journal_entry.c.sequence.desc())
    for row in connection.execute(query.execution_options(yield_per=200)):
        payload = json.loads(row.payload) if row.payload is not None else {"events": []}
        for event in payload["events"]:
            if (event["contract"], event["event"]) == ("Anchors", "HeadAnchored"):
                sequence, head = int(event["args"]["sequence"]), from_hex(event["args"]["head"])
                held = connection.execute(
                    select(journal_entry.c.hash).where(journal_entry.c.sequence == sequence)
                ).scalar()
                if held != head:
                    raise JournalBroken(sequence=sequence, check="its hash is the head anchored on chain")
                return Anchor(sequence=sequence, head=head, block=payload["block"])
    raise NothingAnchored


def walk(connection: Connection, *, through: int, kinds: Kinds) -> Iterator[Entry]:
    """Entries of these kinds up to and including `through`, without erased ones."""
    for entry in walk_entries(connection, kinds=kinds):
        if entry.sequence > through:
            return
        if entry.payload is not None:
            yield entry


def chain_events(connection: Connection, *, through: int, wanted: Container[tuple[str, str]]) -> list[RecordedEvent]:
    """These (contract, event) pairs in their order; a later inclusion of a transaction replaces an earlier one."""
    placed: dict[str, tuple[int, int, list[RecordedEvent]]] = {}
    for entry in walk(connection, through=through, kinds=[ChainIncluded, ChainFailed]):
        payload = entry.content()
        events = [
            RecordedEvent(key=payload["key"], contract=item["contract"], event=item["event"], args=item["args"])
            for item in payload.get("events", ())
            if (item["contract"], item["event"]) in wanted
        ]
        placed.pop(payload["key"], None)
        if events:
            placed[payload["key"]] = (payload["block"], entry.sequence, events)
    ordered = sorted(placed.values(), key=lambda item: item[:2])
    return [event for _, _, events in ordered for event in events]
