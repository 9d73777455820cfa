"""The production service: record on PostgreSQL, an outside chain node, computed market time, the API over TLS.

It holds one key, the operator's. Whatever another organisation must send waits for that organisation's own signer.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from functools import partial

from contracts.keystore import read_key
from contracts.rpc import Rpc
from domain.errors import DominoesError
from domain.hashing import from_hex, to_hex
from ledger_service.access.challenges import ChallengeBook
from ledger_service.access.directory import Directory, OrganisationKey
from ledger_service.access.roles import Role
from ledger_service.access.tokens import TokenIssuer, load_or_create_key
from ledger_service.chain.awaiting import AwaitingCalls
from ledger_service.chain.gateway import Gateway
from ledger_service.clock import ScaledClock
from ledger_service.programs import Verdicts
from ledger_service.record import Record
from ledger_service.trading import Intake, ReceiptSigner
from scripts.serving.composition import (
    RecordFunds,
    build_stages,
    known_participant,
    list_in_registry,
    node_block_time,
)
from scripts.serving.needs import given, given_path
from scripts.serving.production.deployment_file import checked_deployment, market_time
from scripts.serving.production.loop import ProductionLoop
from scripts.serving.production.profiles import PROFILES
from scripts.serving.settings import OrganisationSection, Settings
from scripts.serving.web import server_of
from wallet_api.app import create_app
from wallet_api.services import Deployment as ApiDeployment
from wallet_api.services import Services

OUTSIDE_ROLES = ("registrar", "treasurer")
"""Roles of `chain.requested` whose keys the service does not hold."""

EVIDENCE_FOLDER = "evidence"
"""Folder, below the state, of public bundles between two anchors."""


class WrongOperatorKey(DominoesError):
    """The key at hand is not the operator's of this deployment."""

    code = "wrong-operator-key"

    def __init__(self, *, configured: str, at_hand: str) -> None:
        self.configured, self.at_hand = configured, at_hand
        super().__init__(
            f"keys.operator unlocks {at_hand}, organisations name {configured} as operator; correct one of them"
        )


def organisation_keys(organisations: Sequence[OrganisationSection]) -> list[OrganisationKey]:
    """Who may log in as what, beside the registered participants."""
    return [
        OrganisationKey(address=from_hex(item.address), role=Role(item.role), name=item.name, area=item.area)
        for item in organisations
    ]


class ProductionService:
    """Everything of the service process, built once from settings that passed `require`; `run` serves until told."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.record = Record.open(given(settings.database.url))
        self.rpc = Rpc(given(settings.chain.rpc_url))
        profile = PROFILES[settings.chain.profile]
        self.deployment = checked_deployment(given_path(settings.chain.deployment_file), rpc=self.rpc)
        self.time = market_time(self.deployment, rpc=self.rpc)
        self.clock = ScaledClock(origin=self.time.origin, start=self.time.start, speed=self.time.speed, wall=time.time)
        self.operator = read_key(
            keystore=given_path(settings.keys.operator), password_file=given_path(settings.keys.operator_password_file)
        )
        self.organisations = organisation_keys(settings.organisations)
        self._check_operator()
        outside = {role: self._address_of(role) for role in OUTSIDE_ROLES}
        list_in_registry(self.record, self.deployment)
        self.gateway = Gateway.open(
            record=self.record,
            rpc=self.rpc,
            deployment=self.deployment,
            signers={"operator": self.operator},
            outside=outside,
            profile=profile,
        )
        self.awaiting = AwaitingCalls(
            record=self.record, rpc_url=self.rpc.url, deployment=self.deployment, profile=profile
        )
        calendar = settings.calendar
        self.stages = build_stages(self.record, first_day=calendar.first_day, last_day=calendar.last_day)
        self.loop = ProductionLoop(stages=self.stages.ordered, gateway=self.gateway, clock=self.clock)
        domain = self.deployment.domain("Market")
        self.intake = Intake(
            record=self.record,
            domain=domain,
            clock=self.clock,
            funds=RecordFunds(self.record),
            signer=ReceiptSigner(key=self.operator, domain=domain),
        )

    def _check_operator(self) -> None:
        configured = self._address_of("operator")
        if configured != self.operator.address:
            raise WrongOperatorKey(configured=to_hex(configured), at_hand=to_hex(self.operator.address))

    def _address_of(self, role: str) -> bytes:
        return next(key.address for key in self.organisations if key.role.value == role)

    def _is_dso(self, signer: bytes, area: str) -> bool:
        return any(key.role is Role.DSO and key.address == signer and key.area == area for key in self.organisations)

    def services(self) -> Services:
        """What the API works with."""
        settings, deployment = self.settings, self.deployment
        audience = settings.api.audience
        return Services(
            record=self.record,
            clock=self.clock,
            wall_clock=lambda: int(time.time()),
            directory=Directory(
                organisations=self.organisations, participant_of=partial(known_participant, self.record)
            ),
            tokens=TokenIssuer(
                key=load_or_create_key(given_path(settings.keys.tokens)), issuer=audience, audience=audience
            ),
            challenges=ChallengeBook(audience=audience),
            deployment=ApiDeployment(
                chain_id=deployment.chain_id,
                addresses=deployment.addresses,
                origin_seconds=self.time.origin,
                start_seconds=self.time.start,
                speed=self.time.speed,
                details=deployment.as_json(),
            ),
            intake=self.intake,
            verdicts=Verdicts(self.record, clock=self.clock, domain=deployment.domain("Market"), is_dso=self._is_dso),
            evidence_folder=settings.state / EVIDENCE_FOLDER,
            auditor_seal=bytes.fromhex(given(settings.keys.auditor_seal).removeprefix("0x")),
            node_block_time=lambda: node_block_time(self.rpc.url),
            stage_failure=self.loop.failure,
            stuck_periods=lambda: self.stages.settlement.stuck,
            awaiting_calls=self.awaiting,
            origins=settings.api.origins,
        )

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; then finish what is in hand."""
        server = server_of(create_app(self.services()), self.settings.api)
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn raises the signal once more when it has shut down; what follows here must still happen.
            signal.signal(number, lambda *_: None)
        self.intake.start()
        self.loop.start()
        try:
            server.run()
        finally:
            self.intake.close()
            self.loop.stop()
            self.record.close()
            self.rpc.close()
