"""One Python class per contract of the ledger; made by `python -m scripts.tools.make_bindings`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from contracts.bindings.accounts import Accounts
from contracts.bindings.anchors import Anchors
from contracts.bindings.base import Call, Event
from contracts.bindings.calendar import Calendar
from contracts.bindings.clearing import Clearing
from contracts.bindings.guarantees import Guarantees
from contracts.bindings.handovers import Handovers
from contracts.bindings.market import Market
from contracts.bindings.objections import Objections
from contracts.bindings.readings import Readings
from contracts.bindings.redemptions import Redemptions
from contracts.bindings.registry import Registry
from contracts.bindings.roles import Roles
from contracts.bindings.settlement import Settlement
from contracts.bindings.successions import Successions
from domain.facts import ChainEvent

__all__ = [
    "Accounts",
    "Anchors",
    "Calendar",
    "Call",
    "Clearing",
    "Event",
    "Guarantees",
    "Handovers",
    "Market",
    "Objections",
    "Readings",
    "Redemptions",
    "Registry",
    "Roles",
    "Settlement",
    "Successions",
    "read_events",
]

T = TypeVar("T", bound=Event)


def read_events(recorded: Iterable[ChainEvent], *kinds: type[T]) -> Iterator[T]:
    """The events of these classes that a `chain.included` fact holds, in their order."""
    wanted = {(kind.CONTRACT, kind.NAME): kind for kind in kinds}
    for item in recorded:
        kind = wanted.get((item.contract, item.event))
        if kind is not None:
            yield kind.read(item.args.value)
