"""A day on a real chain for tests: a record, a node, the stages between them, and attesters who sign."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import select

from contracts.bindings import Accounts, Readings, Settlement
from contracts.bindings.readings import Attestation as AttestationStruct
from contracts.deploy import Deployment, DeploymentConfig, RoleGrant
from domain.areas import Attester
from domain.facts import (
    MeterRegistered,
    SettlementProposed,
    Subject,
)
from domain.hashing import from_hex, keccak, text_id, to_hex
from domain.parties import Meter, Participant, ParticipantKind
from domain.readings import Attestation, Quality, Reading, in_leaf_order
from domain.roles import ChainRole
from domain.signed_terms import TermSigning
from domain.signing import SigningKey
from ledger_service.chain.anvil import NodeSettings
from ledger_service.chain.embedded import EmbeddedNode
from ledger_service.chain.gateway import Gateway
from ledger_service.chain.setup import deploy_embedded
from ledger_service.evidence.stage import AnchorStage
from ledger_service.market import CalendarStage
from ledger_service.metering.stage import MeteringStage
from ledger_service.money.stage import MoneyStage
from ledger_service.money.tables import money_account
from ledger_service.money.views import BANK
from ledger_service.outbox import request
from ledger_service.programs import EndStage, PositionStage
from ledger_service.record import Record
from ledger_service.registry import operations as registry
from ledger_service.settlement.gather import proposal_package
from ledger_service.settlement.operations import sign_settlement
from ledger_service.settlement.queries import latest_proposal, period_state
from ledger_service.settlement.stage import SettlementStage
from ledger_service.stage import run_until_quiet
from ledger_service.trading import GateStage
from settling.postings import POOL
from settling.verification import verify_package
from tests.integration.ledger import town
from tests.journal import append_fact
from tests.terms import Makers, signed_agreement

DAY = date(2016, 6, 16)
ROLES = ("operator", "treasurer", "registrar", "security_admin")
EUR = 1_000_000_000


def key(name: str) -> SigningKey:
    return SigningKey(keccak(name.encode()))


MAKERS = Makers(retailer=key("retailer account"), dso=key("dso"), registrar=key("registrar"))
"""Who makes the tariff."""


@dataclass
class World:
    """A record, a node, and the stages between them."""

    record: Record
    node: EmbeddedNode
    deployment: Deployment
    gateway: Gateway
    now: int

    def __post_init__(self) -> None:
        self.stages = [
            CalendarStage(self.record, first_day=DAY, last_day=DAY),
            GateStage(self.record),
            PositionStage(self.record),
            EndStage(self.record),
            MeteringStage(self.record),
            SettlementStage(self.record),
            MoneyStage(self.record, market_time=int),
            AnchorStage(self.record),
        ]

    def run_to(self, now: int) -> None:
        """Everything due by a market time, block after block."""
        self.now = max(self.now, now)
        while True:
            run_until_quiet(self.stages, self.now)
            self.gateway.take()
            if not self.gateway.pending():
                return
            self.now = max(self.now, self.node.head().timestamp + 1)
            self.gateway.flush(node=self.node, timestamp=self.now)

    def rest(self) -> None:
        self.run_to(self.now)

    @property
    def settlement(self) -> Settlement:
        return Settlement(rpc=self.node.rpc, address=self.deployment.addresses["Settlement"])

    @property
    def chain(self) -> Accounts:
        return Accounts(rpc=self.node.rpc, address=self.deployment.addresses["Accounts"])

    @property
    def term_signing(self) -> TermSigning:
        """How the service checks the signatures of terms."""
        return TermSigning(self.deployment.domain("Settlement"), held_role)

    def differences(self) -> list[Any]:
        """Accounts whose balance here is not the chain's: (account, here, on chain)."""
        with self.record.read() as connection:
            rows = connection.execute(select(money_account)).all()
        held = [(row.account, int(row.balance_neur)) for row in rows if row.account not in (BANK, POOL)]
        found = [(account, here, self.chain.balance_of(account=account)) for account, here in held]
        return [item for item in found if item[1] != item[2]]

    def proposal(self) -> SettlementProposed:
        with self.record.read() as connection:
            return latest_proposal(connection, area=town.AREA, period=1)

    def sign(self) -> None:
        """Two attesters check the package and sign, and the chain settles."""
        self.collect_signatures()
        self.rest()

    def collect_signatures(self) -> None:
        """Two attesters check the package and sign."""
        with self.record.read() as connection:
            package = proposal_package(connection, area=town.AREA, period=1)
        domain = self.deployment.domain("Settlement")
        market = self.deployment.domain("Market")
        digest = verify_package(package, market=market, settlement=domain, holds_role=held_role)
        assert digest == package.proposal.digest(domain)
        for n in (0, 1):
            sign_settlement(
                self.record,
                area=town.AREA,
                period=1,
                revision=package.revision,
                signature=key(f"attester{n}").sign(digest),
                domain=domain,
            )

    def attest(self, mtu: int, revision: int, import_wh: int) -> None:
        """A late attestation by two attesters, as metering records it."""
        struct, signatures = self.record_attestation(mtu, revision, import_wh)
        with self.record.begin() as tx:
            call = Readings.attest_many(period=1, attestations=[struct], signatures=[signatures])
            request(tx, call, key=f"attestMany:{mtu}:{revision}", role=ChainRole.OPERATOR, about=Subject())
        self.rest()

    def record_attestation(self, mtu: int, revision: int, import_wh: int) -> tuple[AttestationStruct, list[bytes]]:
        """What two attesters hand in, recorded and not asked of the chain yet."""
        reading = Reading("METER-1", mtu, import_wh, 0, import_wh, 0, 0, Quality.SUBSTITUTE, keccak(b"nonce"))
        made = Attestation.of(area=text_id(town.AREA), mtu=mtu, revision=revision, readings=in_leaf_order([reading]))
        digest = made.digest(self.deployment.domain("Readings"))
        signers = sorted((key(f"attester{n}") for n in (0, 1)), key=lambda signer: signer.address)
        signatures = [to_hex(signer.sign(digest)) for signer in signers]
        fact = {"mtu": mtu, "revision": revision, "root": to_hex(made.root), "count": 1, "import_wh": import_wh}
        fact |= {"export_wh": 0, "signatures": signatures, "readings": [reading.as_json()]}
        struct = AttestationStruct(
            area=made.area, mtu=mtu, revision=revision, root=made.root, count=1, import_wh=import_wh, export_wh=0
        )
        with self.record.begin() as tx:
            append_fact(tx, "reading.attested", {"area": town.AREA, "attestations": [fact]})
        return struct, list(map(from_hex, signatures))


def grants() -> tuple[RoleGrant, ...]:
    area = text_id(town.AREA)
    single = [RoleGrant(address=key(name).address, role=name, organisation=text_id(name)) for name in ROLES]
    second = key("second security admin").address
    single.append(RoleGrant(address=second, role="security_admin", organisation=text_id("second security admin")))
    dso = RoleGrant(address=key("dso").address, role="dso", organisation=text_id("dso"), area=area)
    attesters = [
        RoleGrant(
            address=key(f"attester{n}").address, role="attester", organisation=text_id(f"organisation{n}"), area=area
        )
        for n in range(3)
    ]
    return (*single, dso, *attesters)


def held_role(address: str, role: ChainRole, area: str | None) -> bool:
    """Whether a key has a role from the deployment on, or from the next one on."""
    following = {to_hex(key(f"next {name}").address): name for name in ROLES}
    return following.get(address) == role.value or any(
        to_hex(grant.address) == address and grant.role == role.value for grant in grants()
    )


@contextmanager
def started(tmp_path: Path, record_url: str) -> Iterator[World]:
    """A world with its contracts and its people."""
    record = Record.open(record_url)
    start = town.NOW - 600
    settings = NodeSettings(chain_id=31337, genesis_time=start)
    node = EmbeddedNode.start(folder=tmp_path / "chain", record=record, settings=settings)
    windows = {"challenge_seconds": 600, "delay_seconds": 300, "page_seconds": 200, "change_seconds": 3_600}
    config = DeploymentConfig(grants=grants(), origin=start, start=start, **windows)
    deployment = deploy_embedded(record=record, node=node, config=config, key=key("deployer"), timestamp=start + 1)
    signers = {name: key(name) for name in ROLES}
    gateway = Gateway.open(record=record, rpc=node.rpc, deployment=deployment, signers=signers)
    made = World(record=record, node=node, deployment=deployment, gateway=gateway, now=town.NOW)
    register(made)
    yield made
    node.kill()
    record.close()


def register(world: World) -> None:
    attesters = tuple(
        Attester(name=f"a{n}", address=to_hex(key(f"attester{n}").address), organisation=f"organisation{n}")
        for n in range(3)
    )
    house = key("house")
    with world.record.begin() as tx:
        town.define_area(tx, town.area(attesters=attesters))
        registry.define_market(tx, market=town.market())
        signing = world.term_signing
        tariff = MAKERS.tariff(domain=signing.domain)
        registry.publish_tariff(tx, signed=signing.check(tariff), now=town.BEFORE)
        for kind in (ParticipantKind.RETAILER, ParticipantKind.DSO, ParticipantKind.TAX):
            account = to_hex(key(f"{kind} account").address)
            signatures = (town.NOT_CHECKED, town.NOT_CHECKED)
            organisation = Participant(kind.value, kind, town.AREA, account, None, 0, 0, 0, *signatures)
            registry.register_participant(tx, participant=organisation, organisations=(), now=town.BEFORE)
        registry.register_participant(tx, participant=town.participant(1, house), organisations=(), now=town.BEFORE)
        agreement = signed_agreement(house, key("retailer account"), domain=signing.domain)
        registry.sign_agreement(tx, signed=signing.check(agreement), now=town.BEFORE)
        tx.append(MeterRegistered(Meter("METER-1", "POINT-1", b"\x11" * 32, town.AREA, 0, town.NOT_CHECKED)))
    world.rest()


def settle_day(world: World) -> Any:
    """A day in which nobody traded and nothing was read: settled with no amounts, then corrected by a late reading."""
    with world.record.read() as connection:
        state = period_state(connection, area=town.AREA, period=1)
    end = (state.first_mtu + state.count) * 900
    for now in range(world.now, end + 3_601 + 7_200, 7_200):
        world.run_to(now)
    world.sign()
    world.attest(state.first_mtu + 5, 1, 1_000)
    world.sign()
    return state
