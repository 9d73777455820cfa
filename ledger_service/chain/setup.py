"""Deploying the contracts on the embedded chain, with every transaction stored before it is mined."""

from __future__ import annotations

from typing import Any

from contracts.artifacts import load_artifacts
from contracts.deploy import Deployment, DeploymentConfig, plan_deployment, read_deployment
from contracts.rpc import as_bytes, as_int
from contracts.transactions import SignedTransaction
from domain.errors import DominoesError
from domain.facts import Subject
from domain.hashing import to_hex
from domain.signing import Signer
from ledger_service.chain import stored_transactions
from ledger_service.chain.embedded import EmbeddedNode
from ledger_service.chain.tables import INCLUDED
from ledger_service.record import Record

DEPLOYER = "deployer"
"""Role under which deployments are stored; its key has no right in any contract."""


class DeploymentFailed(DominoesError):
    """A contract's constructor refused what it was given."""

    status = 500
    code = "deployment-failed"

    def __init__(self, *, contract: str) -> None:
        self.contract = contract
        super().__init__(f"deployment of {contract} reverted; check grants, times and delays against its interface")


def deploy_embedded(
    *, record: Record, node: EmbeddedNode, config: DeploymentConfig, key: Signer, timestamp: int
) -> Deployment:
    """Deploy all contracts in one block at this block time (unix seconds). Raises DeploymentFailed.

    A deployment that was cut short goes on where it stopped: what is stored or mined already is not done again.
    """
    plan = plan_deployment(config=config, key=key, chain_id=node.settings.chain_id)
    with record.begin() as tx:
        for name, signed in plan.transactions.items():
            stored_transactions.store(
                tx,
                key=f"deploy:{name}",
                request=0,
                role=DEPLOYER,
                contract=name,
                function="constructor",
                about=Subject(),
                signed=signed,
            )
    if _receipt(node, next(iter(plan.transactions.values()))) is None:
        node.mine(timestamp=timestamp, transactions=[(tx.hash, tx.raw) for tx in plan.transactions.values()])
    placed = []
    for name, signed in plan.transactions.items():
        receipt = _receipt(node, signed)
        if receipt is None or as_int(receipt["status"]) != 1:
            raise DeploymentFailed(contract=name)
        placed.append(
            stored_transactions.Placed(
                key=f"deploy:{name}",
                status=INCLUDED,
                tx_hash=signed.hash,
                block_number=as_int(receipt["blockNumber"]),
                block_hash=as_bytes(receipt["blockHash"]),
            )
        )
    with record.begin() as tx:
        stored_transactions.place_all(tx, placed)
    return read_deployment(rpc=node.rpc, plan=plan, artifacts=load_artifacts())


def _receipt(node: EmbeddedNode, signed: SignedTransaction) -> Any:
    return node.rpc.call("eth_getTransactionReceipt", to_hex(signed.hash))
