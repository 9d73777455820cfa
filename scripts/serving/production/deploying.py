"""`dominoes deploy`: the contracts on an outside chain, once, with the roles that the settings name."""

from __future__ import annotations

import time
from pathlib import Path

from contracts.deploy import (
    Deployment,
    DeploymentPlan,
    plan_deployment,
    read_deployment,
    send_plan,
)
from contracts.keystore import read_key
from contracts.rpc import Rpc, as_int
from domain.errors import DominoesError
from domain.hashing import to_hex
from scripts.serving.deployment_file import write_deployment
from scripts.serving.needs import given, given_path
from scripts.serving.organisations import deployment_config
from scripts.serving.production.profiles import PROFILES
from scripts.serving.settings import Settings

WAIT_SECONDS_MAX = 300.0
"""Longest wait for the contracts to be in a block."""

POLL_SECONDS = 0.5


class AlreadyDeployed(DominoesError):
    """There is a deployment file: another deployment would be another market."""

    code = "already-deployed"

    def __init__(self, *, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} names a deployment already; name another chain.deployment_file for a new one")


class DeploymentIncomplete(DominoesError):
    """The contracts are not all in a block, or a constructor refused its arguments."""

    code = "deployment-incomplete"

    def __init__(self, *, contract: str, reason: str) -> None:
        self.contract, self.reason = contract, reason
        super().__init__(f"{contract} {reason}; look at the node, then deploy again with a new deployer key")


def deploy(settings: Settings) -> Deployment:
    """Deploy, wait, check the code, and write the deployment file. Settings must have passed `require`.

    Raises AlreadyDeployed, DeploymentIncomplete, KeystoreUnusable, or what the node's answers raise.
    """
    path = given_path(settings.chain.deployment_file)
    if path.exists():
        raise AlreadyDeployed(path=path)
    rpc = Rpc(given(settings.chain.rpc_url))
    key = read_key(
        keystore=given_path(settings.deployment.key), password_file=given_path(settings.deployment.password_file)
    )
    profile = PROFILES[settings.chain.profile]
    plan = plan_deployment(
        config=deployment_config(settings, block_time=_block_time(rpc)),
        key=key,
        chain_id=rpc.chain_id(),
        nonce=as_int(rpc.call("eth_getTransactionCount", to_hex(key.address), "latest")),
        gas_price_wei=profile.gas_price_wei,
    )
    _send(rpc, plan)
    deployment = read_deployment(rpc=rpc, plan=plan)
    write_deployment(path, deployment)
    rpc.close()
    return deployment


def _block_time(rpc: Rpc) -> int:
    header = rpc.header()
    return 0 if header is None else header.timestamp


def _send(rpc: Rpc, plan: DeploymentPlan) -> None:
    """Send all transactions and see each into a block, sending again what a node forgot."""
    end = time.monotonic() + WAIT_SECONDS_MAX
    transactions = list(plan.transactions.items())
    while transactions:
        send_plan(rpc=rpc, transactions=[signed for _, signed in transactions])
        time.sleep(POLL_SECONDS)
        left = []
        for name, signed in transactions:
            receipt = rpc.call("eth_getTransactionReceipt", to_hex(signed.hash))
            if receipt is None:
                left.append((name, signed))
            elif as_int(receipt["status"]) != 1:
                raise DeploymentIncomplete(contract=name, reason="was refused by its constructor")
        transactions = left
        if transactions and time.monotonic() > end:
            name = transactions[0][0]
            raise DeploymentIncomplete(contract=name, reason=f"is in no block after {WAIT_SECONDS_MAX:.0f} s")
