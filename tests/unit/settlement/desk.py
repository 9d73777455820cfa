"""One attester before its service and its node: what a test lets them say, and what it then signs or refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from domain.facts import ProgramSigned, ProgramValidated, ReadingAttested
from domain.hashing import from_hex, text_id, to_hex
from domain.metering_area import MeteringArea
from domain.parties import Replacement
from domain.roles import ChainRole
from ledger_service.settlement.gather import proposal_package
from ledger_service.settlement.stage import SettlementStage
from ledger_service.stage import run_until_quiet
from oracle.attester.chain import MarketRules, PeriodOnChain, RecordedProgram
from oracle.attester.service import ServiceAway, SettlementRef
from oracle.attester.settlement import SettlementSigner
from oracle.attester.store import Store
from settling.package import Package, RegisteredTerms
from settling.settlement import commit, settle
from settling.unpacking import inputs_of, roots_of
from tests.journal import content_of

Shown = dict[str, Any]
"""A package or terms in their JSON form, to be altered by an operator who may show what it likes."""


@dataclass
class FakeChain:
    """The chain as the scene plays it."""

    scene: Any
    tools: Any
    now: int = 0
    words_hashes: tuple[bytes, ...] = ()
    replacements: tuple[Replacement, ...] = ()
    roles_ended: dict[ChainRole, int] = field(default_factory=dict)

    def market_time(self) -> int:
        return self.now

    def period(self, *, area: str, period: int, markets: Any) -> PeriodOnChain:
        entries = self.scene.record.entries(kinds=[ProgramValidated, ProgramSigned])
        validated, signed = (content_of(entry) for entry in entries)
        recorded = RecordedProgram(
            results_root=from_hex(validated["results_root"]),
            traded_mask=int(validated["traded_mask"], 16),
            emptied_mask=int(validated["emptied_mask"], 16),
            grid_model_hash=from_hex(validated["grid_model_hash"]),
            report_hash=from_hex(validated["report_hash"]),
            dso=from_hex(signed["dso"]),
        )
        rules = MarketRules(text_id(self.tools.AREA), self.tools.LOT_WH)
        return PeriodOnChain(
            first_mtu=self.tools.FIRST,
            count=self.tools.COUNT,
            clearing_root=self.scene.clearing_root,
            pending=0,
            readings_root=self.scene.readings_root,
            markets=dict.fromkeys(markets, rules),
            programs={(self.tools.MARKET, self.tools.SESSION): recorded},
            words_hashes=self.words_hashes,
            replacements=self.replacements,
        )

    def held_role(self, address: str, role: ChainRole, area: str | None) -> bool:
        return bool(self.tools.held_role(address, role, area))

    def role_ended(self, address: str, role: ChainRole, area: str | None) -> int | None:
        return self.roles_ended.get(role)


@dataclass
class FakeService:
    """The service of an operator who may show what it likes."""

    scene: Any
    tools: Any
    terms_shown: Shown
    package: Shown | None = None
    signed: list[str] = field(default_factory=list)
    away: bool = False

    def terms(self, area: str) -> RegisteredTerms:
        if self.away:
            raise ServiceAway(reason="stopped by the test")
        return RegisteredTerms.read(json.dumps(self.terms_shown).encode())

    def pending_settlements(self, area: str) -> list[SettlementRef]:
        return [] if self.package is None else [SettlementRef(area, self.tools.PERIOD, self.package["revision"])]

    def settlement_package(self, settlement: SettlementRef) -> Package:
        assert self.package is not None
        return typed(self.package)

    def submit_settlement_signature(self, settlement: SettlementRef, signature: bytes) -> None:
        self.signed.append(to_hex(signature))


@dataclass
class Desk:
    """One attester between a service that may lie and a chain that does not."""

    scene: Any
    tools: Any
    service: FakeService
    chain: FakeChain
    folder: Path

    def __post_init__(self) -> None:
        self.start("store.sqlite")

    def start(self, store: str) -> None:
        """An attester process over a store of this name."""
        self.store = Store(self.folder / store)
        self.signer = SettlementSigner(
            key=self.tools.key("attester1"),
            store_path=self.folder / store,
            service=self.service,
            chain=self.chain,
            market_domain=self.tools.MARKET_DOMAIN,
            settlement_domain=self.tools.SETTLEMENT_DOMAIN,
            wall=count(step=100).__next__,
            terms_s=5.0,
        )

    def look(self, now: int) -> None:
        """The attester asks the service at a market time, with nothing to sign."""
        self.chain.now = now
        self.service.package = None
        self.signer(self.metering)

    def ask(self, package: Shown) -> str | None:
        """Lay a package before the attester: why it refuses, None where it signs."""
        self.chain.now = max(self.chain.now, self.tools.ENDED)
        self.service.package = package
        before = len(self.service.signed)
        self.signer(self.metering)
        reason = self.signer.refused.get(SettlementRef(self.tools.AREA, self.tools.PERIOD, package["revision"]))
        assert (reason is None) == (len(self.service.signed) == before + 1)
        return reason

    def propose(self) -> Shown:
        """The package of the honest service's newest proposal."""
        run_until_quiet([SettlementStage(self.scene.record)], self.tools.ENDED)
        with self.scene.record.read() as connection:
            found = proposal_package(connection, area=self.tools.AREA, period=self.tools.PERIOD)
        shown: Shown = json.loads(found.write())
        return shown

    def settle(self, package: Shown) -> None:
        """The proposal takes effect on chain."""
        self.scene.settled(typed(package).proposal)
        run_until_quiet([SettlementStage(self.scene.record)], self.tools.ENDED)
        self.chain.words_hashes += (from_hex(package["proposal"]["words_hash"]),)

    def attested(self) -> None:
        """The attester knows what is attested."""
        for entry in self.scene.record.entries(kinds=[ReadingAttested]):
            with self.store.commit():
                self.store.add_attestations(entry.as_a(ReadingAttested).attestations)

    @property
    def metering(self) -> MeteringArea:
        return MeteringArea(
            code=self.tools.AREA,
            zone="Europe/Berlin",
            attesters=(),
            threshold=2,
            attest_seconds=3_600,
            horizon_seconds=86_400,
            chain_id=31_337,
            readings_contract=b"\x22" * 20,
            settlement_contract=b"\x33" * 20,
            meters=(),
            parties=(),
            periods=(),
        )


def typed(package: Shown) -> Package:
    """As attesters read it."""
    return Package.read(json.dumps(package).encode())


def reseal(package: Shown) -> Shown:
    """The proposal that an altered package gives: what an operator would propose with it."""
    basis = typed(package)
    settled = settle(inputs_of(basis))
    salts = dict.fromkeys(settled.statements, bytes(32))
    made = commit(settled, period=package["period"], revision=package["revision"], salts=salts)
    package["proposal"] |= {
        "revision": package["revision"],
        "words": [f"0x{word:064x}" for word in settled.words],
        "words_hash": to_hex(made.words_hash),
        "statements_root": to_hex(made.statements_root),
        "tariff_hash": to_hex(made.tariff_hash),
        "clearing_root": to_hex(roots_of(basis).clearing_root),
        "readings_root": to_hex(roots_of(basis).readings_root),
        "statements": [
            {"account": to_hex(account), "salt": "0x" + "00" * 32, "statement_hash": to_hex(hashed)}
            for account, hashed in made.statement_hashes.items()
        ],
    }
    return json.loads(json.dumps(package))


LATE: dict[str, Callable[[Shown, Any], None]] = {
    "tariffs": lambda shown, tools: shown["tariffs"].append(tools.priced(version=2, valid_from_mtu=1002)),
    "agreements": lambda shown, tools: shown["agreements"].append(
        tools.agreed("house1", "agreement1", version=2, valid_from_mtu=1002)
    ),
    "meters": lambda shown, tools: shown["meters"].append(
        tools.signed_meter({**shown["meters"][0], "valid_from_mtu": 1002})
    ),
}
"""The next version of a term."""
