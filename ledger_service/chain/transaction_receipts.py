"""What became of sent transactions: receipts turned into facts, blocks checked against the chain as it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.rpc import NodeAnswerInvalid, Rpc, RpcError, as_bytes, as_int
from domain.facts import ChainEvent, ChainFailed, ChainIncluded, Subject
from domain.hashing import to_hex
from ledger_service.chain.encoding import Codec
from ledger_service.chain.receipt_root import check_receipts
from ledger_service.chain.stored_transactions import StoredTransaction

OUT_OF_GAS = "out of gas"
"""Reason of a failure that used all its gas."""

REASON_UNKNOWN = "reverted without a reason"
"""Reason of a failure that the node can't repeat."""


@dataclass(frozen=True, slots=True)
class MinedTransaction:
    """A transaction that came into a block.

    `place` is its index there, `block_time` in unix seconds; `reason` is None where it succeeded."""

    key: str
    contract: str
    function: str
    tx_hash: bytes
    block: int
    place: int
    block_hash: bytes
    block_time: int
    gas_used: int
    events: tuple[ChainEvent, ...]
    reason: str | None

    @property
    def kind(self) -> type[ChainIncluded | ChainFailed]:
        """What kind of fact says so."""
        return ChainIncluded if self.reason is None else ChainFailed

    def fact(self, about: Subject) -> ChainIncluded | ChainFailed:
        """The fact that says so; `about` is what its request was about."""
        place: dict[str, Any] = {
            "key": self.key,
            "contract": self.contract,
            "function": self.function,
            "about": about,
            "tx_hash": self.tx_hash,
            "block": self.block,
            "block_hash": self.block_hash,
            "block_time": self.block_time,
            "gas_used": self.gas_used,
        }
        if self.reason is not None:
            return ChainFailed(**place, reason=self.reason)
        return ChainIncluded(**place, events=self.events)


def read_mined(
    *, rpc: Rpc, codec: Codec, waiting: Sequence[StoredTransaction], hashes: Mapping[bytes, str], proven: bool = False
) -> list[MinedTransaction]:
    """Those transactions that are in blocks of the chain as it is now, in chain order.

    `hashes` are all attempts by hash with their key. Where two attempts of a key came into blocks (under different
    nonces), the one that succeeded counts: contracts refuse the same key twice. A receipt whose block is not the
    node's block of that number is passed over: it belongs to a chain that is gone. Where the node can't tell of one
    attempt (it answers with an error), the key waits. `proven`: take only receipts that give the receipts root of a
    header that gives its own hash (Clique; elsewhere block hashes leave seals out). Raises NodeLies.
    """
    asked = list(hashes)
    answers = rpc.batch([("eth_getTransactionReceipt", (to_hex(item),)) for item in asked])
    receipts = {}
    unsure = set()
    for item, answer in zip(asked, answers, strict=True):
        if isinstance(answer, RpcError):
            unsure.add(hashes[item])
        if isinstance(answer, Mapping) and answer.get("blockNumber") is not None:
            if as_bytes(answer["transactionHash"]) != item:
                raise NodeAnswerInvalid(url=rpc.url, reason="it gave the receipt of another transaction")
            receipts[item] = answer
    numbers = sorted({as_int(receipt["blockNumber"]) for receipt in receipts.values()})
    if proven:
        check_receipts(rpc=rpc, numbers=numbers, taken=receipts)
    headers = {header.number: header for header in rpc.headers(numbers) if header is not None}
    stored = {item.key: item for item in waiting}
    found: dict[str, tuple[bool, int, int, MinedTransaction]] = {}
    for item, receipt in receipts.items():
        header = headers.get(as_int(receipt["blockNumber"]))
        if hashes[item] in unsure or header is None or header.hash != as_bytes(receipt["blockHash"]):
            continue
        transaction = _mined_transaction(
            rpc=rpc,
            codec=codec,
            stored=stored[hashes[item]],
            receipt=receipt,
            tx_hash=item,
            block_time=header.timestamp,
        )
        rank = (transaction.reason is not None, header.number, as_int(receipt["transactionIndex"]), transaction)
        if transaction.key not in found or rank[:3] < found[transaction.key][:3]:
            found[transaction.key] = rank
    return [transaction for *_, transaction in sorted(found.values(), key=lambda entry: entry[1:3])]


def _mined_transaction(
    *, rpc: Rpc, codec: Codec, stored: StoredTransaction, receipt: Mapping[str, Any], tx_hash: bytes, block_time: int
) -> MinedTransaction:
    succeeded = as_int(receipt["status"]) == 1
    return MinedTransaction(
        key=stored.key,
        contract=stored.contract,
        function=stored.function,
        tx_hash=tx_hash,
        block=as_int(receipt["blockNumber"]),
        place=as_int(receipt["transactionIndex"]),
        block_hash=as_bytes(receipt["blockHash"]),
        block_time=block_time,
        gas_used=as_int(receipt["gasUsed"]),
        events=tuple(codec.events(receipt["logs"])) if succeeded else (),
        reason=None if succeeded else failure_reason(rpc=rpc, codec=codec, tx_hash=tx_hash, receipt=receipt),
    )


def failure_reason(*, rpc: Rpc, codec: Codec, tx_hash: bytes, receipt: Mapping[str, Any]) -> str:
    """Why a transaction failed, by repeating its call on the state of its block and of the one before.

    Nodes store no reason; where the state has moved on since, the repeated call may give none.
    """
    sent = rpc.call("eth_getTransactionByHash", to_hex(tx_hash))
    if sent is None:
        return REASON_UNKNOWN
    if as_int(receipt["gasUsed"]) == as_int(sent["gas"]):
        return OUT_OF_GAS
    call = {"from": sent["from"], "to": sent["to"], "data": sent["input"], "gas": sent["gas"]}
    number = as_int(receipt["blockNumber"])
    for at in (number, number - 1):
        try:
            rpc.call("eth_call", call, hex(at))
        except RpcError as error:
            reason = codec.revert_reason(as_bytes(error.data)) if error.data else None
            return reason or error.message or REASON_UNKNOWN
    return REASON_UNKNOWN
