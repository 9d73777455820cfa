"""Changes on chain, sent by whoever makes them over a node of their own: of roles, and of what roles agree to.

Nothing here goes through the service: who may do what is decided among organisations, never by the operator.
"""

from __future__ import annotations

import time
from typing import Any

from contracts.artifacts import CONTRACT_NAMES, load_artifact
from contracts.bindings import Call, Roles
from contracts.deploy import ROLE_NUMBERS, Deployment, send_plan
from contracts.rpc import Rpc, RpcError, as_bytes, as_int
from contracts.transactions import UnsignedTransaction
from domain.errors import DominoesError
from domain.hashing import to_hex
from domain.signing import Signer
from ledger_service.chain.profile import ChainProfile

GAS_UNITS = 2_000_000
"""Gas of one change: the dearest, an account that is taken over, takes less than half of it."""

WAIT_SECONDS_MAX = 300.0
"""Longest wait for a change to be in a block."""

POLL_SECONDS = 0.5


class ChangeRefused(DominoesError):
    """The contract would not make this change for this key; nothing was sent, or what was sent changed nothing."""

    code = "change-refused"

    def __init__(self, *, function: str, reason: str) -> None:
        self.function, self.reason = function, reason
        super().__init__(f"{function} was refused: {reason}; the error is explained in contracts/src/interfaces")


class ChangeNotIncluded(DominoesError):
    """A change was sent and is in no block yet."""

    code = "change-not-included"
    retryable = True

    def __init__(self, *, function: str, tx_hash: str) -> None:
        self.function, self.tx_hash = function, tx_hash
        super().__init__(
            f"{function} ({tx_hash}) is in no block after {WAIT_SECONDS_MAX:.0f} s; look on "
            "your node before you send it again"
        )


class RolesDesk:
    """One key's dealings with the contracts of a deployment that its own node has shown."""

    def __init__(self, *, key: Signer, rpc: Rpc, deployment: Deployment, profile: ChainProfile) -> None:
        self._key, self._rpc, self._chain_id, self._profile = key, rpc, deployment.chain_id, profile
        self._addresses = deployment.addresses
        self._roles = Roles(rpc=rpc, address=deployment.addresses["Roles"])

    def show(self, key: bytes) -> dict[str, Any]:
        """What a key holds and what is proposed for it. Raises NodeUnavailable."""
        held, proposal = self._roles.grant_of(key=key), self._roles.proposal_of(key=key)
        found: dict[str, Any] = {"key": to_hex(key), "role": _role_name(held.role)}
        if held.role:
            found |= {"organisation": to_hex(held.organisation), "area": to_hex(held.area)}
        if proposal.ready_at:
            found["proposed"] = {
                "role": _role_name(proposal.grant.role),
                "replaces": to_hex(proposal.replaces) if any(proposal.replaces) else "none",
                "by": to_hex(proposal.proposer),
                "confirmed": proposal.confirmed,
                "ready_at_block_time": proposal.ready_at,
            }
        return found

    def send(self, call: Call) -> str:
        """Try the change on the node, then sign and send it, and see it into a block; the transaction's hash.

        One that was sent before, by a process that ended meanwhile, is not sent twice: it has the same nonce. Raises
        ChangeRefused, ChangeNotIncluded or NodeUnavailable.
        """
        data, sender, target = call.data(), to_hex(self._key.address), self._addresses[call.contract]
        function = f"{call.contract}.{call.function}"
        try:
            self._rpc.call("eth_call", {"from": sender, "to": to_hex(target), "data": to_hex(data)}, "latest")
        except RpcError as error:
            raise ChangeRefused(function=function, reason=_reason(call, error)) from error
        signed = UnsignedTransaction(
            chain_id=self._chain_id,
            nonce=as_int(self._rpc.call("eth_getTransactionCount", sender, "latest")),
            to=target,
            data=data,
            gas=GAS_UNITS,
            gas_price_wei=self._profile.gas_price_wei,
        ).sign(self._key)
        send_plan(rpc=self._rpc, transactions=[signed])
        self._wait(function, to_hex(signed.hash))
        return to_hex(signed.hash)

    def _wait(self, function: str, tx_hash: str) -> None:
        end = time.monotonic() + WAIT_SECONDS_MAX
        while (receipt := self._rpc.call("eth_getTransactionReceipt", tx_hash)) is None:
            if time.monotonic() > end:
                raise ChangeNotIncluded(function=function, tx_hash=tx_hash)
            time.sleep(POLL_SECONDS)
        if as_int(receipt["status"]) != 1:
            raise ChangeRefused(function=function, reason=f"{tx_hash} reverted: another change came before it")


def _reason(call: Call, error: RpcError) -> str:
    """Why the contract refused a call: an error of its own, or of a contract that it called."""
    for name in (call.contract, *CONTRACT_NAMES) if error.data else ():
        reason = load_artifact(name).abi.decode_error(as_bytes(error.data))
        if reason is not None:
            return reason
    return error.message


def _role_name(number: int) -> str:
    return next((name for name, known in ROLE_NUMBERS.items() if known == number), "none")
