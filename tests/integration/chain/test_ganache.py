"""The same gateway on ganache, which mines each transaction at once and asks for gas to be paid."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.bindings import Accounts
from contracts.deploy import DeploymentConfig, RoleGrant, plan_deployment, read_deployment, send_plan
from domain.facts import ChainFailed, Subject
from domain.hashing import keccak, text_id, to_hex
from domain.roles import ChainRole
from domain.signing import SigningKey
from ledger_service.chain.gateway import Gateway
from ledger_service.chain.profile import GANACHE
from ledger_service.outbox import request
from ledger_service.record import Record
from scripts.tools.chain_nodes.ganache import Ganache
from tests.finality import final
from tests.integration.chain.conftest import NAMES
from tests.journal import content_of

pytestmark = pytest.mark.integration

KEYS = {name: SigningKey(keccak(b"ganache " + name.encode())) for name in NAMES}
DEPLOYER = SigningKey(keccak(b"ganache deployer"))


def test_step__ganache__includes_and_names_reverts(tmp_path: Path) -> None:
    node = Ganache.start(chain_id=1337, funded=[DEPLOYER, KEYS["treasurer"]])
    record = Record.open(f"sqlite:///{tmp_path}/record.db")
    try:
        header = node.rpc.header()
        assert header is not None
        grants = tuple(
            RoleGrant(address=key.address, role=name.rstrip("12"), organisation=text_id(f"organisation {name}"))
            for name, key in KEYS.items()
        )
        config = DeploymentConfig(grants=grants, origin=header.timestamp, start=header.timestamp)
        plan = plan_deployment(config=config, key=DEPLOYER, chain_id=1337, gas_price_wei=GANACHE.gas_price_wei)
        send_plan(rpc=node.rpc, transactions=list(plan.transactions.values()))
        deployment = read_deployment(rpc=node.rpc, plan=plan)
        gateway = Gateway.open(
            record=record,
            rpc=node.rpc,
            deployment=deployment,
            signers={"treasurer": KEYS["treasurer"]},
            profile=GANACHE,
        )
        reference = b"\x07" * 32
        with record.begin() as tx:
            for key, account in (("first", b"\x11" * 20), ("second", b"\x22" * 20)):
                call = Accounts.deposit(account=account, amount_neur=1_000_000_000, ref=reference)
                request(tx, call, key=key, role=ChainRole.TREASURER, about=Subject())

        gateway.step()
        progress = gateway.step()

        assert (progress.included, progress.failed) == (1, 1)
        failed = content_of(record.entries(kinds=[ChainFailed])[0])
        assert failed["reason"] == f"AccountsRefUsed(ref={to_hex(reference)})"
        accounts = Accounts(rpc=node.rpc, address=deployment.addresses["Accounts"])
        assert accounts.supply() == 1_000_000_000
        assert final(gateway) == gateway.head()
    finally:
        node.stop()
        record.close()
