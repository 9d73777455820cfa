"""Co-signing settlements: recompute the package, compare with the chain and one's own store, and only then sign."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from domain.eip712 import Domain
from domain.errors import DominoesError
from domain.hashing import from_hex, text_id, to_hex
from domain.signing import SigningKey
from ledger_service.metering.registry import Registry
from ledger_service.settlement.package import Package, roots_of, verify_package
from oracle.attester.service import ServiceAway, ServiceClient
from oracle.attester.store import Store

_log = logging.getLogger(__name__)


class SettlementRefused(DominoesError):
    """A proposed settlement is not what the chain and this attester's store give."""

    code = "settlement-refused"

    def __init__(self, *, period: int, revision: int, reason: str) -> None:
        self.period, self.revision, self.reason = period, revision, reason
        super().__init__(
            f"settlement {revision} of period {period} is not signed: {reason}; compare the package with the chain"
        )


class ChainReader(Protocol):
    """The running roots as the chain holds them, read from a node of the attester's own choice."""

    def clearing_root(self, *, area_id: bytes, period: int) -> bytes:
        """Running root over clearings and voids."""
        ...

    def readings_root(self, *, area_id: bytes, period: int) -> bytes:
        """Running root over attestations and marks Unread."""
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
        market_now: Callable[[], int] = lambda: 0,
    ) -> None:
        self._key = key
        self._path = store_path
        self._service = service
        self._chain = chain
        self._market = market_domain
        self._now = market_now
        self._store: Store | None = None
        self.refused: dict[tuple[int, int], str] = {}

    def __call__(self, registry: Registry) -> int:
        """Check and sign what waits; returns how many settlements were signed. Raises ServiceAway."""
        if self._store is None:
            self._store = Store(self._path)  # its own connection: this runs beside intake
        signed = 0
        for period, revision in self._service.pending_settlements(registry.area):
            try:
                signed += self._one(self._store, registry, period, revision)
            except ServiceAway:
                raise
            except (DominoesError, KeyError, ValueError, TypeError) as error:
                self._refuse(self._store, period, revision, str(error))
        return signed

    def _refuse(self, store: Store, period: int, revision: int, reason: str) -> None:
        if self.refused.get((period, revision)) == reason:
            return
        self.refused[period, revision] = reason
        _log.warning("settlement %s of period %s is not signed: %s", revision, period, reason)
        with store.commit():
            store.add_refusals([(self._now(), None, SettlementRefused.code, f"{period}/{revision}: {reason}"[:300])])

    def _one(self, store: Store, registry: Registry, period: int, revision: int) -> int:
        package = self._service.settlement_package(registry.area, period, revision)
        digest = verify_package(package, market=self._market, settlement=registry.settlement_domain)
        self._check_identity(package, registry, period, revision)
        self._check_chain(package, registry, period, revision)
        self._check_store(package, store, period, revision)
        key = f"{period}:{revision}"
        if digest in store.signed(kind="settlement", key=key):
            known = True
        else:
            known = False
            with store.commit():
                store.note_signed(kind="settlement", key=key, digest=digest, at=self._now())
        signature = to_hex(self._key.sign(digest))
        self._service.submit_settlement_signature(registry.area, period, revision, {"signature": signature})
        self.refused.pop((period, revision), None)
        return 0 if known else 1

    def _check_identity(self, package: Package, registry: Registry, period: int, revision: int) -> None:
        if (package["area"], package["period"], package["revision"]) != (registry.area, period, revision):
            raise SettlementRefused(period=period, revision=revision, reason="the package is about another settlement")
        declared = next((item for item in registry.periods if item.number == period), None)
        if declared is not None and (package["first_mtu"], package["count"]) != (declared.first_mtu, declared.count):
            raise SettlementRefused(period=period, revision=revision, reason="the period has other MTUs")

        own = {(item.meter_code, item.point_code, item.valid_from_mtu) for item in registry.meters}
        told = {(item["meter"], item["point"], item["valid_from_mtu"]) for item in package["meters"]}
        if not told <= own:
            raise SettlementRefused(period=period, revision=revision, reason="it places meters at other points")

    def _check_chain(self, package: Package, registry: Registry, period: int, revision: int) -> None:
        roots = roots_of(package)
        on_chain = (
            self._chain.clearing_root(area_id=text_id(registry.area), period=period),
            self._chain.readings_root(area_id=text_id(registry.area), period=period),
        )
        if (roots.clearing_root, roots.readings_root) != on_chain:
            raise SettlementRefused(period=period, revision=revision, reason="its running roots are not the chain's")

    def _check_store(self, package: Package, store: Store, period: int, revision: int) -> None:
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
                reason = f"the readings of MTU {item['mtu']} are not those attested here"
                raise SettlementRefused(period=period, revision=revision, reason=reason)
