"""What others did: transactions that were not asked for here and left events of our contracts.

The logs of the contracts are read block by block, once each. What they name and the outbox does not hold is somebody
else's; its receipt is read and proven as those of our own transactions are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from contracts.bindings.clearing import ClearingPassedOver
from contracts.bindings.readings import ReadingsPassedOver
from contracts.deploy import Deployment
from contracts.rpc import BlockHeader, NodeAnswerInvalid, Rpc, RpcError, as_bytes, as_int
from domain.facts import ChainEvent, ChainObserved, ChainRewound, Subject, observed_key
from domain.hashing import to_hex
from ledger_service.chain import stored_transactions
from ledger_service.chain.encoding import Codec
from ledger_service.chain.receipt_root import check_receipts
from ledger_service.chain.stored_transactions import HASHES_PER_QUERY
from ledger_service.chain.tables import chain_block, chain_observed
from ledger_service.record import Record, Transaction

PASSED_OVER = frozenset({ReadingsPassedOver.__name__, ClearingPassedOver.__name__})
"""Events of batches that say what they left as it was: a transaction that did nothing else is not told, or anybody
could fill the journal with thousands of them each."""

LOGS_SPAN_BLOCKS = 1_000
"""Blocks whose logs are asked for at once: below the limits of usual nodes."""


@dataclass(frozen=True, slots=True)
class ObservedTransaction:
    """A transaction of somebody else in a block; `place` is its index there, `block_time` in unix seconds."""

    sender: bytes
    tx_hash: bytes
    block: int
    place: int
    block_hash: bytes
    block_time: int
    events: tuple[ChainEvent, ...]

    @property
    def key(self) -> str:
        """What names it in the record."""
        return observed_key(self.tx_hash)

    def fact(self) -> ChainObserved:
        """The fact that says so."""
        return ChainObserved(
            sender=to_hex(self.sender),
            tx_hash=self.tx_hash,
            block=self.block,
            block_hash=self.block_hash,
            block_time=self.block_time,
            events=self.events,
        )


@dataclass(frozen=True, slots=True)
class Logged:
    """The contracts' transactions in the blocks from the last ones read up to `head`, by place: (block, index)."""

    head: BlockHeader
    hashes: dict[tuple[int, int], bytes]
    blocks: dict[bytes, bytes]
    """The hash of the block of each, by its own."""


class Observing:
    """Reads the logs of one deployment. Knows in memory how far; a start reads again from the newest final block."""

    def __init__(self, *, record: Record, rpc: Rpc, codec: Codec, deployment: Deployment, proven: bool) -> None:
        self._record, self._rpc, self._codec, self._deployment = record, rpc, codec, deployment
        self._proven = proven
        self._seen: BlockHeader | None = None

    def logged(self) -> Logged:
        """What the contracts logged after the blocks that were `seen`. Raises NodeUnavailable, NodeAnswerInvalid."""
        newest = self._rpc.block_number()
        head = self._rpc.header(newest)
        if head is None:
            raise NodeAnswerInvalid(url=self._rpc.url, reason=f"it lacks block {newest}, which it calls its newest")
        hashes: dict[tuple[int, int], bytes] = {}
        blocks: dict[bytes, bytes] = {}
        addresses = sorted({to_hex(address) for address in self._deployment.addresses.values()})
        for start in range(self._first(head), head.number + 1, LOGS_SPAN_BLOCKS):
            end = min(start + LOGS_SPAN_BLOCKS - 1, head.number)
            asked = {"fromBlock": hex(start), "toBlock": hex(end), "address": addresses}
            for log in self._rpc.call("eth_getLogs", asked):
                tx_hash = as_bytes(log["transactionHash"])
                hashes[as_int(log["blockNumber"]), as_int(log["transactionIndex"])] = tx_hash
                blocks[tx_hash] = as_bytes(log["blockHash"])
        return Logged(head=head, hashes=dict(sorted(hashes.items())), blocks=blocks)

    def _first(self, head: BlockHeader) -> int:
        """The first block to read: after the last one seen, or after the newest final one where that is gone."""
        seen = self._seen
        if seen is not None and seen.number <= head.number:
            (now,) = (head,) if seen.number == head.number else self._rpc.headers([seen.number])
            if now is not None and now.hash == seen.hash:
                return seen.number + 1
        query = select(chain_block.c.number).where(chain_block.c.is_final.is_(True))
        with self._record.read() as connection:
            final = connection.execute(query.order_by(chain_block.c.number.desc()).limit(1)).scalar()
        return self._deployment.start_block if final is None else int(final) + 1

    def seen(self, logged: Logged) -> None:
        """Note that all of these are in the record."""
        self._seen = logged.head

    def read(self, connection: Connection, logged: Logged) -> list[ObservedTransaction] | None:
        """Those of others that the record does not hold yet, by place; None where the chain moved meanwhile."""
        ours = stored_transactions.keys_of(connection, list(logged.blocks))
        others = [tx_hash for tx_hash in logged.hashes.values() if tx_hash not in ours]
        held = _held(connection, others)
        if any(held[item] != logged.blocks[item] for item in others if item in held):
            return None  # its block has just vanished: it is withdrawn first
        return self._read([item for item in others if item not in held], logged)

    def _read(self, hashes: Sequence[bytes], logged: Logged) -> list[ObservedTransaction] | None:
        answers = self._rpc.batch([("eth_getTransactionReceipt", (to_hex(item),)) for item in hashes])
        if any(answer is None or isinstance(answer, RpcError) for answer in answers):
            return None
        receipts = dict(zip(hashes, answers, strict=True))
        numbers = sorted({as_int(receipt["blockNumber"]) for receipt in answers})
        if self._proven and receipts:
            check_receipts(rpc=self._rpc, numbers=numbers, taken=receipts)
        headers = {header.number: header for header in self._rpc.headers(numbers) if header is not None}
        found = []
        for tx_hash, receipt in receipts.items():
            header = headers.get(as_int(receipt["blockNumber"]))
            if header is None or not header.hash == as_bytes(receipt["blockHash"]) == logged.blocks[tx_hash]:
                return None
            observed = self._observed(tx_hash, receipt, block_time=header.timestamp)
            if not all(event.event in PASSED_OVER for event in observed.events):
                found.append(observed)
        return found

    def _observed(self, tx_hash: bytes, receipt: Any, *, block_time: int) -> ObservedTransaction:
        if as_bytes(receipt["transactionHash"]) != tx_hash:
            raise NodeAnswerInvalid(url=self._rpc.url, reason="it gave the receipt of another transaction")
        return ObservedTransaction(
            sender=as_bytes(receipt["from"]),
            tx_hash=tx_hash,
            block=as_int(receipt["blockNumber"]),
            place=as_int(receipt["transactionIndex"]),
            block_hash=as_bytes(receipt["blockHash"]),
            block_time=block_time,
            events=tuple(self._codec.events(receipt["logs"])),
        )


def _held(connection: Connection, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
    """Hash of the block in which the record holds each of these transactions of others."""
    found: dict[bytes, bytes] = {}
    table = chain_observed
    for start in range(0, len(hashes), HASHES_PER_QUERY):
        query = select(table).where(table.c.tx_hash.in_(hashes[start : start + HASHES_PER_QUERY]))
        found.update((row.tx_hash, row.block_hash) for row in connection.execute(query))
    return found


def note(tx: Transaction, observed: ObservedTransaction) -> None:
    """Remember the block in which a transaction of somebody else stands."""
    block = {"block_number": observed.block, "block_hash": observed.block_hash}
    row = {"key": observed.key, "tx_hash": observed.tx_hash, "is_final": False}
    tx.connection.execute(insert(chain_observed).values(**row, **block))


@dataclass(frozen=True, slots=True)
class ObservedPlace:
    """A transaction of somebody else whose block may still vanish."""

    key: str
    tx_hash: bytes
    block_number: int
    block_hash: bytes


def unsettled(connection: Connection) -> list[ObservedPlace]:
    """Transactions of others in blocks that are not final yet."""
    table = chain_observed
    query = select(table).where(table.c.is_final.is_(False)).order_by(table.c.block_number)
    return [
        ObservedPlace(key=row.key, tx_hash=row.tx_hash, block_number=row.block_number, block_hash=row.block_hash)
        for row in connection.execute(query)
    ]


def withdraw(tx: Transaction, gone: ObservedPlace) -> None:
    """Say that a transaction of somebody else counts no more, and forget it."""
    tx.append(
        ChainRewound(
            key=gone.key,
            contract="",
            function="",
            about=Subject(),
            tx_hash=gone.tx_hash,
            block=gone.block_number,
            block_hash=gone.block_hash,
        )
    )
    tx.connection.execute(delete(chain_observed).where(chain_observed.c.key == gone.key))


def adopt(tx: Transaction, tx_hash: bytes) -> None:
    """Withdraw what was observed and proved to be ours: a record that was restored asks for it once more."""
    table = chain_observed
    row = tx.connection.execute(select(table).where(table.c.key == observed_key(tx_hash))).first()
    if row is not None:
        withdraw(
            tx, ObservedPlace(key=row.key, tx_hash=tx_hash, block_number=row.block_number, block_hash=row.block_hash)
        )


def finalise(tx: Transaction, *, blocks: Sequence[int]) -> None:
    """Mark what is in these blocks as final."""
    table = chain_observed
    query = update(table).where(table.c.is_final.is_(False), table.c.block_number.in_(blocks))
    tx.connection.execute(query.values(is_final=True))
