"""Witnessing the terms money rests on: an attester keeps each registry fact as it first saw it, with the time it did.

Signatures say whom each term binds, and nothing says when it was made. So terms count only as they were seen before the
first MTU they decide on: nobody can fit them to what was metered later.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from domain.hashing import canonical_json
from domain.members import noun_json, noun_of
from domain.mtu import MTU_END, mtu_start
from domain.parties import Meter, OrderKey, Participant, ParticipantKind, first_accounts
from domain.terms import NOTICE_MTUS, Agreement, EndedTerm, Tariff, TermEnd, agreement_in_force, ends_of
from oracle.attester.store import Store
from settling.package import Package, RegisteredTerms

_log = logging.getLogger(__name__)

Term: TypeAlias = Participant | Meter | OrderKey | Tariff | Agreement | TermEnd
"""What is witnessed."""

KINDS: Mapping[str, type[Term]] = {
    "parties": Participant,
    "meters": Meter,
    "keys": OrderKey,
    "tariffs": Tariff,
    "agreements": Agreement,
    "ends": TermEnd,
}
"""Kinds of terms, named as members of a package."""

TIMED = (Meter, Tariff, Agreement, TermEnd)
"""Terms that decide from an MTU on which they name themselves; parties do from where they take part."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A term as it was first seen, and the market time at which it was, unix seconds."""

    term: Term
    seen_at: int


Sightings = Mapping[tuple[str, str], Sighting]
"""Sightings by (kind, name)."""


def name_of(term: Term) -> str:
    """What names a term within its kind: under one name there is one for ever."""
    match term:
        case Participant():
            return term.account
        case Meter():
            return f"{term.meter} {term.valid_from_mtu}"
        case OrderKey():
            return term.order_key
        case Tariff():
            return f"{term.tariff} {term.version}"
        case Agreement():
            return f"{term.agreement} {term.version}"
        case TermEnd():
            return f"of {term.term} {term.name}"


def _terms(terms: RegisteredTerms) -> dict[str, tuple[Term, ...]]:
    """The terms by kind."""
    return {
        "parties": terms.parties,
        "meters": terms.meters,
        "keys": terms.keys,
        "tariffs": terms.tariffs,
        "agreements": terms.agreements,
        "ends": terms.ends,
    }


class Witness:
    """Keeps what the service shows. One thread, with a store of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen = {
            (kind, name): Sighting(term=noun_of(KINDS[kind], text), seen_at=seen_at)
            for kind, name, text, seen_at in store.witnessed()
        }

    @property
    def sightings(self) -> Sightings:
        """Everything seen so far."""
        return self._seen

    def knows(self, term: Term) -> bool:
        """Whether a term of this kind and name was seen."""
        kind = next(kind for kind, noun in KINDS.items() if isinstance(term, noun))
        return (kind, name_of(term)) in self._seen

    def take(self, terms: RegisteredTerms, *, seen_at: int) -> int:
        """Keep what is new of the terms shown, seen no later than market time `seen_at`; returns how many were new."""
        fresh: dict[tuple[str, str], Sighting] = {}
        for kind, shown in _terms(terms).items():
            for term in shown:
                key = (kind, name_of(term))
                known = self._seen.get(key) or fresh.get(key)
                if known is None:
                    fresh[key] = Sighting(term=term, seen_at=seen_at)
                elif known.term != term:
                    _log.warning("%s %s is shown changed; what was first seen counts", *key)
        if fresh:
            rows = ((*key, canonical_json(noun_json(seen.term)), seen.seen_at) for key, seen in fresh.items())
            with self._store.commit():
                self._store.add_witnessed(rows)
            self._seen |= fresh
        return len(fresh)


def terms_objections(package: Package, sightings: Sightings) -> Iterator[str]:
    """Why the terms of a package can't be signed, one sentence each; none where they are just what was seen in time.

    What was first seen after the period ended may be left out: it can't decide on any MTU of it.
    """
    end = package.span.end_mtu
    for kind, terms in _terms(package).items():
        shown = {name_of(term) for term in terms}
        if len(shown) != len(terms):
            yield f"it names one of its {kind} twice"
        for term in terms:
            yield from _term_objections(kind, term, sightings, package.first_mtu)
        for (seen_kind, name), found in sightings.items():
            matters = _begins(found.term) < end and found.seen_at <= mtu_start(end)
            if seen_kind == kind and matters and name not in shown:
                yield f"{kind} {name} was seen here and is left out"
    yield from _party_objections(package, sightings)
    yield from _notice_objections(package, sightings)


def _notice_objections(package: Package, sightings: Sightings) -> Iterator[str]:
    """A version of a tariff that came after an account agreed to the tariff binds it with notice alone (ADR 77)."""
    first, ends = first_accounts(package.replacements), ends_of(package.ends)
    of_account: dict[str, list[Agreement]] = {}
    for agreement in package.agreements:
        of_account.setdefault(first(agreement.account), []).append(agreement)
    for tariff in package.tariffs:
        published = sightings.get(("tariffs", name_of(tariff)))
        later = (item.valid_from_mtu for item in package.tariffs if item.tariff == tariff.tariff)
        until = min((mtu for mtu in later if mtu > tariff.valid_from_mtu), default=MTU_END)
        for agreements in of_account.values():
            for agreement in agreements:
                signed = sightings.get(("agreements", name_of(agreement)))
                if published is None or signed is None or agreement.tariff != tariff.tariff:
                    continue
                binds_mtu = max(tariff.valid_from_mtu, agreement.valid_from_mtu)
                at = max(binds_mtu, package.first_mtu)
                known = signed.seen_at >= published.seen_at or published.seen_at <= mtu_start(binds_mtu - NOTICE_MTUS)
                if known or not at < min(until, package.span.end_mtu):
                    continue
                if agreement_in_force(agreements, ends, at) == agreement:
                    bound = f"binds {agreement.account} with less than {NOTICE_MTUS} MTUs of notice"
                    yield f"tariffs {name_of(tariff)} {bound}"


def _term_objections(kind: str, term: Term, sightings: Sightings, first_mtu: int) -> Iterator[str]:
    name = name_of(term)
    found = sightings.get((kind, name))
    if found is None:
        yield f"{kind} {name} was never seen here"
    elif found.term != term:
        yield f"{kind} {name} is not as it was first seen here"
    elif isinstance(term, TIMED):
        notice_mtus = term.notice_mtus if isinstance(term, TermEnd) else 0
        if found.seen_at > mtu_start(max(_begins(term), first_mtu) - notice_mtus):
            early = f"less than {notice_mtus} MTUs before" if notice_mtus else "after"
            yield f"{kind} {name} was first seen at {found.seen_at}, {early} the first MTU it decides on had begun"


def _begins(term: Term) -> int:
    """First MTU a term can matter for; a party matters always."""
    if isinstance(term, TermEnd):
        return term.end_mtu
    return 0 if isinstance(term, Participant) else term.valid_from_mtu


def _party_objections(package: Package, sightings: Sightings) -> Iterator[str]:
    """A party takes part from its first agreement on, and stands where its account signed that it stands.

    A retailer is named by agreements and signs its orders; DSO and tax account receive from the first MTU on.
    """
    first = first_accounts(package.replacements)
    joins: dict[str, int] = {}
    for agreement in package.agreements:
        begins, account = max(agreement.valid_from_mtu, package.first_mtu), first(agreement.account)
        joins[account] = min(joins.get(account, begins), begins)
    signed: dict[str, set[str | None]] = {}
    for key in package.keys:
        signed.setdefault(first(key.account), set()).add(key.point)
    yield from _place_objections(package)
    for party in package.parties:
        account, point = party.account, party.point
        found, joined = sightings.get(("parties", account)), _joins(party, joins, package.first_mtu)
        if found is not None and joined is not None and found.seen_at > mtu_start(joined):
            yield f"parties {account} was first seen at {found.seen_at}, after the first MTU it takes part in had begun"
        if signed.get(account, {point}) != {point}:
            yield f"parties {account} stands at {point}, but its account signed another point"


def _place_objections(package: Package) -> Iterator[str]:
    """At a point stands one party at a time, each with the connection of the one before."""
    ends = ends_of(package.ends)
    before: dict[str, Participant] = {}
    for party in sorted(package.parties, key=lambda item: item.valid_from_mtu):
        if party.point is None:
            continue
        last = before.get(party.point)
        if last is not None:
            if party.valid_from_mtu < ends.get((EndedTerm.PARTICIPATION, last.participant), MTU_END):
                yield f"two parties stand at point {party.point}"
            if party.connection != last.connection:
                yield f"the connection of point {party.point} changes with its party"
        before[party.point] = party


def _joins(party: Participant, joins: Mapping[str, int], first_mtu: int) -> int | None:
    """The first MTU in which a party takes part, None where that is not for it to say."""
    if party.kind is ParticipantKind.HOUSEHOLD:
        return joins.get(party.account)
    return None if party.kind is ParticipantKind.RETAILER else first_mtu
