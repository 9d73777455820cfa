"""The service process of the embedded system: record, chain node, broker, stages and API under one roof.

`python -m scripts.serving.embedded.service --state <folder>`; ends cleanly on SIGTERM or SIGINT, and goes on where it
was after any end.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import structlog
import uvicorn
from sqlalchemy import Connection

from contracts.deploy import Deployment, DeploymentConfig, RoleGrant
from contracts.rpc import Rpc
from domain.errors import DominoesError
from domain.hashing import from_hex, text_id, to_hex
from domain.signing import SigningKey
from ledger_service.access.challenges import ChallengeBook
from ledger_service.access.directory import Directory, KnownParticipant, OrganisationKey
from ledger_service.access.roles import Role
from ledger_service.access.tokens import TokenIssuer, load_or_create_key
from ledger_service.chain.anvil import NodeSettings
from ledger_service.chain.embedded import EmbeddedNode
from ledger_service.chain.gateway import Gateway
from ledger_service.chain.setup import deploy_embedded
from ledger_service.clock import ManualClock
from ledger_service.evidence.stage import AnchorStage
from ledger_service.metering.queries import point_readings
from ledger_service.metering.stage import MeteringStage
from ledger_service.money import queries as money
from ledger_service.money.stage import MoneyStage
from ledger_service.outbox import request_transaction
from ledger_service.programs import ClearingStage, PositionStage, ValidationStage, Verdicts, VoidStage
from ledger_service.programs.forecast import LOOK_BACK_MTUS_MAX
from ledger_service.record import Record
from ledger_service.registry import queries as registry
from ledger_service.settlement.queries import period_states
from ledger_service.settlement.stage import SettlementStage
from ledger_service.stage import Stage
from ledger_service.trading import CalendarStage, GateStage, Intake, ReceiptSigner
from oracle.broker import EmbeddedBroker
from scripts.serving.embedded.keys import load_keys
from scripts.serving.embedded.market_loop import MarketLoop
from scripts.serving.embedded.owner import SERVICE, hold
from scripts.serving.embedded.run_config import (
    ATTESTER_NAMES,
    ATTESTER_THRESHOLD,
    CHAIN_FOLDER,
    CHAIN_ID,
    DEPLOYMENT_FILE,
    KEYS_FOLDER,
    ORGANISATION_KEYS,
    RECORD_FILE,
    SECURITY_ADMINS,
    RunConfig,
    read_config,
)
from scripts.serving.telemetry import set_up_logging
from wallet_api.app import create_app
from wallet_api.services import Deployment as ApiDeployment
from wallet_api.services import Services

AUDIENCE = "dominoes-wallet-api"
"""`aud` of access tokens and name shown in login texts."""

NODE_LOOK_SECONDS = 1.0
"""Longest that a look at the node's health waits for it: below the patience of whoever asks for ours."""

SENDER_ROLES = {
    "operator": "operator",
    "registrar": "registrar",
    "treasurer": "treasurer",
    "security_admin": "security-admin",
}
"""Which key sends for which role of `chain.requested`."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class RecordFunds:
    """What intake asks about money, read from the views."""

    record: Record

    def balance_neur(self, account: str) -> int:
        """The account's balance as last settled, nEUR."""
        with self.record.read() as connection:
            return money.balance_neur(connection, account=from_hex(account))

    def settled_before(self, area: str) -> int:
        """The first MTU of the area that is not in the balances yet: what is settled counts up to the first gap."""
        with self.record.read() as connection:
            states = period_states(connection, area=area)
        unsettled = [state.first_mtu for state in states if not state.settled]
        return min(unsettled) if unsettled else max((state.first_mtu + state.count for state in states), default=0)


def role_grants(keys: Mapping[str, SigningKey], *, area: bytes) -> tuple[RoleGrant, ...]:
    """The initial roles: one key, one organisation each; DSO and attesters bound to the area."""
    single = {
        "operator": "operator",
        "treasurer": "treasurer",
        "registrar": "registrar",
    }
    grants = [
        RoleGrant(address=keys[name].address, role=role, organisation=text_id(name)) for role, name in single.items()
    ]
    grants.append(RoleGrant(address=keys["dso"].address, role="dso", organisation=text_id("dso"), area=area))
    for name in SECURITY_ADMINS:
        grants.append(RoleGrant(address=keys[name].address, role="security_admin", organisation=text_id(name)))
    for name in ATTESTER_NAMES:
        grants.append(RoleGrant(address=keys[name].address, role="attester", organisation=text_id(name), area=area))
    return tuple(grants)


def deploy_once(
    *, state: Path, record: Record, node: EmbeddedNode, keys: Mapping[str, SigningKey], config: RunConfig
) -> Deployment:
    """The deployment of this run: made on the first start, read from its file after."""
    path = state / DEPLOYMENT_FILE
    if path.exists():
        return Deployment.from_json(json.loads(path.read_text()))
    grants = role_grants(keys, area=text_id(config.area))
    wanted = DeploymentConfig(
        grants=grants,
        origin=config.genesis,
        start=config.genesis,
        attester_threshold=ATTESTER_THRESHOLD,
        challenge_seconds=config.challenge_seconds,
    )
    timestamp = node.head().timestamp + 1
    deployed = deploy_embedded(record=record, node=node, config=wanted, key=keys["deployer"], timestamp=timestamp)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(deployed.as_json(), indent=1))
    partial.rename(path)
    return deployed


def list_in_registry(record: Record, deployment: Deployment) -> None:
    """Ask for each contract to be listed on chain, so that an outsider finds the deployment; once."""
    with record.begin() as tx:
        for name, address in sorted(deployment.addresses.items()):
            request_transaction(
                tx,
                key=f"register:{name}:{to_hex(address)}",
                role="registrar",
                contract="Registry",
                function="register",
                args=[name, to_hex(address), to_hex(deployment.code_hashes[name])],
            )


def organisation_keys(keys: Mapping[str, SigningKey], *, area: str) -> list[OrganisationKey]:
    """Who may log in as what, beside the registered participants."""
    roles = {
        "operator": Role.OPERATOR,
        "treasurer": Role.TREASURER,
        "registrar": Role.REGISTRAR,
        **dict.fromkeys(SECURITY_ADMINS, Role.SECURITY_ADMIN),
        "auditor": Role.AUDITOR,
    }
    found = [OrganisationKey(address=keys[name].address, role=role, name=name) for name, role in roles.items()]
    found.append(OrganisationKey(address=keys["dso"].address, role=Role.DSO, name="dso", area=area))
    found += [
        OrganisationKey(address=keys[name].address, role=Role.ATTESTER, name=name, area=area) for name in ATTESTER_NAMES
    ]
    return found


def net_metered(connection: Connection, point: str, mtus: Sequence[int]) -> Mapping[int, int]:
    """Net metered energy of a point by MTU, Wh, + = import, as far back as the forecast looks."""
    first = mtus[0] - LOOK_BACK_MTUS_MAX
    found = point_readings(connection, point=point, first_mtu=first, count=mtus[-1] + 1 - first)
    return {item.mtu: item.import_wh - item.export_wh for item in found}


class Service:
    """Everything of the service process, built once; `run` serves until it is told to end."""

    def __init__(self, state: Path) -> None:
        self.state, self.config = state, read_config(state)
        self.keys = load_keys(state / KEYS_FOLDER, ORGANISATION_KEYS)
        self.record = Record.open(f"sqlite:///{state / RECORD_FILE}")
        settings = NodeSettings(chain_id=CHAIN_ID, genesis_time=self.config.genesis)
        self.node = EmbeddedNode.start(folder=state / CHAIN_FOLDER, record=self.record, settings=settings)
        self.deployment = deploy_once(
            state=state, record=self.record, node=self.node, keys=self.keys, config=self.config
        )
        list_in_registry(self.record, self.deployment)
        self.clock = ManualClock(self.node.head().timestamp)
        self.gateway = Gateway.open(
            record=self.record,
            rpc=self.node.rpc,
            deployment=self.deployment,
            signers={role: self.keys[name] for role, name in SENDER_ROLES.items()},
        )
        self.market_domain = self.deployment.domain("Market")
        self.settlement = SettlementStage(self.record)
        self.loop = MarketLoop(stages=self._stages(), gateway=self.gateway, node=self.node, clock=self.clock)
        self.intake = Intake(
            record=self.record,
            domain=self.market_domain,
            clock=self.clock,
            funds=RecordFunds(self.record),
            signer=ReceiptSigner(key=self.keys["operator"], domain=self.market_domain),
        )
        self.broker = EmbeddedBroker(port=self.config.mqtt_port)

    def _stages(self) -> list[Stage]:
        last = None if self.config.last_day is None else date.fromisoformat(self.config.last_day)
        first = date.fromisoformat(self.config.first_day)
        return [
            CalendarStage(self.record, first_day=first, last_day=last),
            GateStage(self.record),
            ValidationStage(self.record, metered=net_metered),
            ClearingStage(self.record),
            PositionStage(self.record),
            VoidStage(self.record),
            MeteringStage(self.record),
            self.settlement,
            MoneyStage(self.record),
            AnchorStage(self.record),
        ]

    def services(self) -> Services:
        """What the API works with."""
        deployment = self.deployment
        dso = self.keys["dso"].address

        def participant_of(account: str) -> KnownParticipant | None:
            with self.record.read() as connection:
                return registry.participant_of(connection, account)

        def is_dso(signer: bytes, area: str) -> bool:
            return signer == dso and area == self.config.area

        return Services(
            record=self.record,
            clock=self.clock,
            wall_clock=lambda: int(time.time()),
            directory=Directory(
                organisations=organisation_keys(self.keys, area=self.config.area), participant_of=participant_of
            ),
            tokens=TokenIssuer(
                key=load_or_create_key(self.state / KEYS_FOLDER / "tokens.pem"), issuer=AUDIENCE, audience=AUDIENCE
            ),
            challenges=ChallengeBook(audience=AUDIENCE),
            deployment=ApiDeployment(
                chain_id=deployment.chain_id,
                addresses=deployment.addresses,
                origin_seconds=self.config.genesis,
                start_seconds=self.config.genesis,
                speed=1,
                details=deployment.as_json() | {"rpc_url": self.node.url},
            ),
            intake=self.intake,
            verdicts=Verdicts(
                self.record,
                clock=self.clock,
                domain=self.market_domain,
                is_dso=is_dso,
            ),
            evidence_folder=self.state / "evidence",
            node_block_time=self.node_block_time,
            stage_failure=self.loop.failure,
            stuck_periods=lambda: self.settlement.stuck,
            clock_control=self.loop.advance_to,
        )

    def node_block_time(self) -> int:
        """Block time of the node's newest block (0: it has none), asked of the node itself. Raises NodeUnavailable."""
        rpc = Rpc(self.node.url, timeout_s=NODE_LOOK_SECONDS)
        try:
            head = rpc.header()
        finally:
            rpc.close()
        return 0 if head is None else head.timestamp

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; then finish what is in hand and write the chain's state."""
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(self.services()),
                host="127.0.0.1",
                port=self.config.http_port,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=5,
            )
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn raises the signal once more when it has shut down; what follows here must still happen.
            signal.signal(number, lambda *_: None)
        self.broker.start()
        self.intake.start()
        self.loop.start()
        try:
            server.run()
        finally:
            self.intake.close()
            self.loop.stop()
            self.broker.stop()
            self.node.stop()
            self.record.close()


def main() -> int:
    """Run the service; exit status 2 where it can't start, with the reason on one line."""
    parser = argparse.ArgumentParser(description="the service process of an embedded run")
    parser.add_argument("--state", type=Path, required=True)
    arguments = parser.parse_args()
    set_up_logging(logging.INFO)
    try:
        with hold(arguments.state, SERVICE):
            Service(arguments.state).run()
    except DominoesError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
