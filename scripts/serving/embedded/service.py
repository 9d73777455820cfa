"""The service process of the embedded system: record, chain node, broker, stages and API under one roof.

`python -m scripts.serving.embedded.service --state <folder>`; ends cleanly on SIGTERM or SIGINT, and goes on where it
was after any end.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from domain.errors import DominoesError
from ledger_service.chain.gateway import Gateway
from ledger_service.clock import ManualClock
from ledger_service.record import Record, sqlite_url
from oracle.brokers.embedded import EmbeddedBroker
from scripts.community.run_config import ATTESTER_THRESHOLD, RunConfig
from scripts.serving.composition import Core, list_in_registry, note_predecessor
from scripts.serving.deployment_file import MarketTime
from scripts.serving.embedded.chains import chain_of
from scripts.serving.embedded.keys import load_keys, read_addresses
from scripts.serving.embedded.organisations import ROLES, organisations_of
from scripts.serving.embedded.owner import SERVICE, hold
from scripts.serving.embedded.run_folder import (
    DEPLOYMENT_FILE,
    KEYS_FOLDER,
    RECORD_FILE,
    read_config,
)
from scripts.serving.needs import given
from scripts.serving.private_files import keep_private
from scripts.serving.settings import (
    ApiSection,
    CalendarSection,
    ChainSection,
    DatabaseSection,
    DeploymentSection,
    KeySection,
    Settings,
)
from scripts.serving.telemetry import set_up_logging
from scripts.serving.web import server_of
from wallet_api.app import create_app
from wallet_api.services import Services

TOKENS_FILE = "tokens.pem"
"""The key of access tokens, beside the operator's."""

SENDER_ROLES = {
    "operator": "operator",
    "registrar": "registrar",
    "treasurer": "treasurer",
    "security_admin": "security-admin",
}
"""Which key sends for which role of `chain.requested`. In production only the operator's is the service's."""

DEPLOYER = "deployer"
"""Whose key deploys the contracts, on the first start."""


def settings_of(state: Path, config: RunConfig, addresses: Mapping[str, bytes]) -> Settings:
    """The settings of this run's service, like those of production: what a run is, and who its organisations are."""
    return Settings(
        state=state,
        database=DatabaseSection(url=sqlite_url(state / RECORD_FILE)),
        chain=ChainSection(deployment_file=state / DEPLOYMENT_FILE),
        deployment=DeploymentSection(
            attester_threshold=ATTESTER_THRESHOLD,
            # What the challenge window must outlast: the demo's is short.
            delay_seconds=config.challenge_seconds // 2,
            challenge_seconds=config.challenge_seconds,
            page_seconds=config.challenge_seconds // 4,
            change_seconds=config.challenge_seconds * 2,
            predecessor=None if config.predecessor is None else Path(config.predecessor) / DEPLOYMENT_FILE,
        ),
        api=ApiSection(port=config.http_port),
        keys=KeySection(tokens=state / KEYS_FOLDER / "operator" / TOKENS_FILE),
        calendar=CalendarSection(
            first_day=date.fromisoformat(config.first_day),
            last_day=None if config.last_day is None else date.fromisoformat(config.last_day),
        ),
        organisations=organisations_of(config, addresses),
    )


class Service:
    """Everything of the service process, built once; `run` serves until it is told to end."""

    def __init__(self, state: Path) -> None:
        self.config = read_config(state)
        keys = load_keys(state / KEYS_FOLDER, (*SENDER_ROLES.values(), DEPLOYER))
        self.settings = settings_of(state, self.config, read_addresses(state / KEYS_FOLDER, ROLES))
        self.record = Record.open(given(self.settings.database.url))
        self.record.timed_by(lambda: self.config.genesis)  # until the chain's last block says what time it is
        self.chain = chain_of(state, self.config, record=self.record)
        self.deployment = self.chain.deployment(self.settings, key=keys[DEPLOYER])
        list_in_registry(self.record, self.deployment)
        note_predecessor(self.record, self.settings, rpc=self.chain.rpc)
        clock = ManualClock(self.chain.head_time())
        gateway = Gateway.open(
            record=self.record,
            rpc=self.chain.rpc,
            deployment=self.deployment,
            signers={role: keys[name] for role, name in SENDER_ROLES.items()},
            profile=self.chain.profile,
        )
        self.core = Core(
            self.settings,
            record=self.record,
            clock=clock,
            time=MarketTime(origin=self.config.genesis, start=self.config.genesis, speed=1),
            deployment=self.deployment,
            operator=keys["operator"],
        )
        self.loop = self.chain.loop(stages=self.core.stages.ordered, gateway=gateway, clock=clock)
        self.broker = EmbeddedBroker(port=self.config.mqtt_port)

    def services(self) -> Services:
        """What the API works with."""
        alike = self.core.services(node_url=self.chain.rpc.url, stage_failure=self.loop.failure)
        shown = {**alike.deployment.details, "rpc_url": self.chain.rpc.url}
        deployment = replace(alike.deployment, details=shown)
        return replace(alike, deployment=deployment, clock_control=self.loop.advance_to)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; then finish what is in hand and leave the chain."""
        server = server_of(create_app(self.services()), self.settings.api)
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn raises the signal once more when it has shut down; what follows here must still happen.
            signal.signal(number, lambda *_: None)
        self.broker.start()
        self.core.start()
        self.loop.start()
        try:
            server.run()
        finally:
            self.core.close()
            self.loop.stop()
            self.broker.stop()
            self.chain.stop()
            self.record.close()


def main() -> int:
    """Run the service; exit status 2 where it can't start, with the reason on one line."""
    parser = argparse.ArgumentParser(description="the service process of an embedded run")
    parser.add_argument("--state", type=Path, required=True)
    arguments = parser.parse_args()
    keep_private()
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
