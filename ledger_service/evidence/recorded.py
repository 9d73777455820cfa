"""Reading the record for evidence: how far it is anchored, and in which order the chain recorded things."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Connection, select

from contracts.bindings import Event, read_events
from contracts.bindings.anchors import HeadAnchored
from domain.errors import DominoesError
from domain.facts import HAPPENED, ChainFailed, ChainIncluded, ChainObserved, ChainRewound, Fact
from domain.members import Bytes, Natural
from ledger_service.record import Entry, JournalBroken
from ledger_service.record.journal import entry_of, kinds_of, select_entries, walk_entries
from ledger_service.record.tables import journal_entry

ReceiptSource = Callable[[Entry], bytes]
"""Gives the operator's 65-byte receipt signature of an entry that has one."""


class NothingAnchored(DominoesError):
    """No head of the journal stands on chain yet."""

    status = 409
    code = "nothing-anchored"
    remedy = "Wait for the first anchor: heads of the journal go to the chain at intervals."
    retryable = True

    def __init__(self) -> None:
        super().__init__("no journal head is anchored on chain yet; export evidence after the next anchor")


@dataclass(frozen=True, slots=True)
class ChainInfo:
    """Where the contracts are: their addresses by name (protocol.md section 7) on a chain."""

    chain_id: Natural
    contracts: Mapping[str, Bytes]


@dataclass(frozen=True, slots=True)
class Anchor:
    """The last entry whose hash stands on chain, and the block of that transaction."""

    sequence: int
    head: bytes
    block: int


_Event = TypeVar("_Event", bound=Event)
_Fact = TypeVar("_Fact", bound=Fact)


def last_anchor(connection: Connection) -> Anchor:
    """The newest anchored head. Raises NothingAnchored, or JournalBroken where the journal does not pass through it."""
    query = (
        select_entries().where(journal_entry.c.kind.in_(kinds_of(HAPPENED))).order_by(journal_entry.c.sequence.desc())
    )
    for row in connection.execute(query.execution_options(yield_per=200)):
        fact = entry_of(row).fact
        if not isinstance(fact, HAPPENED):
            continue  # erased
        for event in read_events(fact.events, HeadAnchored):
            held = connection.execute(
                select(journal_entry.c.hash).where(journal_entry.c.sequence == event.sequence)
            ).scalar()
            if held != event.head:
                raise JournalBroken(sequence=event.sequence, check="its hash is the head anchored on chain")
            return Anchor(sequence=event.sequence, head=event.head, block=fact.block)
    raise NothingAnchored


def walk(connection: Connection, *kinds: type[_Fact], through: int, after: int = 0) -> Iterator[tuple[Entry, _Fact]]:
    """Entries of these kinds behind `after`, up to and including `through`, each with its fact; erased ones are left
    out."""
    for entry in walk_entries(connection, kinds=kinds, after=after):
        if entry.sequence > through:
            return
        fact = entry.fact
        if isinstance(fact, kinds):
            yield entry, fact


def facts_of(connection: Connection, *kinds: type[_Fact], through: int, after: int = 0) -> Iterator[_Fact]:
    """The facts alone."""
    return (fact for _, fact in walk(connection, *kinds, through=through, after=after))


class ToldOtherwise(Exception):
    """What was told since changes what was read before, or comes before it: read it all again."""


class ChainEvents(Generic[_Event]):
    """Events of some classes in their order, span after span; what is told of a transaction last counts."""

    def __init__(self, *kinds: type[_Event]) -> None:
        self._kinds = kinds
        self._told: set[str] = set()
        self._last = (-1, -1)

    def read(self, connection: Connection, *, after: int, through: int) -> list[_Event]:
        """The events of a span that follows the one before. Raises ToldOtherwise."""
        placed: dict[str, tuple[int, int, list[_Event]]] = {}
        for entry, fact in walk(connection, *_INCLUSIONS, after=after, through=through):
            if fact.key in self._told:
                raise ToldOtherwise
            placed.pop(fact.key, None)
            events = list(read_events(fact.events, *self._kinds)) if isinstance(fact, HAPPENED) else []
            if events and isinstance(fact, HAPPENED):
                placed[fact.key] = (fact.block, entry.sequence, events)
        ordered = sorted(placed.values(), key=lambda item: item[:2])
        if ordered:
            if ordered[0][:2] < self._last:
                raise ToldOtherwise
            self._last = ordered[-1][:2]
        self._told |= placed.keys()
        return [event for _, _, events in ordered for event in events]


def chain_events(connection: Connection, *kinds: type[_Event], through: int) -> list[_Event]:
    """Events of these classes in their order; what is told of a transaction last counts."""
    return ChainEvents(*kinds).read(connection, after=0, through=through)


_INCLUSIONS: tuple[type[ChainIncluded | ChainObserved | ChainFailed | ChainRewound], ...] = (
    *HAPPENED,
    ChainFailed,
    ChainRewound,
)
