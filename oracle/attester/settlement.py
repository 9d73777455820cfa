"""Co-signing settlements: recompute the package, compare it with the chain and what one saw, and only then sign."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from contracts.rpc import NodeAnswerInvalid, NodeUnavailable
from domain.eip712 import Domain
from domain.errors import DominoesError
from domain.hashing import from_hex, text_id, to_hex
from domain.meters import Registry
from domain.signing import SigningKey
from domain.words import words_hash
from oracle.attester.chain import MarketRules, PeriodOnChain, RecordedProgram
from oracle.attester.service import ServiceAway, ServiceClient
from oracle.attester.settings import REGISTRY_S
from oracle.attester.store import Store
from oracle.attester.witness import Witness, terms_objections
from settling.package import Package, roots_of, verify_package

_log = logging.getLogger(__name__)


class SettlementRefused(DominoesError):
    """A proposed settlement is not what the chain and this attester's store give."""

    code = "settlement-refused"

    def __init__(self, *, period: int, revision: int, reason: str) -> None:
        self.period, self.revision, self.reason = period, revision, reason
        super().__init__(
            f"settlement {revision} of period {period} is not signed: {reason}; "
            "compare the package with the chain and with this attester's store"
        )


class ChainReader(Protocol):
    """The chain as a node of the attester's own choice shows it."""

    def market_time(self) -> int:
        """Market time of the newest block, unix seconds."""
        ...

    def period(self, *, area: str, period: int, markets: Sequence[str]) -> PeriodOnChain:
        """A period of an area and what these markets did in it."""
        ...


class SettlementSigner:
    """Signs what it has recomputed; every refusal is logged and kept in the store with its reason."""

    def __init__(
        self,
        *,
        key: SigningKey,
        store_path: Path,
        service: ServiceClient,
        chain: ChainReader,
        market_domain: Domain,
        settlement_domain: Domain,
        terms_s: float = REGISTRY_S,
        wall: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = key
        self._path = store_path
        self._service = service
        self._chain = chain
        self._market, self._settlement = market_domain, settlement_domain
        self._terms_s, self._wall, self._look_at = terms_s, wall, 0.0
        self._held: tuple[Store, Witness] | None = None
        self.refused: dict[tuple[int, int], str] = {}

    def __call__(self, registry: Registry) -> int:
        """Witness terms, then check and sign what waits; returns how many settlements were signed.

        Raises ServiceAway, or what the node raises: nothing is witnessed or signed then.
        """
        if self._held is None:
            store = Store(self._path)  # its own connection: this runs beside intake
            self._held = store, Witness(store)
        store, witness = self._held
        pending = self._service.pending_settlements(registry.area)
        if pending or self._wall() >= self._look_at:
            self._look(witness, registry.area)
        signed = 0
        for period, revision in pending:
            try:
                signed += self._one(store, witness, registry, period, revision)
            except (ServiceAway, NodeUnavailable, NodeAnswerInvalid):
                raise
            except (DominoesError, KeyError, ValueError, TypeError) as error:
                reason = error.reason if isinstance(error, SettlementRefused) else str(error)
                self._refuse(store, period, revision, reason)
        return signed

    def _look(self, witness: Witness, area: str) -> None:
        """See the terms as the service shows them now; the time is read after them, so that it is never too early."""
        terms = self._service.terms(area)
        fresh = witness.take(terms, seen_at=self._chain.market_time())
        if fresh:
            _log.info("%s terms of %s witnessed", fresh, area)
        self._look_at = self._wall() + self._terms_s

    def _refuse(self, store: Store, period: int, revision: int, reason: str) -> None:
        if self.refused.get((period, revision)) == reason:
            return
        self.refused[period, revision] = reason
        _log.warning("settlement %s of period %s is not signed: %s", revision, period, reason)
        kept = (self._chain.market_time(), None, SettlementRefused.code, f"{period}/{revision}: {reason}"[:300])
        with store.commit():
            store.add_refusals([kept])

    def _one(self, store: Store, witness: Witness, registry: Registry, period: int, revision: int) -> int:
        package = self._service.settlement_package(registry.area, period, revision)
        if (package["area"], package["period"], package["revision"]) != (registry.area, period, revision):
            raise SettlementRefused(period=period, revision=revision, reason="the package is about another settlement")
        digest = verify_package(package, market=self._market, settlement=self._settlement)
        on_chain = self._chain.period(area=registry.area, period=period, markets=_markets_of(package))
        if len(on_chain.words_hashes) > revision:
            return 0  # in effect already: others signed while this attester looked
        objections = chain(
            chain_objections(package, on_chain),
            terms_objections(package, witness.sightings),
            readings_objections(package, store),
        )
        for reason in objections:
            raise SettlementRefused(period=period, revision=revision, reason=reason)
        return self._sign(store, registry, period, revision, digest)

    def _sign(self, store: Store, registry: Registry, period: int, revision: int, digest: bytes) -> int:
        """Sign and hand over; 1 where this digest was not signed before."""
        key = f"{period}:{revision}"
        known = digest in store.signed(kind="settlement", key=key)
        if not known:
            at = self._chain.market_time()
            with store.commit():
                store.note_signed(kind="settlement", key=key, digest=digest, at=at)
        signature = to_hex(self._key.sign(digest))
        self._service.submit_settlement_signature(registry.area, period, revision, {"signature": signature})
        self.refused.pop((period, revision), None)
        return 0 if known else 1


def _markets_of(package: Package) -> list[str]:
    """The markets a package is about: the running root binds those of its clearings, whatever it says of markets."""
    return sorted({item["market"] for name in ("clearings", "markets") for item in package[name]})


def chain_objections(package: Package, on_chain: PeriodOnChain) -> Iterator[str]:
    """Why the chain does not bear a package out, one sentence each; none where it does."""
    if (package["first_mtu"], package["count"]) != (on_chain.first_mtu, on_chain.count):
        yield "the period has other MTUs on chain"
    roots = roots_of(package)
    if (roots.clearing_root, roots.readings_root) != (on_chain.clearing_root, on_chain.readings_root):
        yield "its running roots are not the chain's"
    earlier = tuple(words_hash([int(word, 16) for word in item["words"]]) for item in package["earlier"])
    if earlier != on_chain.words_hashes:
        yield "the words of its earlier revisions are not those that took effect on chain"
    if [item["market"] for item in package["markets"]] != _markets_of(package):
        yield "it has not the rules of each of its markets once"
    for item in package["markets"]:
        if on_chain.markets[item["market"]] != MarketRules(text_id(package["area"]), item["lot_wh"]):
            yield f"market {item['market']} has another lot or area on chain"
    shown = {(item["market"], item["program"]): _recorded_of(item) for item in package["programs"]}
    if len(shown) != len(package["programs"]):
        yield "it names a program twice"
    for market, program in sorted(shown.keys() | on_chain.programs.keys()):
        name = f"program {program} of {market}"
        if (market, program) not in shown:
            yield f"{name} is recorded on chain and is left out"
        elif on_chain.programs.get((market, program)) != shown[market, program]:
            yield f"{name} is not the one recorded on chain"


def _recorded_of(program: Mapping[str, Any]) -> RecordedProgram:
    return RecordedProgram(
        results_root=from_hex(program["results_root"]),
        grid_model_hash=from_hex(program["grid_model_hash"]),
        report_hash=from_hex(program["report_hash"]),
        dso=from_hex(program["dso"]),
    )


def readings_objections(package: Package, store: Store) -> Iterator[str]:
    """Readings must be those this attester knows as attested: the package alone could leave some out."""
    first, last = package["first_mtu"], package["first_mtu"] + package["count"] - 1
    own: dict[int, dict[str, Any]] = {item["mtu"]: item for item in store.attested(first_mtu=first, last_mtu=last)}
    for item in package["attestations"]:
        if item["readings"] is None:
            continue
        known = own.get(item["mtu"])
        if known is not None and known["revision"] < item["revision"]:
            continue  # a later correction this attester has not heard of yet carries m signatures on chain
        if known is None or from_hex(known["root"]) != from_hex(item["root"]):
            yield f"the readings of MTU {item['mtu']} are not those attested here"
