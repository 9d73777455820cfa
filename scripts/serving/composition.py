"""What every composition of the service shares: the stages in their order, and how parts read the record."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from time import time as wall_clock

from sqlalchemy import Connection

from contracts.bindings import Registry, Roles
from contracts.deploy import ALL_AREAS, ROLE_NUMBERS, Deployment
from contracts.rpc import Rpc
from domain.facts import Subject
from domain.hashing import from_hex, text_id, to_hex
from domain.roles import ChainRole
from domain.signing import Signer
from ledger_service.access.challenges import ChallengeBook
from ledger_service.access.directory import Directory, KnownParticipant
from ledger_service.access.roles import Role
from ledger_service.access.tokens import TokenIssuer, load_or_create_key
from ledger_service.clock import MarketClock
from ledger_service.evidence.predecessor import succeed
from ledger_service.evidence.stage import AnchorStage
from ledger_service.market import CalendarStage, OpeningStage
from ledger_service.metering.intake import AttestationIntake
from ledger_service.metering.queries import point_readings
from ledger_service.metering.stage import MeteringStage
from ledger_service.money import queries as money
from ledger_service.money.stage import MoneyStage
from ledger_service.outbox import request
from ledger_service.programs import ClearingStage, EndStage, PositionStage, ValidationStage, Verdicts
from ledger_service.programs.forecast import LOOK_BACK_MTUS_MAX
from ledger_service.record import Record
from ledger_service.registry import queries as registry
from ledger_service.registry.agreed import AgreedArea, AgreedAreas
from ledger_service.settlement.packages import Packages
from ledger_service.settlement.queries import period_states
from ledger_service.settlement.stage import SettlementStage
from ledger_service.stage import Stage
from ledger_service.trading import Backing, GateStage, Intake, ReceiptSigner
from scripts.serving.deployment_file import MarketTime, checked_deployment
from scripts.serving.needs import given_path
from scripts.serving.organisations import organisation_keys
from scripts.serving.settings import Settings
from scripts.serving.trust import last_anchor
from wallet_api.services import PublicDeployment as ApiDeployment
from wallet_api.services import Services

EVIDENCE_FOLDER = "evidence"
"""Folder, below the state, of public bundles between two anchors."""

NODE_LOOK_SECONDS = 1.0
"""Longest that a look at the node's health waits for it: below the patience of whoever asks for ours."""


@dataclass(frozen=True)
class Stages:
    """The stages of one service in their order, and the one that others ask about periods it can't settle."""

    ordered: Sequence[Stage]
    settlement: SettlementStage


def build_stages(
    record: Record, *, first_day: date | None, last_day: date | None, market_time: Callable[[int], int]
) -> Stages:
    """All stages over this record, in the order in which a fact passes them.

    `first_day` None: the next day whose gates are open; `last_day` None: the market goes on. `market_time` gives market
    time at a block time.
    """
    settlement = SettlementStage(record)
    ordered: list[Stage] = [
        CalendarStage(record, first_day=first_day, last_day=last_day),
        OpeningStage(record),
        GateStage(record),
        ValidationStage(record, metered=net_metered),
        ClearingStage(record),
        PositionStage(record),
        EndStage(record),
        MeteringStage(record),
        settlement,
        MoneyStage(record, market_time=market_time),
        AnchorStage(record),
    ]
    return Stages(ordered=ordered, settlement=settlement)


class Core:
    """What every composition has alike: stages, intakes, and what the API is given of them.

    A composition brings the record, the clock, the contracts and the operator's key, and runs stages and gateway.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        record: Record,
        clock: MarketClock,
        time: MarketTime,
        deployment: Deployment,
        operator: Signer,
    ) -> None:
        self.settings, self.record, self.clock, self.deployment = settings, record, clock, deployment
        self.time = time
        record.timed_by(clock.now)
        self.organisations = organisation_keys(settings.organisations)
        calendar = settings.calendar
        self.stages = build_stages(
            record, first_day=calendar.first_day, last_day=calendar.last_day, market_time=time.at
        )
        market = deployment.domain("Market")
        self.intake = Intake(
            record=record,
            domain=market,
            clock=clock,
            funds=RecordFunds(record),
            signer=ReceiptSigner(key=operator, domain=market),
            organisations={to_hex(key.address) for key in self.organisations},
        )
        self.attestations = AttestationIntake(
            record, readings=deployment.domain("Readings"), settlement=deployment.domain("Settlement")
        )

    def start(self) -> None:
        """Take in what comes from now on."""
        # What is loaded by now stays until the process ends: the collector need not walk it with every few orders.
        gc.collect()
        gc.freeze()
        self.intake.start()

    def close(self) -> None:
        """Finish what is being taken in, and take in no more."""
        self.intake.close()
        self.attestations.close()

    def services(self, *, node_url: str, stage_failure: Callable[[], str | None]) -> Services:
        """What the API works with; a composition replaces what it has otherwise."""
        time, settings, deployment, audience = self.time, self.settings, self.deployment, self.settings.api.audience
        return Services(
            record=self.record,
            clock=self.clock,
            wall_clock=lambda: int(wall_clock()),
            directory=Directory(
                organisations=self.organisations,
                participant_of=partial(known_participant, self.record),
                is_agent=partial(known_agent, self.record),
            ),
            tokens=TokenIssuer(
                key=load_or_create_key(given_path(settings.keys.tokens)), issuer=audience, audience=audience
            ),
            challenges=ChallengeBook(audience=audience),
            deployment=ApiDeployment(
                chain_id=deployment.chain_id,
                addresses=deployment.addresses,
                origin_seconds=time.origin,
                start_seconds=time.start,
                speed=time.speed,
                details=deployment.as_json(),
            ),
            intake=self.intake,
            attestations=self.attestations,
            packages=Packages(self.record),
            verdicts=Verdicts(self.record, clock=self.clock, domain=deployment.domain("Market"), is_dso=self._is_dso),
            agreed_areas=AgreedAreas.of(AgreedArea(**item.model_dump()) for item in settings.areas),
            evidence_folder=settings.state / EVIDENCE_FOLDER,
            origins=settings.api.origins,
            node_block_time=lambda: node_block_time(node_url),
            holds_on_chain=partial(holds_on_chain, node_url, deployment.addresses["Roles"]),
            stage_failure=stage_failure,
            stuck_periods=lambda: self.stages.settlement.stuck,
        )

    def _is_dso(self, signer: bytes, area: str) -> bool:
        return any(key.role is Role.DSO and key.address == signer and key.area == area for key in self.organisations)


@dataclass(frozen=True)
class RecordFunds:
    """What intake asks about money, read from the views."""

    record: Record

    def backings(self) -> Callable[[str], Backing]:
        """What stands behind an account's orders, as last settled; what a guarantor lacks is summed once."""
        lacking: dict[bytes, int] = {}

        def backing(account: str) -> Backing:
            with self.record.read() as connection:
                return money.backing(connection, account=from_hex(account), lacking=lacking)

        return backing

    def settled_before(self, area: str) -> int:
        """The first MTU of the area that is not in the balances yet: what is settled counts up to the first gap."""
        with self.record.read() as connection:
            states = period_states(connection, area=area)
        unsettled = [state.first_mtu for state in states if not state.settled]
        return min(unsettled) if unsettled else max((state.first_mtu + state.count for state in states), default=0)


def list_in_registry(record: Record, deployment: Deployment) -> None:
    """Ask for each contract to be listed on chain, so that an outsider finds the deployment; once."""
    with record.begin() as tx:
        for name, address in sorted(deployment.addresses.items()):
            call = Registry.register(name=name, location=address, code_hash=deployment.code_hashes[name])
            request(tx, call, key=f"register:{name}:{to_hex(address)}", role=ChainRole.REGISTRAR, about=Subject())


def note_predecessor(record: Record, settings: Settings, *, rpc: Rpc) -> None:
    """Record which deployment this one takes over from, if it does, and how far its journal was anchored; once.

    Raises NothingAnchored, or what is wrong with that deployment.
    """
    before = settings.deployment.predecessor
    if before is not None:
        predecessor = checked_deployment(before, rpc=rpc)
        succeed(record, contracts=predecessor.addresses, anchor=last_anchor(rpc, predecessor))


def known_participant(record: Record, account: str) -> KnownParticipant | None:
    """The registered participant with this account (0x hex); None where there is none."""
    with record.read() as connection:
        return registry.participant_of(connection, account)


def known_agent(record: Record, address: str) -> bool:
    """Whether any account ever gave this address (0x hex) a mandate."""
    with record.read() as connection:
        return registry.is_agent(connection, address)


def holds_on_chain(url: str, roles: bytes, address: str, role: ChainRole, area: str | None) -> bool:
    """Whether a key (0x hex) has a role on chain now, for an area or all; `roles`: the contract. Asked of the node
    itself. Raises NodeUnavailable."""
    rpc, place = Rpc(url, timeout_s=NODE_LOOK_SECONDS), ALL_AREAS if area is None else text_id(area)
    try:
        return Roles(rpc=rpc, address=roles).has_role(key=from_hex(address), role=ROLE_NUMBERS[role.value], area=place)
    finally:
        rpc.close()


def node_block_time(url: str) -> int:
    """Block time of the node's newest block (0: it has none), asked of the node itself. Raises NodeUnavailable."""
    rpc = Rpc(url, timeout_s=NODE_LOOK_SECONDS)
    try:
        head = rpc.header()
    finally:
        rpc.close()
    return 0 if head is None else head.timestamp


def net_metered(connection: Connection, point: str, mtus: Sequence[int]) -> Mapping[int, int]:
    """Net metered energy of a point by MTU, Wh, + = import, as far back as the forecast looks."""
    first = mtus[0] - LOOK_BACK_MTUS_MAX
    found = point_readings(connection, point=point, first_mtu=first, count=mtus[-1] + 1 - first)
    return {item.mtu: item.import_wh - item.export_wh for item in found}
