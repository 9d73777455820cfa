"""What waits in the embedded node for a block and was sent by strangers: a holder needs nobody to use a right."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from contracts.rpc import Rpc, as_bytes, as_int
from domain.hashing import to_hex
from ledger_service.chain import stored_transactions
from ledger_service.chain.anvil import BLOCK_GAS_LIMIT
from ledger_service.record import Record

OTHERS_MAX, OTHERS_GAS_MAX = 100, BLOCK_GAS_LIMIT // 2
"""Most transactions of strangers in one block, and most gas that they may ask for: ours always fit in beside them."""


class Pool:
    """The pool of a node that makes a block only when the service tells it to."""

    def __init__(self, *, record: Record, rpc: Rpc) -> None:
        self._record, self._rpc = record, rpc

    def others(self) -> tuple[bytes, ...]:
        """Signed bytes of those of strangers that the next block takes, those of each sender by nonce."""
        found: list[bytes] = []
        gas = 0
        for sent in self._sent("pending"):
            gas += as_int(sent["gas"])
            if len(found) == OTHERS_MAX or gas > OTHERS_GAS_MAX:
                break
            found.append(as_bytes(sent["hash"]))
        return self.raw(found)

    def rest(self, *, listed: Collection[bytes]) -> tuple[bytes, ...]:
        """Signed bytes of those of strangers whose hashes are not listed: they wait for a later block."""
        hashes = [as_bytes(sent["hash"]) for sent in self._sent("pending", "queued")]
        return self.raw([item for item in hashes if item not in listed])

    def _sent(self, *parts: str) -> list[Any]:
        content = self._rpc.call("txpool_content")
        senders = [by_nonce for part in parts for by_nonce in content[part].values()]
        return [by_nonce[nonce] for by_nonce in senders for nonce in sorted(by_nonce, key=int)]

    def raw(self, hashes: Sequence[bytes]) -> tuple[bytes, ...]:
        """Signed bytes of those of strangers among these."""
        if not hashes:
            return ()
        with self._record.read() as connection:
            ours = stored_transactions.keys_of(connection, hashes)
        asked = [("eth_getRawTransactionByHash", (to_hex(item),)) for item in hashes if item not in ours]
        return tuple(as_bytes(raw) for raw in self._rpc.batch(asked) if isinstance(raw, str))
