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
from collections.abc import Mapping
from datetime import date
from functools import partial
from pathlib import Path

import structlog
import uvicorn

from contracts.deploy import Deployment, DeploymentConfig, RoleGrant
from domain.errors import DominoesError
from domain.hashing import text_id
from domain.signing import SigningKey
from edge.server import ProblemProtocol
from ledger_service.access.challenges import ChallengeBook
from ledger_service.access.directory import Directory, OrganisationKey
from ledger_service.access.roles import Role
from ledger_service.access.tokens import TokenIssuer, load_or_create_key
from ledger_service.chain.anvil import NodeSettings
from ledger_service.chain.embedded import EmbeddedNode
from ledger_service.chain.gateway import Gateway
from ledger_service.chain.setup import deploy_embedded
from ledger_service.clock import ManualClock
from ledger_service.metering.intake import AttestationIntake
from ledger_service.programs import Verdicts
from ledger_service.record import Record
from ledger_service.trading import Intake, ReceiptSigner
from oracle.brokers.embedded import EmbeddedBroker
from scripts.serving.composition import (
    AUDIENCE,
    RecordFunds,
    build_stages,
    known_participant,
    list_in_registry,
    node_block_time,
)
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

SENDER_ROLES = {
    "operator": "operator",
    "registrar": "registrar",
    "treasurer": "treasurer",
    "security_admin": "security-admin",
}
"""Which key sends for which role of `chain.requested`."""

_log = structlog.get_logger(__name__)


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
        last = None if self.config.last_day is None else date.fromisoformat(self.config.last_day)
        self.stages = build_stages(self.record, first_day=date.fromisoformat(self.config.first_day), last_day=last)
        self.loop = MarketLoop(stages=self.stages.ordered, gateway=self.gateway, node=self.node, clock=self.clock)
        self.intake = Intake(
            record=self.record,
            domain=self.market_domain,
            clock=self.clock,
            funds=RecordFunds(self.record),
            signer=ReceiptSigner(key=self.keys["operator"], domain=self.market_domain),
        )
        self.attestations = AttestationIntake(
            self.record,
            readings=self.deployment.domain("Readings"),
            settlement=self.deployment.domain("Settlement"),
        )
        self.broker = EmbeddedBroker(port=self.config.mqtt_port)

    def services(self) -> Services:
        """What the API works with."""
        deployment = self.deployment
        dso = self.keys["dso"].address

        def is_dso(signer: bytes, area: str) -> bool:
            return signer == dso and area == self.config.area

        return Services(
            record=self.record,
            clock=self.clock,
            wall_clock=lambda: int(time.time()),
            directory=Directory(
                organisations=organisation_keys(self.keys, area=self.config.area),
                participant_of=partial(known_participant, self.record),
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
            attestations=self.attestations,
            verdicts=Verdicts(
                self.record,
                clock=self.clock,
                domain=self.market_domain,
                is_dso=is_dso,
            ),
            evidence_folder=self.state / "evidence",
            node_block_time=lambda: node_block_time(self.node.url),
            stage_failure=self.loop.failure,
            stuck_periods=lambda: self.stages.settlement.stuck,
            clock_control=self.loop.advance_to,
        )

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; then finish what is in hand and write the chain's state."""
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(self.services()),
                http=ProblemProtocol,
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
            self.attestations.close()
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
