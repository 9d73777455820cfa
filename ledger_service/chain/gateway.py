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
from contracts.transactions import Transaction as ChainTransaction
from domain.hashing import to_hex
from domain.signing import SigningKey
from ledger_service.chain import outbox
from ledger_service.chain.encoding import Codec, EncodedCall, Request, RequestInvalid
from ledger_service.chain.errors import SignerMissing
from ledger_service.chain.finality import final_block
from ledger_service.chain.profile import EMBEDDED, ChainProfile, Finality
from ledger_service.chain.receipts import Outcome, read_outcomes
from ledger_service.chain.repair import Repair
from ledger_service.chain.tables import FAILED, INCLUDED
from ledger_service.chain.watch import Watch
from ledger_service.record import Entry, Record, Transaction

if TYPE_CHECKING:
    from ledger_service.chain.embedded import EmbeddedNode

CURSOR = "chain"
"""Name of the gateway's cursor over `chain.requested`."""

TAKE_MAX = 500
"""Requests signed in one database transaction."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """What one step did, in transactions."""

    taken: int
    sent: int
    included: int
    failed: int
    rewound: int


class Gateway:
    """Sends for the keys it holds, to one node, on one chain. One step at a time; not for several threads."""

    def __init__(
        self,
        *,
        record: Record,
        rpc: Rpc,
        deployment: Deployment,
        signers: Mapping[str, SigningKey],
        profile: ChainProfile = EMBEDDED,
    ) -> None:
        self.record, self.rpc, self.deployment, self.profile = record, rpc, deployment, profile
        self._signers = dict(signers)
        self._codec = Codec(deployment)
        self._repair = Repair(record=record, rpc=rpc, deployment=deployment, signers=self._signers, profile=profile)
        self._watch = Watch(record=record, rpc=rpc, profile=profile, genesis_hash=deployment.genesis_hash)

    @classmethod
    def open(
        cls,
        *,
        record: Record,
        rpc: Rpc,
        deployment: Deployment,
        signers: Mapping[str, SigningKey],
        profile: ChainProfile = EMBEDDED,
    ) -> Gateway:
        """A gateway to a node that proved to be the deployment's.

        Raises WrongChain, WrongGenesis, ContractMissing or CodeWrong for another node, NodeUnavailable for none.
        """
        check_deployment(rpc=rpc, deployment=deployment)
        gateway = cls(record=record, rpc=rpc, deployment=deployment, signers=signers, profile=profile)
        gateway._repair.find_unknown()
        return gateway

    def step(self) -> Progress:
        """Once through everything, on a chain that makes its own blocks. Raises NodeUnavailable."""
        rewound = self._watch.rewind()
        taken = self.take()
        outcomes = self.collect()
        sent = self._repair.send()
        self._watch.finalise()
        return _progress(taken=taken, sent=sent, outcomes=outcomes, rewound=rewound)

    def flush(self, *, node: EmbeddedNode, timestamp: int) -> Progress:
        """Everything requested so far into one block at this block time (unix seconds), on the embedded node."""
        taken = self.take()
        waiting = self.pending()
        node.mine(timestamp=timestamp, transactions=[(item.tx_hash, item.raw) for item in waiting])
        outcomes = self.collect()
        if outcomes:
            self._watch.finalise()
        if len(outcomes) < len(waiting):
            self._repair.send()  # the node refused some: their nonces are filled, so that later ones are not stuck
        return _progress(taken=taken, sent=len(waiting), outcomes=outcomes, rewound=0)

    def take(self) -> int:
        """Sign and store what was requested since; returns how many requests were taken."""
        total = 0
        while True:
            with self.record.begin() as tx:
                entries = tx.entries(after=tx.cursor(CURSOR), kinds=["chain.requested"], limit=TAKE_MAX)
                for entry in entries:
                    self._take_one(tx, entry)
                if entries:
                    tx.advance(CURSOR, entries[-1].sequence)
            total += len(entries)
            if len(entries) < TAKE_MAX:
                return total

    def _take_one(self, tx: Transaction, entry: Entry) -> None:
        try:
            wanted = Request.from_payload(entry.content())
            call = self._codec.encode(wanted, gas_max=self.profile.transaction_gas_max)
        except RequestInvalid as error:
            _log.error("chain.request_invalid", key=error.key, reason=error.reason)
            tx.append("chain.failed", {"key": error.key, "reason": str(error)}, key=f"chain.failed:{error.key}")
            return
        signer = self._signers.get(wanted.role)
        if signer is None:
            raise SignerMissing(role=wanted.role)
        if self._repair.adopt(tx, wanted=wanted, call=call, request=entry.sequence):
            return
        self._sign(tx, wanted=wanted, call=call, signer=signer, sequence=entry.sequence)

    def _sign(self, tx: Transaction, *, wanted: Request, call: EncodedCall, signer: SigningKey, sequence: int) -> None:
        signed = ChainTransaction(
            chain_id=self.deployment.chain_id,
            nonce=self._repair.next_nonce(tx.connection, signer.address),
            to=call.to,
            data=call.data,
            gas=call.gas,
            gas_price_wei=self.profile.gas_price_wei,
        ).sign(signer)
        outbox.store(
            tx,
            key=wanted.key,
            request=sequence,
            role=wanted.role,
            contract=wanted.call.contract,
            function=wanted.call.function,
            signed=signed,
        )

    def pending(self) -> list[outbox.Stored]:
        """What is signed and in no block yet, in sending order."""
        with self.record.read() as connection:
            return outbox.pending(connection)

    def collect(self) -> list[Outcome]:
        """Append `chain.included` or `chain.failed` for every transaction that came into a block."""
        with self.record.read() as connection:
            waiting = outbox.pending(connection)
            hashes = outbox.attempts(connection, [item.key for item in waiting])
        outcomes = read_outcomes(
            rpc=self.rpc,
            codec=self._codec,
            waiting=waiting,
            hashes=hashes,
            proven=self.profile.finality is Finality.CLIQUE,
        )
        if outcomes:
            with self.record.begin() as tx:
                tx.preload(_fact_key(outcome) for outcome in outcomes)
                for outcome in outcomes:
                    _append(tx, outcome)
                outbox.place_all(tx, [_placed(outcome) for outcome in outcomes])
                self._watch.note(tx, outcomes)
        return outcomes

    def final_block(self) -> int:
        """Number of the newest final block; redemption and `finalise` wait for it."""
        return final_block(rpc=self.rpc, profile=self.profile, genesis_hash=self.deployment.genesis_hash)

    def head(self) -> int:
        """Number of the newest block."""
        return self.rpc.block_number()


def _append(tx: Transaction, outcome: Outcome) -> None:
    """The fact of an outcome; one more where a block that was gone has come back and holds it again."""
    kind, payload = outcome.fact()
    key, times = _fact_key(outcome), 1
    while tx.append(kind, payload, key=key).repeated:
        times += 1
        key = f"{_fact_key(outcome)}:{times}"


def _fact_key(outcome: Outcome) -> str:
    return f"{outcome.fact()[0]}:{to_hex(outcome.tx_hash)}:{to_hex(outcome.block_hash)[:18]}"


def _placed(outcome: Outcome) -> outbox.Placed:
    return outbox.Placed(
        key=outcome.key,
        status=INCLUDED if outcome.reason is None else FAILED,
        tx_hash=outcome.tx_hash,
        block_number=outcome.block,
        block_hash=outcome.block_hash,
    )


def _progress(*, taken: int, sent: int, outcomes: Sequence[Outcome], rewound: int) -> Progress:
    failed = sum(outcome.reason is not None for outcome in outcomes)
    return Progress(taken=taken, sent=sent, included=len(outcomes) - failed, failed=failed, rewound=rewound)
