"""What is tried, by whom, and how it ends: the declarations that tests play and the README's table is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from tests.collusion.coalitions import Coalition
from tests.collusion.plot import Plot


class Kind(Enum):
    """Kinds of frauds, as the table groups them."""

    TERMS = "prices, tax and fee accounts"
    BACKDATING = "terms made after the fact"
    ENDS = "agreements, places and meters that end"
    PLACES = "who stands where, which meter"
    ORDERS = "orders"
    MANDATES = "agents of households"
    CLEARING = "the auction"
    CAPS = "grid limits of households"
    POLICIES = "what the DSO published that it signs"
    READINGS = "meter readings"
    SETTLEMENT = "bills"
    MONEY = "deposits, guarantees, payments"
    ERASURE = "erased so that nobody sees"
    JOURNAL = "the journal"
    NODE = "a node that lies"


class Day(Enum):
    """The real days on which frauds are played."""

    PLAIN = "the day on which the clock goes forward"
    LIVED = "a day on which people move and change their supplier, and one household has an agent"


class Ends(Enum):
    """How a fraud ends."""

    FOUND = "found"
    """The verifier finds it: exit 3."""
    REFUSED = "stopped by the chain"
    """The contracts revert."""
    RECEIPT = "proven by a receipt"
    """No bundle shows it; whoever holds the operator's receipt proves it."""
    IN_PART = "left open"
    """Clean, in part: the verdict says what is missing."""
    TOLD = "rests on somebody's word"
    """Clean; the verdict says on whose word that rests."""
    POSSIBLE = "possible"
    """The verdict is clean: the coalition may do it, or nobody but those in it could know."""


@dataclass(frozen=True)
class End:
    """How it ends, and words that the finding, the revert or the verdict has; of what is possible, why."""

    ends: Ends
    words: str


def found(words: str) -> End:
    """The verifier finds it."""
    return End(Ends.FOUND, words)


def refused(words: str) -> End:
    """The contracts revert with this error."""
    return End(Ends.REFUSED, words)


def proven(words: str) -> End:
    """No bundle shows it; who holds a receipt proves it."""
    return End(Ends.RECEIPT, words)


def left_open(words: str) -> End:
    """The verdict is in part, and says so."""
    return End(Ends.IN_PART, words)


def told(words: str) -> End:
    """The verdict is clean, and says on whose word it rests."""
    return End(Ends.TOLD, words)


def possible(words: str) -> End:
    """It stays possible; why that is so."""
    return End(Ends.POSSIBLE, words)


@dataclass(frozen=True)
class Fraud:
    """One deed by one coalition."""

    name: str
    kind: Kind
    by: Coalition
    end: End
    commit: Callable[[Plot], None]
    day: Day = Day.PLAIN

    @property
    def id(self) -> str:
        """What tests call it."""
        return f"{self.name}, {self.by.value.removeprefix('+ ')}"


FRAUDS: list[Fraud] = []
"""All of them."""


def tried(
    kind: Kind, name: str, ends: Mapping[Coalition, End], day: Day = Day.PLAIN
) -> Callable[[Callable[[Plot], None]], Callable[[Plot], None]]:
    """Declare a deed: what it is, how it ends by who does it, and on which day."""

    def declare(commit: Callable[[Plot], None]) -> Callable[[Plot], None]:
        FRAUDS.extend(Fraud(name, kind, by, end, commit, day) for by, end in ends.items())
        return commit

    return declare
