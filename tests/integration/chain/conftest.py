"""A chain for each test: anvil, the contracts, a record, and a gateway to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from contracts.bindings import Accounts
from contracts.deploy import Deployment, DeploymentConfig, RoleGrant, plan_deployment, read_deployment, send_plan
from contracts.rpc import Rpc
from domain.facts import FACTS, ChainRequested
from domain.hashing import keccak, text_id
from domain.signing import SigningKey
from ledger_service.chain.anvil import AnvilProcess, NodeSettings
from ledger_service.chain.embedded import EmbeddedNode
from ledger_service.chain.gateway import Gateway
from ledger_service.chain.profile import ChainProfile, Finality
from ledger_service.chain.setup import deploy_embedded
from ledger_service.record import Record
from tests.journal import content_of, request_fact

GENESIS = 1_700_000_000
SETTINGS = NodeSettings(chain_id=2016, genesis_time=GENESIS)
NAMES = (
    "operator",
    "dso",
    "attester1",
    "attester2",
    "treasurer",
    "registrar",
    "security_admin",
    "security_admin2",
)
KEYS = {name: SigningKey(keccak(name.encode())) for name in NAMES}
SENDERS = {name: KEYS[name] for name in ("operator", "treasurer", "registrar", "security_admin")}
CONFIG = DeploymentConfig(
    grants=tuple(
        RoleGrant(address=key.address, role=name.rstrip("12"), organisation=text_id(f"organisation {name}"))
        for name, key in KEYS.items()
    ),
    origin=GENESIS,
    start=GENESIS,
)
DEPLOYER = SigningKey(keccak(b"deployer"))
REORGANISABLE = ChainProfile(name="test", finality=Finality.DEPTH, depth_blocks=8, resend_blocks=2, reprice_blocks=4)
EUR = 1_000_000_000


@dataclass
class World:
    """One node that mines when told, and a record whose gateways all send to it."""

    record: Record
    process: AnvilProcess
    deployment: Deployment
    gateways: list[Gateway] = field(default_factory=list)

    @property
    def rpc(self) -> Rpc:
        return self.process.rpc

    def gateway(self, *, record: Record | None = None, profile: ChainProfile = REORGANISABLE) -> Gateway:
        return Gateway.open(
            record=record or self.record, rpc=self.rpc, deployment=self.deployment, signers=SENDERS, profile=profile
        )

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.rpc.call("evm_mine")

    def balance(self, number: int) -> int:
        accounts = Accounts(rpc=self.rpc, address=self.deployment.addresses["Accounts"])
        return accounts.balance_of(account=account(number))

    def facts(self, kind: str) -> list[dict[str, Any]]:
        return facts(self.record, kind)


def account(number: int) -> bytes:
    return number.to_bytes(20, "big")


def deposit(number: int, *, ref: int | None = None) -> ChainRequested:
    reference = number if ref is None else ref
    return request_fact(
        key=f"deposit-{number}-{reference}",
        role="treasurer",
        call=Accounts.deposit(account=account(number), amount_neur=EUR, ref=reference.to_bytes(32, "big")),
    )


def ask(record: Record, *wanted: ChainRequested) -> None:
    with record.begin() as tx:
        for item in wanted:
            tx.append(item)


def facts(record: Record, kind: str) -> list[dict[str, Any]]:
    return [dict(content_of(entry)) for entry in record.entries(kinds=[FACTS[kind]])]


@pytest.fixture
def record(record_url: str) -> Iterator[Record]:
    opened = Record.open(record_url)
    yield opened
    opened.close()


@pytest.fixture
def world(record: Record) -> Iterator[World]:
    """A node that can be reorganised, contracts deployed in block 1."""
    process = AnvilProcess.start(settings=SETTINGS)
    plan = plan_deployment(config=CONFIG, key=DEPLOYER, chain_id=SETTINGS.chain_id)
    send_plan(rpc=process.rpc, transactions=list(plan.transactions.values()))
    process.rpc.call("evm_mine")
    yield World(record=record, process=process, deployment=read_deployment(rpc=process.rpc, plan=plan))
    process.stop()


@dataclass
class Embedded:
    """The embedded node with its record, contracts deployed in block 1."""

    folder: Path
    record: Record
    node: EmbeddedNode
    deployment: Deployment

    def gateway(self) -> Gateway:
        return Gateway.open(record=self.record, rpc=self.node.rpc, deployment=self.deployment, signers=SENDERS)

    def hashes(self) -> list[bytes]:
        head = self.node.rpc.block_number()
        return [header.hash for header in self.node.rpc.headers(range(head + 1)) if header is not None]

    def facts(self, kind: str) -> list[dict[str, Any]]:
        return facts(self.record, kind)


@pytest.fixture
def embedded(record: Record, tmp_path: Path) -> Iterator[Embedded]:
    node = EmbeddedNode.start(folder=tmp_path / "chain", record=record, settings=SETTINGS)
    deployment = deploy_embedded(record=record, node=node, config=CONFIG, key=DEPLOYER, timestamp=GENESIS + 10)
    yield Embedded(folder=tmp_path / "chain", record=record, node=node, deployment=deployment)
    node.kill()


@pytest.fixture(name="deposit")
def deposit_fixture() -> Any:
    return deposit


@pytest.fixture(name="ask")
def ask_fixture() -> Any:
    return ask
