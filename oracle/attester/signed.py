"""Which terms carry the signatures of whom they bind, by the roles that an attester reads from its own node."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from domain.eip712 import Domain
from domain.hashing import to_hex
from domain.metering_area import MeteringArea
from domain.roles import ChainRole
from domain.signed_terms import HoldsRole, Term, TermNotSigned, TermSigning, name_of, parts_of
from domain.signing import BadSignature, recover

_log = logging.getLogger(__name__)

_Term = TypeVar("_Term", bound=Term)

LATE_TERMS_SECONDS = 3_600
"""How long after a key lost its role a term that it signed before may be seen first, in market time: attesters look
again within minutes, and evidence allows as much (docs/evidence.md section 3)."""

RoleEnded = Callable[[str, ChainRole, str | None], int | None]
"""Market time at which a key lost a role, None where it has it."""


class SignedTerms:
    """Tells signed terms from others; each is checked once, and each holder of a role is asked for once."""

    def __init__(self, held_role: HoldsRole) -> None:
        self._ask = held_role
        self._held: set[tuple[str, ChainRole, str | None]] = set()
        self._signed: set[tuple[bytes, Term]] = set()
        self._refused: set[Term] = set()

    def objection(self, term: Term, domain: Domain) -> str | None:
        """Why a term does not bind whom it names, None where it does; domain: the Settlement contract.

        Raises what the node raises.
        """
        if (domain.separator, term) in self._signed:
            return None
        try:
            TermSigning(domain, self._holds).check(term)
        except (TermNotSigned, BadSignature) as error:
            return str(error)
        self._signed.add((domain.separator, term))
        return None

    def objections(self, terms: Iterable[Term], domain: Domain) -> Iterator[str]:
        """Why terms do not bind whom they name, one sentence each."""
        return (reason for term in terms if (reason := self.objection(term, domain)) is not None)

    def only(self, terms: Iterable[_Term], domain: Domain) -> tuple[_Term, ...]:
        """Those of the terms that are signed; of each other one it is said once that it counts for nothing."""
        found = []
        for term in terms:
            reason = self.objection(term, domain)
            if reason is None:
                found.append(term)
            elif term not in self._refused:
                self._refused.add(term)
                _log.warning("not taken over: %s", reason)
        return tuple(found)

    def of_area(self, area: MeteringArea) -> MeteringArea:
        """The area with the meters and connections that are signed: one that is not sets aside no other."""
        domain = area.settlement_domain
        meters, parties = self.only(area.meters, domain), self.only(area.parties, domain)
        return replace(area, meters=meters, parties=parties, ends=self.only(area.ends, domain))

    def _holds(self, account: str, role: ChainRole, area: str | None) -> bool:
        place = (account, role, area)
        if place not in self._held and self._ask(account, role, area):
            self._held.add(place)
        return place in self._held


def signed_in_office(term: Term, domain: Domain, *, ended: RoleEnded, now: int) -> bool:
    """Whether a signed term that is seen first at market time `now` may still count: the role of each key under it had
    not ended long before. Of one that has, it is said."""
    for part in parts_of(term):
        if part.role is None:
            continue
        key = to_hex(recover(part.digest(domain), part.signature))
        ended_at = ended(key, part.role, part.area)
        if ended_at is not None and now > ended_at + LATE_TERMS_SECONDS:
            _log.warning("not taken over: %s is signed by %s, whose role ended at %s", name_of(term), key, ended_at)
            return False
    return True
