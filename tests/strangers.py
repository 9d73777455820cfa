"""Somebody with a node's address and no role, who sends calls to the contracts themselves."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.artifacts import load_artifact
from contracts.bindings import Call
from contracts.rpc import NodeUnavailable, Rpc, as_int
from contracts.transactions import UnsignedTransaction
from domain.hashing import keccak, to_hex
from domain.signing import SigningKey

GAS = 5_000_000
"""Gas limit of a call: more than any single step of the contracts needs."""


class Stranger:
    """Sends calls with a key of its own (or a holder's), one nonce after the other; gas is free."""

    def __init__(
        self, *, rpc: Rpc, addresses: Mapping[str, bytes], chain_id: int, key: SigningKey | None = None
    ) -> None:
        self.rpc, self._addresses, self._chain_id = rpc, addresses, chain_id
        self.key = key or SigningKey(keccak(b"a stranger"))
        self._nonce = as_int(rpc.call("eth_getTransactionCount", to_hex(self.key.address), "latest"))
        self._raw: dict[str, str] = {}

    def send(self, *calls: Call) -> list[str]:
        """The hashes of the transactions, which wait in the node now.

        The last one is sent first: none can come into a block before all of them can, so they come into the same.
        """
        names = [self._sign(call) for call in calls]
        for name in reversed(names):
            self.rpc.call("eth_sendRawTransaction", self._raw[name])
        return names

    def _sign(self, call: Call) -> str:
        data = load_artifact(call.contract).abi.encode_call(call.function, call.args)
        signed = UnsignedTransaction(
            chain_id=self._chain_id,
            nonce=self._nonce,
            to=self._addresses[call.contract],
            data=data,
            gas=GAS,
            gas_price_wei=0,
        ).sign(self.key)
        self._nonce += 1
        name = to_hex(signed.hash)
        self._raw[name] = to_hex(signed.raw)
        return name

    def succeeded(self, tx_hash: str) -> bool | None:
        """Whether it did something; None while it is in no block. Sent again where the node has lost it.

        An embedded node starts again where a transaction came into the middle of its block, and answers nobody then.
        """
        try:
            receipt = self.rpc.call("eth_getTransactionReceipt", tx_hash)
            if receipt is None and self.rpc.call("eth_getTransactionByHash", tx_hash) is None:
                self.rpc.batch([("eth_sendRawTransaction", (self._raw[tx_hash],))])
        except NodeUnavailable:
            return None
        return None if receipt is None else as_int(receipt["status"]) == 1
