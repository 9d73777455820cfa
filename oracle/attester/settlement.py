"""Co-signing settlements: recompute the package, compare it with the chain and what one saw, and only then sign."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Protocol, TypeVar

from contracts.rpc import NodeAnswerInvalid, NodeUnavailable
from domain.eip712 import Domain
from domain.errors import DominoesError
from domain.metering_area import MeteringArea
from domain.parties import Meter, Participant
from domain.roles import ChainRole
from domain.signing import SigningKey
from domain.terms import Tariff, TermEnd
from oracle.attester.chain import PeriodOnChain
from oracle.attester.service import ServiceAway, SettlementRef, SettlementService
from oracle.attester.settlement_checks import chain_objections, markets_of, readings_objections
from oracle.attester.signed import SignedTerms, signed_in_office
from oracle.attester.store import Store
from oracle.attester.witness import Witness, terms_objections
from settling.package import RegisteredTerms
from settling.verification import verify_package

_log = logging.getLogger(__name__)


_Term = TypeVar("_Term", Participant, Meter, Tariff, TermEnd)


class SettlementRefused(DominoesError):
    """A proposed settlement is not what the chain and this attester's store give."""

    code = "settlement-refused"

    def __init__(self, *, settlement: SettlementRef, reason: str) -> None:
        self.settlement, self.reason = settlement, reason
        super().__init__(
            f"{settlement} is not signed: {reason}; compare the package with the chain and with this attester's store"
        )


class ChainReader(Protocol):
    """The chain as a node of the attester's own choice shows it."""

    def market_time(self) -> int:
        """Market time of the newest block, unix seconds."""
        ...

    def period(self, *, area: str, period: int, markets: Sequence[str]) -> PeriodOnChain:
        """A period of an area and what these markets did in it."""
        ...

    def held_role(self, address: str, role: ChainRole, area: str | None) -> bool:
        """Whether a key ever held a role for an area."""
        ...

    def role_ended(self, address: str, role: ChainRole, area: str | None) -> int | None:
        """Market time at which a key lost a role for an area, None where it has it."""
        ...


class SettlementSigner:
    """Signs what it has recomputed; every refusal is logged and kept in the store with its reason."""

    def __init__(
        self,
        *,
        key: SigningKey,
        store_path: Path,
        service: SettlementService,
        chain: ChainReader,
        market_domain: Domain,
        settlement_domain: Domain,
        terms_s: float,
        wall: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = key
        self._path = store_path
        self._service = service
        self._chain = chain
        self._market, self._settlement = market_domain, settlement_domain
        self._terms = SignedTerms(chain.held_role)
        self._terms_s, self._wall, self._look_at = terms_s, wall, 0.0
        self._held: tuple[Store, Witness] | None = None
        self.refused: dict[SettlementRef, str] = {}

    def __call__(self, area: MeteringArea) -> int:
        """Witness terms, then check and sign what waits; returns how many settlements were signed.

        Raises ServiceAway, or what the node raises: nothing is witnessed or signed then.
        """
        if self._held is None:
            store = Store(self._path)  # its own connection: this runs beside intake
            self._held = store, Witness(store)
        store, witness = self._held
        pending = self._service.pending_settlements(area.code)
        if pending or self._wall() >= self._look_at:
            self._look(witness, area.code)
        signed = 0
        for settlement in pending:
            try:
                signed += self._one(store, witness, settlement)
            except (ServiceAway, NodeUnavailable, NodeAnswerInvalid):
                raise
            except (DominoesError, ValueError) as error:
                self._refuse(store, settlement, error.reason if isinstance(error, SettlementRefused) else str(error))
        return signed

    def _look(self, witness: Witness, area: str) -> None:
        """See the terms as the service shows them now, those that are signed by whom they bind.

        The time is read after them, so that it is never too early.
        """
        terms = self._signed(self._service.terms(area), witness)
        fresh = witness.take(terms, seen_at=self._chain.market_time())
        if fresh:
            _log.info("%s terms of %s witnessed", fresh, area)
        self._look_at = self._wall() + self._terms_s

    def _signed(self, terms: RegisteredTerms, witness: Witness) -> RegisteredTerms:
        """What nobody signed is never seen here, nor what comes up after the role of a key under it has ended.

        At its very first look an attester can't tell what was there before: then it takes what such keys signed.
        """
        return replace(
            terms,
            parties=self._countable(terms.parties, witness),
            meters=self._countable(terms.meters, witness),
            tariffs=self._countable(terms.tariffs, witness),
            ends=self._countable(terms.ends, witness),
        )

    def _countable(self, terms: tuple[_Term, ...], witness: Witness) -> tuple[_Term, ...]:
        signed = self._terms.only(terms, self._settlement)
        if not witness.sightings:
            return signed
        now, ended = self._chain.market_time(), self._chain.role_ended
        return tuple(
            term
            for term in signed
            if witness.knows(term) or signed_in_office(term, self._settlement, ended=ended, now=now)
        )

    def _refuse(self, store: Store, settlement: SettlementRef, reason: str) -> None:
        if self.refused.get(settlement) == reason:
            return
        self.refused[settlement] = reason
        _log.warning("%s is not signed: %s", settlement, reason)
        detail = f"{settlement.period}/{settlement.revision}: {reason}"[:300]
        kept = (self._chain.market_time(), None, SettlementRefused.code, detail)
        with store.commit():
            store.add_refusals([kept])

    def _one(self, store: Store, witness: Witness, settlement: SettlementRef) -> int:
        package = self._service.settlement_package(settlement)
        if SettlementRef(package.area, package.period, package.revision) != settlement:
            raise SettlementRefused(settlement=settlement, reason="the package is about another settlement")
        digest = verify_package(
            package, market=self._market, settlement=self._settlement, holds_role=self._chain.held_role
        )
        on_chain = self._chain.period(area=settlement.area, period=settlement.period, markets=markets_of(package))
        if len(on_chain.words_hashes) > settlement.revision:
            return 0  # in effect already: others signed while this attester looked
        attested = store.last_roots(first_mtu=on_chain.first_mtu, count=on_chain.count)
        objections = chain(
            chain_objections(package, on_chain),
            self._terms.objections((*package.parties, *package.meters), self._settlement),
            terms_objections(package, witness.sightings),
            readings_objections(package, attested),
        )
        for reason in objections:
            raise SettlementRefused(settlement=settlement, reason=reason)
        return self._sign(store, settlement, digest)

    def _sign(self, store: Store, settlement: SettlementRef, digest: bytes) -> int:
        """Sign and hand over; 1 where this digest was not signed before."""
        key = f"{settlement.period}:{settlement.revision}"
        known = digest in store.signed(kind="settlement", key=key)
        if not known:
            at = self._chain.market_time()
            with store.commit():
                store.note_signed(kind="settlement", key=key, digest=digest, at=at)
        self._service.submit_settlement_signature(settlement, self._key.sign(digest))
        self.refused.pop(settlement, None)
        return 0 if known else 1
