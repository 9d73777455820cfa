"""Sending, sending again, and the ways in which nonces go wrong: gaps, prices too low, and nonces others have used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from contracts.deploy import Deployment
from contracts.node_refusals import Refusal, refusal_of
from contracts.rpc import Rpc, RpcError, as_bytes, as_int
from contracts.transactions import SignedTransaction, decode_transaction, signed_bytes
from contracts.transactions import UnsignedTransaction as ChainTransaction
from domain.facts import Subject
from domain.hashing import keccak, to_hex
from domain.signing import Signer
from ledger_service.chain import awaiting, stored_transactions
from ledger_service.chain.encoding import EncodedCall
from ledger_service.chain.profile import ChainProfile, bumped_price
from ledger_service.chain.stored_transactions import StoredTransaction
from ledger_service.record import Record

FILL_GAS = 21_000
"""Gas of a transaction that does nothing: it only uses up a nonce."""

SCAN_BATCH_BLOCKS = 50
"""Blocks read at once while looking for transactions that the record does not know."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Foreign:
    """A transaction on the chain from one of our keys that the record does not know (its database was restored)."""

    nonce: int
    to: bytes
    data: bytes
    tx_hash: bytes
    signed: SignedTransaction


@dataclass(slots=True)
class _Sent:
    first_block: int
    last_block: int


class Repair:
    """Keeps signed transactions moving towards a block. Knows in memory only what it may forget."""

    def __init__(
        self,
        *,
        record: Record,
        rpc: Rpc,
        deployment: Deployment,
        signers: Mapping[str, Signer],
        outside: Mapping[str, bytes],
        profile: ChainProfile,
    ) -> None:
        self._record, self._rpc, self._deployment, self._profile = record, rpc, deployment, profile
        self._keys = {key.address: (role, key) for role, key in signers.items()}
        self._senders = frozenset((*self._keys, *outside.values()))
        self._sent: dict[bytes, _Sent] = {}
        self._foreign: dict[tuple[bytes, bytes, bytes], Foreign] = {}
        self._floor: dict[bytes, int] = {}

    # Nonces

    def next_nonce(self, connection: Connection, sender: bytes) -> int:
        """The next free nonce: after the highest one stored, and after all the chain knows of this key."""
        stored = stored_transactions.next_nonce(connection, sender)
        if sender not in self._floor:
            self._floor[sender] = self._chain_nonce(sender)
        return max(stored or 0, self._floor[sender])

    def _chain_nonce(self, sender: bytes) -> int:
        return as_int(self._rpc.call("eth_getTransactionCount", to_hex(sender), "latest"))

    def find_unknown(self) -> None:
        """Index transactions of our keys that the chain has and the record lacks, as after restoring a backup."""
        behind = {}
        with self._record.read() as connection:
            for sender in self._senders:
                self._floor[sender] = self._chain_nonce(sender)
                known = stored_transactions.next_nonce(connection, sender) or 0
                if self._floor[sender] > known:
                    behind[sender] = known
        if behind:
            self._scan(behind)

    def _scan(self, behind: Mapping[bytes, int]) -> None:
        head = self._rpc.block_number()
        for start in range(self._deployment.start_block, head + 1, SCAN_BATCH_BLOCKS):
            numbers = range(start, min(start + SCAN_BATCH_BLOCKS, head + 1))
            for block in self._rpc.batch([("eth_getBlockByNumber", (hex(number), True)) for number in numbers]):
                for sent in block["transactions"] if isinstance(block, Mapping) else ():
                    sender = as_bytes(sent["from"])
                    if sender in behind and as_int(sent["nonce"]) >= behind[sender] and sent["to"] is not None:
                        foreign = _foreign(sent)
                        if foreign is not None:
                            self._foreign[(sender, foreign.to, foreign.data)] = foreign
        _log.warning("chain.unknown_transactions", count=len(self._foreign))

    def foreign(self, *, sender: bytes, call: EncodedCall) -> SignedTransaction | None:
        """This very call, where a record that was lost has sent it before: it is stored then, not sent again."""
        found = self._foreign.get((sender, call.to, call.data))
        return None if found is None else found.signed

    def forget_foreign(self, signed: SignedTransaction) -> None:
        """Note that a transaction is in the record by now."""
        sent = signed.transaction
        if sent.to is not None and self._foreign.pop((signed.sender, sent.to, sent.data), None) is not None:
            _log.info("chain.adopted", tx_hash=to_hex(signed.hash))

    # Sending

    def send(self) -> int:
        """Send what is signed and was not sent lately, and mend what the node refuses; returns how many were sent."""
        with self._record.read() as connection:
            waiting = stored_transactions.pending(connection)
        if not waiting:
            return 0
        head = self._rpc.block_number()
        self._fill_gaps(waiting)
        due = [item for item in waiting if self._is_due(item, head)]
        answers = self._rpc.batch([("eth_sendRawTransaction", (to_hex(item.raw),)) for item in due])
        for item, answer in zip(due, answers, strict=True):
            sent = self._sent.setdefault(item.tx_hash, _Sent(first_block=head, last_block=head))
            sent.last_block = head
            if isinstance(answer, RpcError):
                self._refused(item, answer, waited_blocks=head - sent.first_block)
        return len(due)

    def _is_due(self, item: StoredTransaction, head: int) -> bool:
        sent = self._sent.get(item.tx_hash)
        return sent is None or head - sent.last_block >= self._profile.resend_blocks

    def _refused(self, item: StoredTransaction, error: RpcError, *, waited_blocks: int) -> None:
        match refusal_of(error):
            case Refusal.WRONG_NONCE:
                self._nonce_used(item)
            case Refusal.UNDERPRICED:
                self._reprice(item)
            case Refusal.KNOWN:
                if waited_blocks >= self._profile.reprice_blocks:
                    self._reprice(item)
            case Refusal.OTHER:
                _log.error("chain.refused", key=item.key, error=error.message)
                self._sent.pop(item.tx_hash, None)

    def _reprice(self, item: StoredTransaction) -> None:
        """Sign the same call at a higher price; at the cap it waits as it is."""
        price = bumped_price(profile=self._profile, price_wei=item.gas_price_wei)
        if price is None:
            _log.warning("chain.price_at_cap", key=item.key, gas_price_wei=item.gas_price_wei)
            return
        if item.sender not in self._keys:
            self._ask_sender(item, nonce=item.nonce, gas_price_wei=price)
            return
        self._sign_again(item, nonce=item.nonce, gas_price_wei=price)

    def _ask_sender(self, item: StoredTransaction, *, nonce: int | None, gas_price_wei: int) -> None:
        """Let an organisation that signs for itself sign this call again; `nonce` None: with its next one."""
        with self._record.begin() as tx:
            request = stored_transactions.request_of(tx.connection, item.key)
            awaiting.hand_over(
                tx, request=request, key=item.key, role=item.role, gas_price_wei=gas_price_wei, nonce=nonce
            )

    def _nonce_used(self, item: StoredTransaction) -> None:
        """The chain has this nonce: used by ours (its receipt comes), or by another, then ours takes a new one.

        Nothing is signed anew while the node can't say whether ours is in a block: then it is asked again later.
        """
        with self._record.read() as connection:
            hashes = stored_transactions.attempts(connection, [item.key])
        receipts = self._rpc.batch([("eth_getTransactionReceipt", (to_hex(tx_hash),)) for tx_hash in hashes])
        if any(receipt is not None for receipt in receipts):
            return
        self._floor[item.sender] = self._chain_nonce(item.sender)
        if self._floor[item.sender] <= item.nonce:
            return
        if item.sender not in self._keys:
            self._ask_sender(item, nonce=None, gas_price_wei=item.gas_price_wei)
            return
        with self._record.read() as connection:
            nonce = self.next_nonce(connection, item.sender)
        _log.warning("chain.nonce_taken", key=item.key, nonce=item.nonce, new_nonce=nonce)
        self._sign_again(item, nonce=nonce, gas_price_wei=item.gas_price_wei)

    def _sign_again(self, item: StoredTransaction, *, nonce: int, gas_price_wei: int) -> None:
        _, key = self._keys[item.sender]
        before = decode_transaction(item.raw, chain_id=self._deployment.chain_id)
        signed = ChainTransaction(
            chain_id=self._deployment.chain_id,
            nonce=nonce,
            to=before.to,
            data=before.data,
            gas=before.gas,
            gas_price_wei=gas_price_wei,
        ).sign(key)
        self._store(key=item.key, item=item, signed=signed)
        self._rpc.batch([("eth_sendRawTransaction", (to_hex(signed.raw),))])

    def _fill_gaps(self, waiting: list[StoredTransaction]) -> None:
        """Use up nonces that no transaction of ours holds, so that those after them are not stuck for ever."""
        for sender, (role, key) in self._keys.items():
            ours = {item.nonce for item in waiting if item.sender == sender}
            if not ours:
                continue
            missing = [nonce for nonce in range(self._chain_nonce(sender), max(ours)) if nonce not in ours]
            for nonce in missing:
                self._fill(sender=sender, role=role, key=key, nonce=nonce)

    def _fill(self, *, sender: bytes, role: str, key: Signer, nonce: int) -> None:
        signed = ChainTransaction(
            chain_id=self._deployment.chain_id,
            nonce=nonce,
            to=sender,
            data=b"",
            gas=FILL_GAS,
            gas_price_wei=self._profile.gas_price_wei,
        ).sign(key)
        with self._record.begin() as tx:
            if stored_transactions.holds(tx.connection, sender=sender, nonce=nonce):
                return
            name = f"fill:{to_hex(sender)}:{nonce}"
            stored_transactions.store(
                tx, key=name, request=0, role=role, contract="", function="", about=Subject(), signed=signed
            )
        _log.warning("chain.gap_filled", sender=to_hex(sender), nonce=nonce)
        self._rpc.batch([("eth_sendRawTransaction", (to_hex(signed.raw),))])

    def _store(self, *, key: str, item: StoredTransaction, signed: SignedTransaction) -> None:
        with self._record.begin() as tx:
            stored_transactions.store(
                tx,
                key=key,
                request=0,
                role=item.role,
                contract=item.contract,
                function=item.function,
                about=stored_transactions.subject_of(tx, key),
                signed=signed,
            )


def _foreign(sent: Mapping[str, object]) -> Foreign | None:
    """The transaction as it was signed, so that it can be sent again after a reorg; None if it is none of our form."""
    transaction = ChainTransaction(
        chain_id=0,
        nonce=as_int(sent["nonce"]),
        to=as_bytes(sent["to"]),
        data=as_bytes(sent["input"]),
        gas=as_int(sent["gas"]),
        gas_price_wei=as_int(sent["gasPrice"]),
    )
    tx_hash = as_bytes(sent["hash"])
    raw = signed_bytes(transaction, v=as_int(sent["v"]), r=as_int(sent["r"]), s=as_int(sent["s"]))
    if keccak(raw) != tx_hash:
        return None
    signed = SignedTransaction(transaction=transaction, sender=as_bytes(sent["from"]), raw=raw, hash=tx_hash)
    return Foreign(
        nonce=transaction.nonce, to=as_bytes(sent["to"]), data=transaction.data, tx_hash=tx_hash, signed=signed
    )
