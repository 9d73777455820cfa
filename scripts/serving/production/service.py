"""The production service: record on PostgreSQL, an outside chain node, computed market time, the API over TLS.

It holds one key, the operator's. Whatever another organisation must send waits for that organisation's own signer.
"""

from __future__ import annotations

import signal
import time
from dataclasses import replace

from contracts.bindings import Roles
from contracts.deploy import ROLE_NUMBERS
from contracts.keystore import read_key
from contracts.rpc import Rpc
from domain.errors import DominoesError
from domain.hashing import to_hex
from ledger_service.chain.awaiting import AwaitingCalls
from ledger_service.chain.gateway import Gateway
from ledger_service.clock import ScaledClock
from ledger_service.record import Record
from scripts.serving.composition import Core, list_in_registry, note_predecessor
from scripts.serving.deployment_file import checked_deployment, market_time
from scripts.serving.needs import given, given_path
from scripts.serving.production.loop import ProductionLoop
from scripts.serving.production.profiles import PROFILES
from scripts.serving.settings import Settings
from scripts.serving.web import server_of
from wallet_api.app import create_app
from wallet_api.services import Services

OUTSIDE_ROLES = ("registrar", "treasurer")
"""Roles of `chain.requested` whose keys the service does not hold."""


class WrongOperatorKey(DominoesError):
    """The key at hand is not the operator's of this deployment."""

    code = "wrong-operator-key"

    def __init__(self, *, configured: str, at_hand: str) -> None:
        self.configured, self.at_hand = configured, at_hand
        super().__init__(
            f"keys.operator unlocks {at_hand}, organisations name {configured} as operator; correct one of them"
        )


class KeyOfAnother(DominoesError):
    """The chain knows the key at hand in another role, or in none."""

    code = "key-of-another"

    def __init__(self, *, at_hand: str, role: str | None) -> None:
        self.at_hand, self.role = at_hand, role
        held = "no role" if role is None else f"the role {role}"
        super().__init__(
            f"{at_hand} holds {held} on this chain, and the service works with the operator's key alone; "
            "name that one in keys.operator, or have the role granted (`dominoes roles`)"
        )


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
        self.core = Core(
            settings,
            record=self.record,
            clock=self.clock,
            time=self.time,
            deployment=self.deployment,
            operator=self.operator,
        )
        self._check_operator()
        outside = {role: self._address_of(role) for role in OUTSIDE_ROLES}
        list_in_registry(self.record, self.deployment)
        note_predecessor(self.record, settings, rpc=self.rpc)
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
        self.loop = ProductionLoop(stages=self.core.stages.ordered, gateway=self.gateway, clock=self.clock)

    def _check_operator(self) -> None:
        configured = self._address_of("operator")
        if configured != self.operator.address:
            raise WrongOperatorKey(configured=to_hex(configured), at_hand=to_hex(self.operator.address))
        roles = Roles(rpc=self.rpc, address=self.deployment.addresses["Roles"])
        held = roles.grant_of(key=self.operator.address).role
        if held != ROLE_NUMBERS["operator"]:
            name = next((name for name, number in ROLE_NUMBERS.items() if number == held), None)
            raise KeyOfAnother(at_hand=to_hex(self.operator.address), role=name)

    def _address_of(self, role: str) -> bytes:
        return next(key.address for key in self.core.organisations if key.role.value == role)

    def services(self) -> Services:
        """What the API works with."""
        seal = bytes.fromhex(given(self.settings.keys.auditor_seal).removeprefix("0x"))
        alike = self.core.services(node_url=self.rpc.url, stage_failure=self.loop.failure)
        return replace(alike, auditor_seal=seal, awaiting_calls=self.awaiting)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; then finish what is in hand."""
        server = server_of(create_app(self.services()), self.settings.api)
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn raises the signal once more when it has shut down; what follows here must still happen.
            signal.signal(number, lambda *_: None)
        self.core.start()
        self.loop.start()
        try:
            server.run()
        finally:
            self.core.close()
            self.loop.stop()
            self.record.close()
            self.rpc.close()
