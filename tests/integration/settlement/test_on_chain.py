"""A day settled, corrected and paid on a real chain: what the record says of money is what the contract holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from contracts.bindings import Accounts, Calendar, Guarantees, Market, Readings, Settlement, read_events
from contracts.bindings.market import Program
from contracts.bindings.readings import Attestation as AttestationStruct
from contracts.bindings.readings import ReadingsPassedOver
from contracts.deploy import Deployment, DeploymentConfig, RoleGrant
from domain.areas import Attester
from domain.eip712 import COVER, REDEMPTION
from domain.facts import (
    ChainFailed,
    ChainIncluded,
    MeterRegistered,
    MtuUnread,
    SessionOpened,
    SettlementProposed,
    Subject,
)
from domain.hashing import ZERO_HASH, from_hex, keccak, text_id, to_hex
from domain.mtu import mtu_end
from domain.parties import Meter, Participant, ParticipantKind
from domain.readings import Attestation, Quality, Reading, in_leaf_order
from domain.roles import ChainRole
from domain.signing import SigningKey
from domain.terms import Agreement
from domain.words import settlement_words_hash
from ledger_service.chain.anvil import NodeSettings
from ledger_service.chain.embedded import EmbeddedNode
from ledger_service.chain.gateway import Gateway
from ledger_service.chain.setup import deploy_embedded
from ledger_service.evidence.auditor import export_auditor
from ledger_service.evidence.public import export_public
from ledger_service.evidence.recorded import ChainInfo, last_anchor
from ledger_service.evidence.stage import AnchorStage
from ledger_service.market import CalendarStage
from ledger_service.market.calendar import declared_key
from ledger_service.market.queries import is_included
from ledger_service.metering.queries import metering_area_of
from ledger_service.metering.stage import MeteringStage
from ledger_service.money import operations, queries
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
from oracle.attester.chain import Contracts, MarketRules, NodeChain, RecordedProgram
from oracle.attester.settlement_checks import chain_objections
from settling.postings import POOL
from settling.verification import verify_package
from tests.integration.ledger import town
from tests.journal import append_fact, content_of

pytestmark = pytest.mark.integration

DAY = date(2016, 6, 16)
ROLES = ("operator", "treasurer", "registrar", "security_admin")
EUR = 1_000_000_000


def key(name: str) -> SigningKey:
    return SigningKey(keccak(name.encode()))


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
            MoneyStage(self.record),
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
        """Two attesters check the package and sign."""
        with self.record.read() as connection:
            package = proposal_package(connection, area=town.AREA, period=1)
        domain = self.deployment.domain("Settlement")
        digest = verify_package(package, market=self.deployment.domain("Market"), settlement=domain)
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
        self.rest()

    def attest(self, mtu: int, revision: int, import_wh: int) -> None:
        """A late attestation by two attesters, as metering records it."""
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
            call = Readings.attest_many(period=1, attestations=[struct], signatures=[list(map(from_hex, signatures))])
            request(tx, call, key=f"attestMany:{mtu}:{revision}", role=ChainRole.OPERATOR, about=Subject())
        self.rest()


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


@pytest.fixture
def world(tmp_path: Path, record_url: str) -> Iterator[World]:
    record = Record.open(record_url)
    start = town.NOW - 600
    settings = NodeSettings(chain_id=31337, genesis_time=start)
    node = EmbeddedNode.start(folder=tmp_path / "chain", record=record, settings=settings)
    windows = {"challenge_seconds": 600, "delay_seconds": 300, "page_seconds": 200}
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
        registry.publish_tariff(tx, tariff=town.tariff(), now=town.BEFORE)
        for kind in (ParticipantKind.RETAILER, ParticipantKind.DSO, ParticipantKind.TAX):
            organisation = Participant(kind.value, kind, town.AREA, to_hex(key(f"{kind} account").address), None, 0, 0)
            registry.register_participant(tx, participant=organisation, organisations=())
        registry.register_participant(tx, participant=town.participant(1, house), organisations=())
        retailer = to_hex(key("retailer account").address)
        agreement = Agreement("one", 1, to_hex(house.address), retailer, "home", 0)
        registry.sign_agreement(tx, agreement=agreement, now=town.BEFORE)
        tx.append(MeterRegistered(Meter("METER-1", "POINT-1", b"\x11" * 32, town.AREA, 0)))
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


def test_settle__unread_day_then_a_late_reading__chain_and_record_agree(world: World) -> None:
    settle_day(world)

    house = key("house").address
    due = -(1_000 * 390_000) * 119 // 100
    on_chain = world.settlement.settlement_of(area=text_id(town.AREA), period=1)
    assert on_chain.revisions == 2
    assert world.chain.balance_of(account=house) == due
    assert world.differences() == []
    with world.record.read() as connection:
        assert queries.balance_neur(connection, account=house) == due
        state = period_state(connection, area=town.AREA, period=1)
    assert state.settled == 2
    root = world.settlement.statements_root_of(area=text_id(town.AREA), period=1, revision=1)
    assert root == world.proposal().statements_root
    failed = [content_of(entry) for entry in world.record.entries(kinds=[ChainFailed])]
    assert failed == []


def test_mark_unread__some_marked_before_by_somebody_else__the_rest_is_marked_and_all_recorded_once(
    world: World,
) -> None:
    with world.record.read() as connection:
        first = period_state(connection, area=town.AREA, period=1).first_mtu
    overdue = mtu_end(first + 3) + 3_601
    for now in range(world.now, mtu_end(first), 7_200):
        world.run_to(now)
    with world.record.begin() as tx:
        call = Readings.mark_unread(area=text_id(town.AREA), period=1, first_mtu=first, count=2)
        request(tx, call, key="by somebody else", role=ChainRole.TREASURER, about=Subject())
    world.run_to(overdue)

    told = [content_of(entry)["mtu"] for entry in world.record.entries(kinds=[MtuUnread])]
    assert told == [first + at for at in range(4)]
    readings = Readings(rpc=world.node.rpc, address=world.deployment.addresses["Readings"])
    assert readings.resolved_count(area=text_id(town.AREA), period=1) == 4
    passed = [
        event.mtu
        for entry in world.record.entries(kinds=[ChainIncluded], limit=10_000)
        for event in read_events(entry.as_a(ChainIncluded).events, ReadingsPassedOver)
    ]
    assert passed == [first, first + 1]
    assert world.record.entries(kinds=[ChainFailed]) == []


def test_declare_period__somebody_else_after_its_end__is_followed_and_read(world: World) -> None:
    with world.record.read() as connection:
        state = period_state(connection, area=town.AREA, period=1)
    second = state.first_mtu + state.count
    ended = mtu_end(second + state.count - 1)
    for now in range(world.now, mtu_end(second), 7_200):
        world.run_to(now)
    with world.record.begin() as tx:
        call = Calendar.declare_period(area=text_id(town.AREA), first_mtu=second, count=state.count)
        request(tx, call, key="by somebody else", role=ChainRole.TREASURER, about=Subject())
    world.record.timed_by(lambda: world.now)
    world.stages[0] = CalendarStage(world.record, last_day=DAY + timedelta(days=1))
    world.run_to(ended)
    world.run_to(ended + 3_600)

    (failed,) = [entry.as_a(ChainFailed) for entry in world.record.entries(kinds=[ChainFailed])]
    assert failed.reason == f"CalendarPeriodNotContiguous(expectedFirstMtu={second + state.count})"
    with world.record.read() as connection:
        assert is_included(connection, declared_key(town.AREA, 2))
    readings = Readings(rpc=world.node.rpc, address=world.deployment.addresses["Readings"])
    before = readings.resolved_count(area=text_id(town.AREA), period=2)
    world.run_to(ended + 3_602)
    world.rest()
    after = readings.resolved_count(area=text_id(town.AREA), period=2)
    assert (before, after) == (0, state.count)


def node_chain(world: World) -> NodeChain:
    """What an attester reads the chain with."""
    names = {
        name.lower(): world.deployment.addresses[name]
        for name in ("Calendar", "Market", "Readings", "Roles", "Settlement")
    }
    return NodeChain(rpc=world.node.rpc, contracts=Contracts(**names))


def test_node_chain__area_as_the_service_tells_it__differs_nowhere_unless_it_lies(world: World) -> None:
    chain = node_chain(world)
    domains = {name: world.deployment.domain(name) for name in ("Readings", "Settlement")}
    with world.record.read() as connection:
        told = metering_area_of(
            connection, area=town.AREA, readings=domains["Readings"], settlement=domains["Settlement"]
        )
    first, *others = told.attesters
    stranger = replace(first, address=key("stranger").address)

    assert chain.area_objections(told) == []
    assert chain.area_objections(replace(told, attest_seconds=1)) == ["the area has other deadlines on chain"]
    assert chain.area_objections(replace(told, threshold=1)) == ["the chain asks for another number of attesters"]
    assert chain.area_objections(replace(told, attesters=(stranger, *others))) == [
        f"{first.name} is no attester of the area on chain"
    ]


def record_program(world: World) -> tuple[int, Program]:
    """The DSO signs the day's program, in which one MTU would trade: its session, and what is signed."""
    opened = content_of(next(iter(world.record.entries(kinds=[SessionOpened]))))
    session = opened["session"]
    world.run_to(session + 1)
    program = Program(
        results_root=keccak(b"results"),
        traded_mask=1,
        emptied_mask=2,
        grid_model_hash=keccak(b"grid"),
        report_hash=keccak(b"report"),
        deadline=session + 600,
    )
    market = Market(rpc=world.node.rpc, address=world.deployment.addresses["Market"])
    market_id = text_id(town.MARKET)
    signature = key("dso").sign(market.program_digest(market=market_id, session=session, program=program))
    call = Market.record_program(market=market_id, session=session, program=program, signature=signature)
    with world.record.begin() as tx:
        request(tx, call, key="recordProgram by anybody", role=ChainRole.TREASURER, about=Subject())
    world.rest()
    return session, program


def test_node_chain__program_recorded__gives_what_the_dso_signed(world: World) -> None:
    chain = node_chain(world)
    assert chain.period(area=town.AREA, period=1, markets=[town.MARKET]).programs == {}

    session, signed = record_program(world)

    found = chain.period(area=town.AREA, period=1, markets=[town.MARKET])
    recorded = RecordedProgram(
        results_root=signed.results_root,
        traded_mask=signed.traded_mask,
        emptied_mask=signed.emptied_mask,
        grid_model_hash=signed.grid_model_hash,
        report_hash=signed.report_hash,
        dso=key("dso").address,
    )
    assert found.programs == {(town.MARKET, session): recorded}
    assert found.pending == 1
    assert found.markets == {town.MARKET: MarketRules(text_id(town.AREA), town.market().lot_wh)}
    assert found.words_hashes == ()
    assert chain.market_time() == world.now


def test_node_chain__settled_twice__bears_each_revision_out(world: World) -> None:
    state = settle_day(world)
    with world.record.read() as connection:
        package = proposal_package(connection, area=town.AREA, period=1)

    found = node_chain(world).period(area=town.AREA, period=1, markets=[town.MARKET])

    assert (found.first_mtu, found.count) == (state.first_mtu, state.count)
    assert found.words_hashes == (settlement_words_hash([]), package.proposal.words_hash)
    assert list(chain_objections(package, replace(found, words_hashes=found.words_hashes[:1]))) == []


def test_settle__horizon_over__is_final_on_chain(world: World) -> None:
    settle_day(world)

    for now in range(world.now, world.now + 90_000, 7_200):
        world.run_to(now)

    assert world.settlement.settlement_of(area=text_id(town.AREA), period=1).is_final
    with world.record.read() as connection:
        assert period_state(connection, area=town.AREA, period=1).is_final


def test_money__deposit_cover_redemption__chain_and_record_agree(world: World) -> None:
    settle_day(world)
    debt = 1_000 * 390_000 * 119 // 100
    domain, redemptions = world.deployment.domain("Guarantees"), world.deployment.domain("Redemptions")
    house, retailer = key("house"), key("retailer account")
    pair = {"guarantor": retailer.address, "account": house.address}
    line = domain.digest(town.GUARANTEE, pair | {"creditNeur": 5 * EUR, "nonce": 1, "deadline": 2**37})
    cover = pair | {"amountNeur": debt, "debtNeur": debt, "ref": keccak(b"cover"), "deadline": 2**37}
    redemption = {"account": house.address, "amountNeur": 2 * EUR, "ref": keccak(b"out"), "deadline": world.now + 900}
    with world.record.begin() as tx:
        operations.deposit(tx, account=retailer.address, amount_neur=10 * EUR, ref=keccak(b"in"))
    world.rest()
    with world.record.begin() as tx:
        call = Guarantees.guarantee(
            guarantor=retailer.address,
            account=house.address,
            credit_neur=5 * EUR,
            nonce=1,
            deadline=2**37,
            guarantor_signature=retailer.sign(line),
            account_signature=house.sign(line),
        )
        request(tx, call, key="guarantee:1", role=ChainRole.OPERATOR, about=Subject())
    world.rest()
    operations.give_cover(
        world.record,
        guarantor=retailer.address,
        account=house.address,
        amount_neur=debt,
        debt_neur=debt,
        ref=cover["ref"],
        deadline=2**37,
        signature=retailer.sign(domain.digest(COVER, cover)),
        now=world.now,
        domain=domain,
    )
    world.rest()
    with world.record.begin() as tx:
        operations.deposit(tx, account=house.address, amount_neur=3 * EUR, ref=keccak(b"in too"))
    world.rest()
    operations.request_redemption(
        world.record,
        account=house.address,
        amount_neur=2 * EUR,
        ref=redemption["ref"],
        deadline=redemption["deadline"],
        signature=house.sign(redemptions.digest(REDEMPTION, redemption)),
        now=world.now,
        domain=redemptions,
    )
    world.rest()
    world.run_to(world.now + 601)

    assert world.differences() == []
    assert world.chain.supply() == 11 * EUR
    with world.record.read() as connection:
        assert queries.balance_neur(connection, account=house.address) == EUR
        assert queries.credit_neur(connection, account=house.address) == 5 * EUR
        assert -queries.balance_neur(connection, account=BANK) == 11 * EUR
        assert queries.redemptions(connection)[0].redeemed_neur == 2 * EUR


def test_export__settled_day__ends_at_the_head_the_chain_holds(world: World, tmp_path: Path) -> None:
    settle_day(world)
    chain = ChainInfo(chain_id=world.deployment.chain_id, contracts=world.deployment.addresses)

    public = export_public(world.record, tmp_path / "public", chain=chain)
    auditor = export_auditor(world.record, tmp_path / "auditor", chain=chain, receipts=lambda _entry: b"")

    assert public == auditor
    with world.record.read() as connection:
        assert last_anchor(connection) == auditor
    kinds = {entry.kind for entry in world.record.entries(after=auditor.sequence)}
    assert kinds <= {"chain.requested", "chain.signed", "chain.included", "block.mined"}
    attested = (tmp_path / "public" / "attestations.jsonl").read_text().splitlines()
    assert len(attested) == 97
    assert auditor.head != ZERO_HASH
