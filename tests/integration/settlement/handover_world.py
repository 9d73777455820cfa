"""Two services with a record each on one chain, of which the second takes over from the first, as in production.

The old one ends its last period while the new one trades already; what an operator does for it is what
docs/operations.md says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from nacl.signing import SigningKey as MeterKey

from contracts.bindings import Accounts, Call, Readings
from contracts.bindings.readings import Attestation as AttestationStruct
from contracts.deploy import Deployment, DeploymentConfig, DeploymentPlan, plan_deployment
from contracts.rpc import Rpc
from domain.areas import Attester
from domain.attestations import SignedAttestation
from domain.eip712 import GUARANTEE
from domain.facts import MeterRegistered, ReadingAttested, ReadingRules, Subject
from domain.hashing import hash_json, keccak, text_id, to_hex
from domain.messages import make_message
from domain.parties import Guarantee, Meter, Participant, ParticipantKind
from domain.readings import Attestation, Quality, Reading
from domain.registers import RegisterReading
from domain.roles import ChainRole
from domain.signed_terms import UNSIGNED, SignedTerm, signed_by
from domain.signing import SigningKey
from ledger_service.chain.gateway import Gateway
from ledger_service.chain.profile import EMBEDDED, ChainProfile
from ledger_service.evidence.anchors import AreaAnchors, TrustAnchors, anchors_json
from ledger_service.evidence.auditor import export_auditor
from ledger_service.evidence.public import export_public
from ledger_service.evidence.recorded import Anchor, ChainInfo
from ledger_service.evidence.stage import AnchorStage
from ledger_service.market import CalendarStage
from ledger_service.money import operations, queries
from ledger_service.money.stage import MoneyStage
from ledger_service.outbox import request
from ledger_service.record import Record
from ledger_service.registry import consents
from ledger_service.registry import operations as registry
from ledger_service.settlement.queries import period_state
from ledger_service.stage import run_until_quiet
from scripts.serving.composition import list_in_registry
from scripts.serving.production.handover import agreement, handover_digest, handover_to
from settling.substitutes import SUBSTITUTE_RULE
from tests.grids import document
from tests.integration.ledger import town
from tests.integration.settlement.day_on_chain import DAY, EUR, MAKERS, ROLES, World, grants, key
from tests.terms import signed_agreement
from verifier.verdict import Report
from verifier.verify import verify

START = town.NOW - 600
AREA_ID = text_id(town.AREA)
LINE_NEUR = 5 * EUR
CHALLENGE_SECONDS = 1_200
CHANGE_SECONDS = 1_500
METER, METER_KEY = "METER-1", MeterKey(keccak(b"meter"))
S = TypeVar("S", bound="Site")

STEP = 7_200
"""Market seconds from one look at what is due to the next; gates and midnights are multiples of it."""


@dataclass(frozen=True)
class Chain:
    """A chain that two deployments share. `start` is block time at which market time is START."""

    rpc: Rpc
    chain_id: int
    start: int = START
    speed: int = 1
    profile: ChainProfile = EMBEDDED

    def market_time(self, block_time: int) -> int:
        """Market time at a block time."""
        return START + (block_time - self.start) * self.speed


@dataclass
class Site(World):
    """One service on a chain that it shares; the test makes the blocks."""

    shared: Chain

    @property
    def rpc(self) -> Rpc:
        return self.shared.rpc

    def run_to(self, now: int) -> None:
        """Everything due by a market time, block after block."""
        self.now = max(self.now, now)
        while True:
            run_until_quiet(self.stages, self.now)
            self.gateway.step()
            if self.gateway.pending():
                self.mine()
                self.gateway.step()
            elif not run_until_quiet(self.stages, self.now):
                return

    def mine(self) -> None:
        """A block a second after the last one, or now where that is later."""
        header = self.rpc.header()
        assert header is not None
        self.now = max(self.now, header.timestamp + 1)
        self.rpc.call("evm_setNextBlockTimestamp", hex(self.now))
        self.rpc.call("evm_mine")

    def attest(self, mtu: int, revision: int, import_wh: int) -> None:
        """What the house's meter signed too late for the first revision."""
        registers = [
            RegisterReading(mtu - 1, 0, 0, 1, keccak(b"baseline")),
            RegisterReading(mtu, import_wh, 0, 2, keccak(b"reading")),
        ]
        message = make_message(meter_code=METER, readings=registers, key=METER_KEY)
        reading = Reading(METER, mtu, import_wh, 0, import_wh, 0, 2, Quality.MEASURED, keccak(b"reading"))
        made = Attestation.of(area=AREA_ID, mtu=mtu, revision=revision, readings=[reading])
        digest = made.digest(self.deployment.domain("Readings"))
        signatures = [signer.sign(digest) for signer in signers_ascending()]
        fact = ReadingAttested(
            area=town.AREA,
            period=1,
            attestations=(SignedAttestation.of(made, readings=[reading], signatures=signatures),),
            messages=(message.decode(),),
            rules=ReadingRules(substitutes=SUBSTITUTE_RULE),
        )
        struct = AttestationStruct(
            area=made.area,
            mtu=mtu,
            revision=revision,
            root=made.root,
            count=made.count,
            import_wh=made.import_wh,
            export_wh=made.export_wh,
        )
        with self.record.begin() as tx:
            tx.append(fact)
            call = Readings.attest_many(period=1, attestations=[struct], signatures=[signatures])
            about = Subject(area=town.AREA, period=1)
            request(tx, call, key=f"attestMany:{mtu}:{revision}", role=ChainRole.OPERATOR, about=about)
        self.rest()

    def ask(self, call: Call, *, role: ChainRole) -> None:
        """Have a role's key send a call."""
        with self.record.begin() as tx:
            request(tx, call, key=f"{call.function}:{self.now}", role=role, about=Subject())
        self.rest()

    @property
    def chain(self) -> Accounts:
        return Accounts(rpc=self.rpc, address=self.deployment.addresses["Accounts"])

    def balance(self, name: str) -> int:
        """Of an account, as the record has it, which the chain bears out."""
        account = key(name).address
        with self.record.read() as connection:
            held = queries.balance_neur(connection, account=account)
        assert held == self.chain.balance_of(account=account)
        return held


def sender(name: str, *, after: bool) -> SigningKey:
    """Whose transactions a service sends: each service has keys of its own, or they would take each other's nonces."""
    return key(f"next {name}" if after else name)


def plan_of(chain: Chain, *, nonce: int, predecessor: Deployment | None) -> DeploymentPlan:
    """The contracts, as `dominoes deploy` brings them to the chain. A change of roles takes a second of block time."""
    windows = {"challenge_seconds": CHALLENGE_SECONDS, "page_seconds": 200, "change_seconds": CHANGE_SECONDS}
    times = {"origin": START, "start": chain.start, "speed": chain.speed, "delay_seconds": 1}
    config = DeploymentConfig(grants=grants(), **times, **windows)
    if predecessor is not None:
        fresh = {key(name).address: sender(name, after=True).address for name in ROLES}
        held = tuple(replace(grant, address=fresh.get(grant.address, grant.address)) for grant in grants())
        config = replace(config, grants=held, predecessor=predecessor.addresses["Handovers"])
    price = chain.profile.gas_price_wei
    return plan_deployment(
        config=config, key=key("deployer"), chain_id=chain.chain_id, nonce=nonce, gas_price_wei=price
    )


def site(kind: type[S], record: Record, chain: Chain, deployment: Deployment, *, day: int) -> S:
    """A service on a deployment, whose first and last delivery day is this many days after the first."""
    signers = {name: sender(name, after=day > 0) for name in ROLES}
    gateway = Gateway.open(record=record, rpc=chain.rpc, deployment=deployment, signers=signers, profile=chain.profile)
    made = kind(record=record, node=None, deployment=deployment, gateway=gateway, now=town.NOW, shared=chain)  # type: ignore[arg-type]
    delivery = DAY + timedelta(days=day)
    made.stages[0] = CalendarStage(record, first_day=delivery, last_day=delivery)
    money = next(at for at, stage in enumerate(made.stages) if isinstance(stage, MoneyStage))
    made.stages[money] = MoneyStage(record, market_time=chain.market_time)
    record.timed_by(lambda: made.now)
    list_in_registry(record, deployment)
    return made


def signers_ascending() -> list[SigningKey]:
    """Two attesters, as contracts want them."""
    return sorted((key(f"attester{n}") for n in (0, 1)), key=lambda signer: signer.address)


def register(where: Site, *, after: bool) -> None:
    """The area, its parties and the house's meter."""
    attesters = tuple(
        Attester(name=f"a{n}", address=to_hex(key(f"attester{n}").address), organisation=f"organisation{n}")
        for n in range(3)
    )
    house = key("house")
    with where.record.begin() as tx:
        town.define_area(tx, town.area(attesters=attesters, challenge_seconds=CHALLENGE_SECONDS))
        registry.define_market(tx, market=town.market())
        signing = where.term_signing
        makers = replace(MAKERS, registrar=sender("registrar", after=after))
        tariff = makers.tariff(domain=signing.domain)
        registry.publish_tariff(tx, signed=SignedTerm(tariff), now=town.BEFORE)  # the verifier checks it
        for kind in (ParticipantKind.RETAILER, ParticipantKind.DSO, ParticipantKind.TAX):
            own = key(f"{kind} account")
            takes_part = (town.AREA, to_hex(own.address), None, 0, 0, 0)
            organisation = Participant(kind.value, kind, *takes_part, UNSIGNED, UNSIGNED)
            signed = signed_by(organisation, {"account": own, "dso": key("dso")}, domain=signing.domain)
            registry.register_participant(tx, participant=signed, organisations=(), now=town.BEFORE)
        keys = {"account": house, "dso": key("dso")}
        household = signed_by(town.participant(1, house), keys, domain=signing.domain)
        registry.register_participant(tx, participant=household, organisations=(), now=town.BEFORE)
        agreement = signed_agreement(house, key("retailer account"), domain=signing.domain)
        registry.sign_agreement(tx, signed=signing.check(agreement), now=town.BEFORE)
        meter = Meter(METER, "POINT-1", METER_KEY.verify_key.encode(), town.AREA, 0, UNSIGNED)
        tx.append(MeterRegistered(signed_by(meter, keys, domain=signing.domain)))
    where.rest()


def give_line(old: Site) -> None:
    """The retailer pays in and guarantees for the house."""
    house, retailer, domain = key("house"), key("retailer account"), old.deployment.domain("Guarantees")
    pair = {"guarantor": to_hex(retailer.address), "account": to_hex(house.address)}
    unsigned = Guarantee(**pair, credit_neur=LINE_NEUR, nonce=1, deadline=2**37, signature=b"")
    digest = domain.digest(GUARANTEE, consents.guarantee_values(unsigned))
    given = replace(unsigned, signature=retailer.sign(digest), account_signature=house.sign(digest))
    signers = consents.guarantee_signers(domain=domain, guarantee=given)
    with old.record.begin() as tx:
        operations.deposit(tx, account=retailer.address, amount_neur=10 * EUR, ref=keccak(b"in"))
    old.rest()
    with old.record.begin() as tx:
        consents.give_guarantee(tx, signers=signers, guarantee=given, now=old.now, check_funds=lambda: None)
    old.rest()


def agree(old: Site, new: Deployment) -> None:
    """Operator, DSO and attesters sign at their own desks what the registrar's transaction names."""
    handover = handover_to(new, rpc=old.rpc, deployment=old.deployment, area=town.AREA, deadline=2**37)
    digest = handover_digest(handover, deployment=old.deployment)
    call = agreement(
        handover,
        deployment=old.deployment,
        successor=new,
        operator=key("operator").sign(digest),
        dso=key("dso").sign(digest),
        attesters=[key(f"attester{n}").sign(digest) for n in (0, 1)],
    )
    old.ask(call, role=ChainRole.REGISTRAR)


def settle(where: Site, import_wh: int, *, beside: Site | None = None) -> None:
    """The day's period ends unread; a late reading corrects it. The other service works beside."""
    with where.record.read() as connection:
        state = period_state(connection, area=town.AREA, period=1)
    end = (state.first_mtu + state.count) * 900
    for now in (*range(where.now // STEP * STEP + STEP, end, STEP), end + 3_700):
        where.run_to(now)
        if beside is not None:
            beside.run_to(now)
    where.sign()
    where.attest(state.first_mtu + 5, 1, import_wh)
    where.sign()


def until_final(old: Site) -> None:
    for now in range(old.now, old.now + 90_000, STEP):
        old.run_to(now)


def anchor(where: Site) -> None:
    """The head as it is now comes on chain."""
    AnchorStage(where.record).anchor()
    where.rest()


def anchors_of(where: Site, anchored: Anchor, predecessor: Deployment | None) -> dict[str, Any]:
    """What an outsider holds."""
    deployment, chain = where.deployment, where.shared
    header = chain.rpc.header(anchored.block)
    assert header is not None
    keys = {name: [sender(name, after=predecessor is not None).address] for name in ROLES}
    keys["security_admin"].append(key("second security admin").address)
    trust = TrustAnchors(
        chain_id=chain.chain_id,
        genesis_hash=deployment.genesis_hash,
        speed=chain.speed,
        origin_seconds=START,
        start_seconds=chain.start,
        contracts={name: (at, deployment.code_hashes[name]) for name, at in deployment.addresses.items()},
        roles=keys,
        areas={
            town.AREA: AreaAnchors(
                grid_model_hash=hash_json(document(town.GRID)),
                zone="Europe/Berlin",
                dso_account=key("dso account").address,
                tax_account=key("tax account").address,
                dso=[key("dso").address],
                attesters=[key(f"attester{n}").address for n in range(3)],
                threshold=2,
            )
        },
        block=header.number,
        block_hash=header.hash,
        predecessor=None
        if predecessor is None
        else {name: (at, predecessor.code_hashes[name]) for name, at in predecessor.addresses.items()},
    )
    return anchors_json(trust, anchored)


Logs = list[dict[str, Any]]
"""As a node tells them."""


def verdicts(
    where: Site,
    folder: Path,
    predecessor: Deployment | None,
    *,
    told: Callable[[Logs], Logs] = lambda logs: logs,
) -> dict[str, Report]:
    """On both bundles of a service, against a chain whose logs are what `told` makes of them."""
    chain = ChainInfo(chain_id=where.deployment.chain_id, contracts=where.deployment.addresses)

    def ask(method: str, params: list[Any]) -> Any:
        answer = where.rpc.call(method, *params)
        return told(answer) if method == "eth_getLogs" else answer

    exports: dict[str, Callable[[Path], Anchor]] = {
        "public": lambda path: export_public(where.record, path, chain=chain),
        "auditor": lambda path: export_auditor(where.record, path, chain=chain, receipts=lambda _entry: b""),
    }
    found = {}
    for kind, export in exports.items():
        anchored = export(folder / kind)
        found[kind] = verify(folder / kind, anchors_of(where, anchored, predecessor), rpc=ask)
    return found


def messages(reports: dict[str, Report]) -> dict[str, list[str]]:
    return {kind: [finding.message for finding in report.findings] for kind, report in reports.items()}
