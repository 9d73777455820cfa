"""Witnessing the terms money rests on: an attester keeps each registry fact as it first saw it, with the time it did.

Nothing on chain and no signature binds who stands at a point, which agreement and tariff apply, or where a meter is. So
they count only as they were seen before the first MTU they decide on: nobody can fit them to what was metered later.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.hashing import canonical_json
from domain.mtu import mtu_start
from oracle.attester.store import Store

_log = logging.getLogger(__name__)

Fact = Mapping[str, Any]

IDENTITY = {
    "parties": ("account",),
    "meters": ("meter", "valid_from_mtu"),
    "keys": ("order_key",),
    "tariffs": ("tariff", "version"),
    "agreements": ("agreement", "version"),
}
"""Kinds of facts that are witnessed, and the members that name one: under one name there is one fact for ever."""

TIMED = ("meters", "tariffs", "agreements")
"""Kinds whose versions say themselves from which MTU they are valid, and that nobody but the registrar signs."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A fact as it was first seen (canonical JSON), and the market time at which it was, unix seconds."""

    fact: bytes
    seen_at: int


Sightings = Mapping[tuple[str, str], Sighting]
"""Sightings by (kind, name)."""


def name_of(kind: str, fact: Fact) -> str:
    """What names a fact within its kind."""
    return " ".join(str(fact[member]) for member in IDENTITY[kind])


class Witness:
    """Keeps what the service shows. One thread, with a store of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen = {
            (kind, name): Sighting(fact=fact, seen_at=seen_at) for kind, name, fact, seen_at in store.witnessed()
        }

    @property
    def sightings(self) -> Sightings:
        """Everything seen so far."""
        return self._seen

    def take(self, terms: Mapping[str, Sequence[Fact]], *, seen_at: int) -> int:
        """Keep what is new of the terms shown, seen no later than market time `seen_at`; returns how many were new."""
        fresh: dict[tuple[str, str], Sighting] = {}
        for kind, facts in ((kind, terms[kind]) for kind in IDENTITY):
            for fact in facts:
                key, text = (kind, name_of(kind, fact)), canonical_json(fact)
                known = self._seen.get(key) or fresh.get(key)
                if known is None:
                    fresh[key] = Sighting(fact=text, seen_at=seen_at)
                elif known.fact != text:
                    _log.warning("%s %s is shown changed; what was first seen counts", *key)
        if fresh:
            with self._store.commit():
                self._store.add_witnessed((*key, found.fact, found.seen_at) for key, found in fresh.items())
            self._seen |= fresh
        return len(fresh)


def terms_objections(package: Mapping[str, Any], sightings: Sightings) -> Iterator[str]:
    """Why the terms of a package can't be signed, one sentence each; none where they are just what was seen in time.

    What was first seen after the period ended may be left out: it can't decide on any MTU of it.
    """
    first, end = package["first_mtu"], package["first_mtu"] + package["count"]
    for kind in IDENTITY:
        shown = [name_of(kind, fact) for fact in package[kind]]
        if len(set(shown)) != len(shown):
            yield f"it names one of its {kind} twice"
        for fact in package[kind]:
            yield from _fact_objections(kind, fact, sightings, first)
        for (seen_kind, name), found in sightings.items():
            matters = _begins(found.fact) < end and found.seen_at <= mtu_start(end)
            if seen_kind == kind and matters and name not in shown:
                yield f"{kind} {name} was seen here and is left out"
    yield from _party_objections(package, sightings)


def _fact_objections(kind: str, fact: Fact, sightings: Sightings, first_mtu: int) -> Iterator[str]:
    name = name_of(kind, fact)
    found = sightings.get((kind, name))
    if found is None:
        yield f"{kind} {name} was never seen here"
    elif found.fact != canonical_json(fact):
        yield f"{kind} {name} is not as it was first seen here"
    elif kind in TIMED and found.seen_at > mtu_start(max(fact["valid_from_mtu"], first_mtu)):
        yield f"{kind} {name} was first seen at {found.seen_at}, after the first MTU it decides on had begun"


def _begins(fact: bytes) -> int:
    """First MTU a fact can matter for; a party has no such member and matters always."""
    return int(json.loads(fact).get("valid_from_mtu", 0))


def _party_objections(package: Mapping[str, Any], sightings: Sightings) -> Iterator[str]:
    """A party takes part from its first agreement on, and stands where its account signed that it stands.

    A retailer is named by agreements and signs its orders; DSO and tax account receive from the first MTU on.
    """
    first: int = package["first_mtu"]
    joins: dict[str, int] = {}
    for agreement in package["agreements"]:
        account, begins = agreement["account"], max(agreement["valid_from_mtu"], first)
        joins[account] = min(joins.get(account, begins), begins)
    signed: dict[str, set[str | None]] = {}
    for key in package["keys"]:
        signed.setdefault(key["account"], set()).add(key["point"])
    points: set[str] = set()
    for party in package["parties"]:
        account, point, kind = party["account"], party["point"], party["kind"]
        found = sightings.get(("parties", account))
        begins = joins.get(account) if kind == "household" else first if kind in ("dso", "tax") else None
        if found is not None and begins is not None and found.seen_at > mtu_start(begins):
            yield f"parties {account} was first seen at {found.seen_at}, after the first MTU it takes part in had begun"
        if signed.get(account, {point}) != {point}:
            yield f"parties {account} stands at {point}, but its account signed another point"
        if point is not None and point in points:
            yield f"two parties stand at point {point}"
        points |= {point} if point is not None else set()
