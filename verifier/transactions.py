"""Transactions and blocks: what the journal says it sent is what the chain did, and all that it did.

Source: docs/evidence.md sections 2 (no entry may be missing) and 3 (`chain.*`, `block.mined`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from verifier.chain import GRACE_SECONDS, Chain, Event, journalled_args
from verifier.evidence import Evidence
from verifier.form import as_json, unhex
from verifier.hashes import keccak, tohex
from verifier.journal import Erasures
from verifier.kinds import EVENT_OF_KIND, HOLDERS_KINDS, PUBLIC_KINDS
from verifier.participants import Waiting
from verifier.rlp import RawTransaction, read_transaction
from verifier.transaction_facts import (
    BlockMined,
    ChainFailed,
    ChainIncluded,
    ChainObserved,
    ChainRequested,
    ChainRewound,
    ChainSigned,
    Subject,
    TransactionEvent,
)

Told = ChainSigned | ChainIncluded | ChainFailed | ChainRewound
"""Facts about a request, each of which says what was asked for."""

SENDERS = ("operator", "treasurer", "registrar")
"""Roles whose transactions the journal must hold."""

DEPLOYED = "constructor"
UNASKED = ("", DEPLOYED)
"""Functions that nobody asks for: the filling of a gap of nonces, and a deployment."""


PASSED_OVER = ("ReadingsPassedOver", "ClearingPassedOver")
"""Events that say what a batch left as it was: transactions that did nothing else need no entry."""

ATTESTED = "ReadingsAttested"
"""The event of an attestation; whoever tells one asks for it in the next entries."""


@dataclass(frozen=True, slots=True)
class Request:
    """A transaction that was asked for, by the entry that did."""

    sequence: int
    key: str
    role: str
    contract: str
    function: str
    about: Subject


@dataclass(frozen=True, slots=True)
class Sent:
    """A signed transaction, without its bytes."""

    key: str
    nonce: int
    gas_price_wei: int
    sender: str
    contract: str
    function: str
    about: Subject


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a request, or of a transaction that nobody asked for, by the entry that says so."""

    sequence: int
    fact: ChainIncluded | ChainFailed | ChainObserved


class Transactions:
    """Requests, signed transactions and their outcomes."""

    def __init__(self, evidence: Evidence, erasures: Erasures) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self._erasures = erasures
        self._requests: dict[str, Request] = {}  # by key
        self._request_sequences: set[int] = set()
        self._sent: dict[str, Sent] = {}  # by transaction
        self._done: dict[str, Done] = {}  # the last outcome by key

    # ---- facts

    def requested(self, fact: ChainRequested) -> None:
        """Once under each key."""
        self._report.none("keys requested twice", {fact.key} & self._requests.keys())
        sequence = self._evidence.at.sequence
        self._requests[fact.key] = Request(sequence, fact.key, fact.role, fact.contract, fact.function, fact.about)
        self._request_sequences.add(sequence)

    def signed(self, fact: ChainSigned) -> None:
        """Its hash is that of its bytes, which say who calls what; it was asked for."""
        raw = unhex(fact.raw)
        self._report.same("tx_hash", fact.tx_hash, tohex(keccak(raw)), "raw gives")
        with self._report.part("raw"):
            told = read_transaction(raw, self._evidence.sign.chain_id)
            target = None if fact.function == DEPLOYED else self._evidence.contracts.get(fact.contract, fact.sender)
            due = RawTransaction(fact.sender, target, fact.nonce, fact.gas_price_wei)
            self._report.same("sender, target, nonce and gas price", due, told, "raw gives")
        call = (fact.contract, fact.function, fact.about)
        self._sent[fact.tx_hash] = Sent(fact.key, fact.nonce, fact.gas_price_wei, fact.sender, *call)
        if fact.function in UNASKED:
            self._report.same("about", fact.about, Subject(), "nobody asked for it, so it is about")
        else:
            asked = self._requests[fact.key]
            self._report.same("role", fact.role, asked.role, "chain.requested holds")
            self._check_same_call(fact, asked, "chain.requested holds")

    def _check_same_call(self, fact: Told, other: Request | Sent, source: str) -> None:
        """Key, contract, function and what it is about are those of an earlier entry."""
        told, due = (
            {"key": each.key, "contract": each.contract, "function": each.function, "about": as_json(each.about)}
            for each in (fact, other)
        )
        self._report.same("request", told, due, source)

    def done(self, fact: ChainIncluded | ChainFailed) -> None:
        """Of a transaction of this key, or of one that never was; the last outcome of a key counts."""
        if fact.tx_hash is not None:
            self._check_same_call(fact, self._sent[fact.tx_hash], "chain.signed holds")
        else:
            self._check_same_call(fact, self._requests[fact.key], "chain.requested holds")
        self._done[fact.key] = Done(self._evidence.at.sequence, fact)
        if isinstance(fact, ChainIncluded):
            self._note_final(fact.events)

    def observed(self, fact: ChainObserved) -> None:
        """No other entry tells this transaction at the same time."""
        self._report.none("transactions told twice", {fact.key} & self._done.keys())
        self._done[fact.key] = Done(self._evidence.at.sequence, fact)
        self._note_final(fact.events)

    def _note_final(self, events: Iterable[TransactionEvent]) -> None:
        for event in events:
            if event.event == "PeriodFinalised":
                period = (str(event.args["area"]), int(event.args["period"]))
                self._erasures.final_at[period] = self._evidence.at.sequence

    def rewound(self, fact: ChainRewound) -> None:
        """The outcome of its key is withdrawn. Raises KeyError where there was none."""
        done = self._done.pop(fact.key)
        if isinstance(done.fact, ChainObserved):
            about = (fact.contract, fact.function, fact.about, fact.tx_hash)
            self._report.same("call", about, ("", "", Subject(), done.fact.tx_hash), "chain.observed holds")
        else:
            self._check_same_call(fact, self._sent[fact.tx_hash], "chain.signed holds")

    def block_mined(self, fact: BlockMined) -> None:
        """As the node has it."""
        chain = self._evidence.chain
        unlisted = {tohex(keccak(unhex(raw))) for raw in fact.others} - set(fact.transactions)
        self._report.none("transactions of others that the block does not list", unlisted)
        if chain is None or fact.number > chain.height:
            return
        block = chain.block(fact.number)
        told = {"timestamp": fact.timestamp, "transactions": list(fact.transactions)}
        held = {"timestamp": block.timestamp, "transactions": list(block.transactions)}
        self._report.same("block", told, held, "the node holds")

    # ---- what others ask

    def request_of(self, tx: str) -> int:
        """Entry that asked for a transaction, 0 where none did."""
        sent = self._sent.get(tx)
        asked = self._requests.get(sent.key) if sent else None
        return asked.sequence if asked else 0

    def are_requests(self, sequences: Iterable[int]) -> bool:
        """Whether all these entries ask for transactions."""
        return self._request_sequences.issuperset(sequences)

    # ---- the whole journal against the chain

    def check_outcomes(self, chain: Chain) -> None:
        """Outcomes are those of the chain: the receipt, the block's time, and the decoded logs."""
        logs = defaultdict[str, list[Any]](list)
        for event in chain.events:
            if event.name:
                logs[event.tx].append([event.contract, event.name, event.args])
        told = [done.fact.tx_hash for done in self._done.values() if done.fact.tx_hash is not None]
        self._report.none("transactions told twice", [tx for tx, times in Counter(told).items() if times > 1])
        for done in self._done.values():
            fact = done.fact
            with self._report.on(f"journal.jsonl entry {done.sequence} {KIND_OF_OUTCOME[type(fact)]}", "transaction"):
                if isinstance(fact, ChainObserved):
                    self._check_observed(chain, fact, logs[fact.tx_hash])
                elif fact.tx_hash is not None:
                    self._check_outcome(chain, fact, fact.tx_hash, logs[fact.tx_hash])

    def _check_observed(self, chain: Chain, fact: ChainObserved, logs: list[Any]) -> None:
        """Its block, sender and events are those of the chain, and it succeeded."""
        held, block = chain.outcome(fact.tx_hash), chain.block(fact.block)
        found = chain.sent(held.block, fact.tx_hash)
        told = (fact.block, fact.block_hash, fact.block_time, fact.sender, True)
        there = (held.block, held.block_hash, block.timestamp, found.sender if found else "nobody", held.success)
        self._report.same("block, its hash and time, sender and success", told, there, "the node holds")
        self._check_events(fact.events, logs)

    def _check_events(self, events: Iterable[TransactionEvent], logs: list[Any]) -> None:
        journalled = [[item.contract, item.event, journalled_args(item.args)] for item in events]
        self._report.same("events", journalled, logs, "the chain has")

    def _check_outcome(self, chain: Chain, fact: ChainIncluded | ChainFailed, tx: str, logs: list[Any]) -> None:
        """Block, gas and success are those of the receipt, the sender's members those of the block, events those of the
        logs (evidence.md section 3, `chain.included`)."""
        report, held = self._report, chain.outcome(tx)
        told = {
            "block": fact.block,
            "block_hash": fact.block_hash,
            "gas_used": fact.gas_used,
            "block_time": fact.block_time,
            "success": isinstance(fact, ChainIncluded),
        }
        due = {
            "block": held.block,
            "block_hash": held.block_hash,
            "gas_used": held.gas_used,
            "block_time": chain.block(held.block).timestamp,
            "success": held.success,
        }
        report.same("outcome", told, due, "the node holds")
        sent, found = self._sent[tx], chain.sent(held.block, tx)
        target = chain.contracts.get(sent.contract, sent.sender)
        mine = (sent.nonce, sent.gas_price_wei, sent.sender, target)
        there = (found.nonce, found.gas_price_wei, found.sender, found.target) if found else ("nothing",)
        report.same("nonce, gas price, sender and contract", mine, there, "the node holds")
        self._check_events(fact.events if isinstance(fact, ChainIncluded) else (), logs)

    def check_complete(self, chain: Chain, waiting: Iterable[Waiting], is_erased: Callable[[str], bool]) -> None:
        """All that the chain did until the bundle's anchor stands in the journal, and what was asked of it was done.
        `is_erased`: whether the attestations of a transaction are."""
        last = self._evidence.at.sequence
        anchors = [event for event in chain.named("HeadAnchored") if event.args["sequence"] < last]
        end = anchors[-1].block if anchors else chain.height
        covered = {done.fact.tx_hash for done in self._done.values()}
        senders = {key for role in SENDERS for key in chain.holders(role)}
        missing = []
        did = {event.tx for event in chain.events if event.name not in PASSED_OVER}
        for event in chain.events:
            kind = KIND_OF_EVENT.get(event.name)
            if kind is None or not (self._evidence.opened or kind in PUBLIC_KINDS):
                continue
            sent_itself = kind in HOLDERS_KINDS and f"observed:{event.tx}" in self._done
            if not (self._evidence.is_told(event) or sent_itself or self._is_excused(kind, event.tx, is_erased)):
                missing.append((event.block, f"{event.name} {event.args}"))
            if self._evidence.opened and event.tx not in covered and event.tx in did:
                sent = chain.sent(event.block, event.tx)
                if sent is not None and sent.sender in senders:
                    missing.append((event.block, f"transaction {event.tx}"))
        shown = max((done.fact.block or 0 for done in self._done.values()), default=0)
        late = []
        for block, what in missing:  # a block before the last that the journal shows, or an hour before its anchor
            if block < end and (block < shown or chain.seconds(block, end) > GRACE_SECONDS):
                late.append(f"block {block}: {what}")
            elif block < end:
                self._report.gap("events not in the journal yet")
        self._report.none("events and transactions on chain without an entry", late)
        for item in waiting:
            self._check_came(chain, item, anchors, end)

    def _is_excused(self, kind: str, tx: str, is_erased: Callable[[str], bool]) -> bool:
        """Whether the entry of this kind that told the transaction's event is erased."""
        return is_erased(tx) if kind == "reading.attested" else self._erasures.excuse(kind, tx)

    def _check_came(self, chain: Chain, item: Waiting, anchors: list[Event], end: int) -> None:
        """A fact whose event had not come: its request failed, or may still come; else it is missing."""
        outcomes = [self._done.get(asked.key) for asked in self._asked_for(item)]
        never = item.event == ATTESTED and not outcomes
        if any(done is not None and isinstance(done.fact, ChainFailed) for done in outcomes):
            self._report.counts[f"failed on chain: {item.event}"] += 1
            return
        place = {key: item.keys[key] for key in ("area", "mtu") if item.event == ATTESTED}
        if place and chain.find("ReadingsPassedOver", place) is not None:
            self._report.counts[f"passed over on chain: {item.event}"] += 1
            return
        passed = [event for event in anchors if event.args["sequence"] >= item.sequence]
        overdue = any(chain.seconds(event.block, end) > GRACE_SECONDS for event in passed)
        if never or overdue or (outcomes and all(outcomes)):
            self._report.fail(f"entry {item.sequence}: the chain has no {item.event} of {dict(item.keys)}")
        else:
            self._report.counts[f"not on chain yet: {item.event}"] += 1

    def _asked_for(self, item: Waiting) -> list[Request]:
        """What a fact asked for: the first request after it; attestations ask page by page, so all that follow them
        at once."""
        later = sorted((asked for asked in self._requests.values() if asked.sequence > item.sequence), key=_sequence)
        if item.event != ATTESTED:
            return later[:1]
        return [asked for at, asked in enumerate(later, item.sequence + 1) if asked.sequence == at]


def _sequence(asked: Request) -> int:
    return asked.sequence


KIND_OF_OUTCOME = {ChainIncluded: "chain.included", ChainFailed: "chain.failed", ChainObserved: "chain.observed"}

KIND_OF_EVENT = {event: kind for kind, event in EVENT_OF_KIND.items()}
