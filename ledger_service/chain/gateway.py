"""The gateway: takes what stages requested, stores it signed, sends it, and says what became of it.

Each step looks at what is already done before it does anything, so that a restart at any point is harmless. A node
that is away makes every step raise `NodeUnavailable` before a fact is changed: the work waits in the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from contracts.deploy import Deployment, check_deployment
from contracts.rpc import Rpc
from contracts.transactions import SignedTransaction
from contracts.transactions import UnsignedTransaction as ChainTransaction
from domain.facts import ChainFailed, ChainIncluded, ChainObserved, ChainRequested, requested_key
from domain.hashing import to_hex
from domain.signing import Signer
from ledger_service.chain import awaiting, observing, stored_transactions
from ledger_service.chain.encoding import Codec, EncodedCall, RequestInvalid
from ledger_service.chain.errors import SignerMissing
from ledger_service.chain.observing import Logged, ObservedTransaction, Observing
from ledger_service.chain.profile import EMBEDDED, ChainProfile, Finality
from ledger_service.chain.repair import Repair
from ledger_service.chain.tables import FAILED, INCLUDED
from ledger_service.chain.transaction_receipts import MinedTransaction, read_mined
from ledger_service.chain.watch import Watch
from ledger_service.outbox import call_of
from ledger_service.record import Cursor, Entry, Record, Transaction, follow

if TYPE_CHECKING:
    from ledger_service.chain.embedded import EmbeddedNode

CURSOR = "chain"
"""Name of the gateway's cursor over `chain.requested`."""

TAKE_MAX = 500
"""Requests signed in one database transaction."""

Happening = MinedTransaction | ObservedTransaction
"""A transaction that came into a block: of ours, or of somebody else."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """What one step did, in transactions; `observed` are those of others."""

    taken: int
    sent: int
    included: int
    failed: int
    observed: int
    rewound: int


@dataclass(frozen=True, slots=True)
class _Taken:
    """A request whose transaction is signed; `sequence` is that of the request."""

    wanted: ChainRequested
    signed: SignedTransaction
    sequence: int

    def record(self, tx: Transaction) -> None:
        """Store it."""
        asked = self.wanted
        names = {"key": asked.key, "role": asked.role.value, "contract": asked.contract, "function": asked.function}
        stored_transactions.store(tx, **names, about=asked.about, request=self.sequence, signed=self.signed)


@dataclass(frozen=True, slots=True)
class _Refused:
    """A request that names no call of the contracts."""

    wanted: ChainRequested
    error: RequestInvalid

    def record(self, tx: Transaction) -> None:
        """Say that it failed."""
        asked = self.wanted
        _log.error("chain.request_invalid", key=asked.key, reason=self.error.reason)
        fact = ChainFailed(
            key=asked.key,
            contract=asked.contract,
            function=asked.function,
            about=asked.about,
            reason=str(self.error),
        )
        tx.append(fact, key=f"{fact.KIND}:{asked.key}")


@dataclass(frozen=True, slots=True)
class _HandedOver:
    """A request whose sender is an organisation that signs for itself; `sequence` is that of the request."""

    wanted: ChainRequested
    sequence: int
    gas_price_wei: int

    def record(self, tx: Transaction) -> None:
        """Let it wait for its sender."""
        awaiting.hand_over(
            tx,
            request=self.sequence,
            key=self.wanted.key,
            role=self.wanted.role.value,
            gas_price_wei=self.gas_price_wei,
            nonce=None,
        )


class Gateway:
    """Sends for the keys it holds, to one node, on one chain. One step at a time; not for several threads."""

    def __init__(
        self,
        *,
        record: Record,
        rpc: Rpc,
        deployment: Deployment,
        signers: Mapping[str, Signer],
        outside: Mapping[str, bytes] | None = None,
        profile: ChainProfile = EMBEDDED,
    ) -> None:
        self.record, self.rpc, self.deployment, self.profile = record, rpc, deployment, profile
        self._signers, self._outside = dict(signers), dict(outside or {})
        self._codec = Codec(deployment)
        self._cursor = Cursor(CURSOR)
        self._repair = Repair(
            record=record,
            rpc=rpc,
            deployment=deployment,
            signers=self._signers,
            outside=self._outside,
            profile=profile,
        )
        self._proven = profile.finality is Finality.CLIQUE
        self._observing = Observing(
            record=record, rpc=rpc, codec=self._codec, deployment=deployment, proven=self._proven
        )
        self._watch = Watch(record=record, rpc=rpc, profile=profile, genesis_hash=deployment.genesis_hash)

    @classmethod
    def open(
        cls,
        *,
        record: Record,
        rpc: Rpc,
        deployment: Deployment,
        signers: Mapping[str, Signer],
        outside: Mapping[str, bytes] | None = None,
        profile: ChainProfile = EMBEDDED,
    ) -> Gateway:
        """A gateway to a node that proved to be the deployment's.

        `outside` are the addresses of roles that sign for themselves: their calls wait for them (chain.awaiting).
        Raises WrongChain, WrongGenesis, ContractMissing or CodeWrong for another node, NodeUnavailable for none.
        """
        check_deployment(rpc=rpc, deployment=deployment)
        gateway = cls(
            record=record,
            rpc=rpc,
            deployment=deployment,
            signers=signers,
            outside=outside,
            profile=profile,
        )
        gateway._repair.find_unknown()
        return gateway

    def step(self) -> Progress:
        """Once through everything, on a chain that makes its own blocks. Raises NodeUnavailable."""
        rewound = self._watch.rewind()
        taken = self.take()
        mined = self.collect()
        sent = self._repair.send()
        self._watch.finalise()
        return _progress(taken=taken, sent=sent, mined=mined, rewound=rewound)

    def flush(self, *, node: EmbeddedNode, timestamp: int) -> Progress:
        """Everything requested so far into one block at this block time (unix seconds), on the embedded node."""
        taken = self.take()
        waiting = self.pending()
        node.mine(timestamp=timestamp, transactions=[(item.tx_hash, item.raw) for item in waiting])
        mined = self.collect()
        if mined:
            self._watch.finalise()
        if sum(isinstance(item, MinedTransaction) for item in mined) < len(waiting):
            self._repair.send()  # the node refused some: their nonces are filled, so that later ones are not stuck
        return _progress(taken=taken, sent=len(waiting), mined=mined, rewound=0)

    def take(self) -> int:
        """Sign and store what was requested since; returns how many requests were taken."""
        total = 0
        for batch in follow(self.record, self._cursor, [ChainRequested], limit=TAKE_MAX):
            taken = self._signed(batch.entries)
            with batch.begin() as tx:
                for item in taken:
                    item.record(tx)
            for item in taken:
                if isinstance(item, _Taken):
                    self._repair.forget_foreign(item.signed)
            total += len(taken)
        return total

    def _signed(self, entries: Sequence[Entry]) -> list[_Taken | _HandedOver | _Refused]:
        """What becomes of these requests: encoded and signed with the next nonces, handed over, or refused.

        The nonces are still free when they are stored: nobody but the reader of this cursor gives nonces of our keys.
        """
        taken: list[_Taken | _HandedOver | _Refused] = []
        nonces: dict[bytes, int] = {}
        with self.record.read() as connection:
            for entry in entries:
                wanted = entry.as_a(ChainRequested)
                try:
                    call = self._codec.encode(call_of(wanted), key=wanted.key, gas_max=self.profile.transaction_gas_max)
                except RequestInvalid as error:
                    taken.append(_Refused(wanted=wanted, error=error))
                    continue
                signer = self._signers.get(wanted.role)
                signed = self._repair.foreign(sender=self._sender(wanted.role), call=call)
                if any(isinstance(item, _Taken) and item.signed == signed for item in taken):
                    signed = None
                if signed is None and signer is None:
                    price = self.profile.gas_price_wei
                    taken.append(_HandedOver(wanted=wanted, sequence=entry.sequence, gas_price_wei=price))
                    continue
                if signed is None and signer is not None:
                    if signer.address not in nonces:
                        nonces[signer.address] = self._repair.next_nonce(connection, signer.address)
                    signed = self._sign(call, nonce=nonces[signer.address], signer=signer)
                    nonces[signer.address] += 1
                if signed is not None:
                    taken.append(_Taken(wanted=wanted, signed=signed, sequence=entry.sequence))
        return taken

    def _sender(self, role: str) -> bytes:
        """The address that sends for a role. Raises SignerMissing."""
        signer = self._signers.get(role)
        if signer is not None:
            return signer.address
        if role not in self._outside:
            raise SignerMissing(role=role)
        return self._outside[role]

    def _sign(self, call: EncodedCall, *, nonce: int, signer: Signer) -> SignedTransaction:
        return ChainTransaction(
            chain_id=self.deployment.chain_id,
            nonce=nonce,
            to=call.to,
            data=call.data,
            gas=call.gas,
            gas_price_wei=self.profile.gas_price_wei,
        ).sign(signer)

    def pending(self) -> list[stored_transactions.StoredTransaction]:
        """What is signed and in no block yet, in sending order."""
        with self.record.read() as connection:
            return stored_transactions.pending(connection)

    def collect(self) -> list[Happening]:
        """Append what the chain did since, in its order.

        That is `chain.included` or `chain.failed` for every transaction of ours that came into a block, and
        `chain.observed` for those of others that our contracts tell of.
        """
        logged = self._observing.logged()
        with self.record.read() as connection:
            waiting = stored_transactions.pending(connection)
            hashes = stored_transactions.attempts(connection, [item.key for item in waiting])
        mined = read_mined(rpc=self.rpc, codec=self._codec, waiting=waiting, hashes=hashes, proven=self._proven)
        with self.record.read() as connection:
            observed = self._observing.read(connection, logged)
        if observed is None or not self._is_whole(logged, waiting=hashes, mined=mined):
            return []  # the chain moved while it was read: it is read again
        found = [item for item in mined if item.block <= logged.head.number]
        happened: list[Happening] = sorted([*found, *observed], key=lambda item: (item.block, item.place))
        if happened:
            with self.record.begin() as tx:
                tx.preload(_fact_key(transaction) for transaction in found)
                tx.preload(requested_key(transaction.key) for transaction in found)
                for transaction in happened:
                    _append(tx, transaction)
                if found:
                    stored_transactions.place_all(tx, [_placed(transaction) for transaction in found])
                self._watch.note(tx, happened)
        self._observing.seen(logged)
        return happened

    def _is_whole(self, logged: Logged, *, waiting: Mapping[bytes, str], mined: Sequence[MinedTransaction]) -> bool:
        """Whether each transaction of ours that the logs show has its receipt: else others would come before it."""
        read = {item.tx_hash for item in mined}
        keys = {item.key for item in mined}
        return all(item in read or waiting[item] in keys for item in logged.blocks if item in waiting)

    def head(self) -> int:
        """Number of the newest block."""
        return self.rpc.block_number()


def _append(tx: Transaction, transaction: Happening) -> None:
    """The fact of a transaction; one more where a block that was gone has come back and holds it again."""
    fact: ChainIncluded | ChainFailed | ChainObserved
    if isinstance(transaction, ObservedTransaction):
        fact = transaction.fact()
        observing.note(tx, transaction)
    else:
        fact = transaction.fact(stored_transactions.subject_of(tx, transaction.key))
        observing.adopt(tx, transaction.tx_hash)
    key, times = _fact_key(transaction), 1
    while tx.append(fact, key=key).repeated:
        times += 1
        key = f"{_fact_key(transaction)}:{times}"


def _fact_key(transaction: Happening) -> str:
    kind = ChainObserved.KIND if isinstance(transaction, ObservedTransaction) else transaction.kind.KIND
    return f"{kind}:{to_hex(transaction.tx_hash)}:{to_hex(transaction.block_hash)[:18]}"


def _placed(transaction: MinedTransaction) -> stored_transactions.Placed:
    return stored_transactions.Placed(
        key=transaction.key,
        status=INCLUDED if transaction.reason is None else FAILED,
        tx_hash=transaction.tx_hash,
        block_number=transaction.block,
        block_hash=transaction.block_hash,
    )


def _progress(*, taken: int, sent: int, mined: Sequence[Happening], rewound: int) -> Progress:
    ours = [item for item in mined if isinstance(item, MinedTransaction)]
    failed = sum(item.reason is not None for item in ours)
    return Progress(
        taken=taken,
        sent=sent,
        included=len(ours) - failed,
        failed=failed,
        observed=len(mined) - len(ours),
        rewound=rewound,
    )
