"""The journal: its hash chain, the head that the chain anchors, and what erasures excuse.

Sources: docs/protocol.md section 6 (hashes), docs/evidence.md section 2 (form, completeness, erasure).
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from verifier.chain import Event, journalled_args
from verifier.evidence import Evidence, Place
from verifier.facts import AuditSigned, ErasureDone
from verifier.form import Json, canonical, parse, record, unhex, whole
from verifier.hashes import ZERO, ZERO_HEX, keccak, tohex
from verifier.kinds import ERASABLE_KINDS, PUBLIC_KINDS
from verifier.transaction_facts import ChainIncluded, ChainObserved, ChainRewound

OPEN_MEMBERS = frozenset({"sequence", "kind", "salt", "payload", "hash"})
CLOSED_MEMBERS = frozenset({"sequence", "kind", "payload_hash", "hash"})

JOURNAL = "journal.jsonl"

PeriodKey = tuple[str, int]
"""Area id and number."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry's place and kind, and where its line stands in the file (None: its payload is closed)."""

    place: Place
    kind: str
    span: slice | None


class Erasures:
    """What was erased, and what that excuses: one check for each erased entry, counted (evidence.md section 2)."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.kinds: dict[int, str] = {}  # by sequence
        self.tags: set[str] = set()
        self.final_at: dict[PeriodKey, int] = {}  # entry by which a period was Final
        self._by: dict[int, int] = {}  # sequence of the erasure.done by that of the erased entry
        self._excused: dict[tuple[str, Hashable], int] = {}
        self._needed: set[tuple[int, PeriodKey | None]] = set()
        self._heads: Mapping[int, str] = {}  # hashes of entries
        self._audits: list[tuple[int, int]] = []  # where one stands in the journal, and up to which entry it goes

    def take(
        self, facts: Iterable[tuple[int, ErasureDone]], closed: Mapping[int, str], heads: Mapping[int, str]
    ) -> None:
        """The journal's erasures, and by sequence its closed entries and the hashes of all."""
        self._heads = heads
        for number, fact in facts:
            self._by |= {sequence: number for sequence in fact.sequences if sequence < number}
            self.tags |= set(fact.tags)
        self.kinds = {n: kind for n, kind in closed.items() if n in self._by and kind in ERASABLE_KINDS}
        self._evidence.report.counts["erased"] = len(self.kinds)

    def excuse(self, kind: str, what: Hashable, period: PeriodKey | None = None) -> bool:
        """Whether a check that needed an entry of this kind is passed over, because such an entry before the one at
        hand is erased and has excused no other check. `period` is the one that needed it."""
        if (kind, what) not in self._excused:
            taken = set(self._excused.values())
            free = [
                sequence
                for sequence, erased in self.kinds.items()
                if erased == kind and sequence < self._evidence.at.sequence and sequence not in taken
            ]
            if not free:
                return False
            self._excused[kind, what] = max(free)
            self._evidence.report.gap(f"not verified because erased: {kind}")
        self._needed.add((self._excused[kind, what], period))
        return True

    def need(self, sequence: int, periods: Iterable[PeriodKey]) -> None:
        """An erased entry belonged to the trading of these periods."""
        self._needed |= {(sequence, period) for period in periods}

    def last_before(self, kind: str, sequence: int) -> int | None:
        """The last erased entry of a kind before an entry."""
        return max((n for n, erased in self.kinds.items() if erased == kind and n < sequence), default=None)

    def audit_signed(self, fact: AuditSigned) -> None:
        """Signed by an auditor over the head as it was."""
        report, anchors, at = self._evidence.report, self._evidence.anchors, self._evidence.at.sequence
        signer = self._evidence.sign.signer(fact.signature, "Audit", fact.sequence, fact.head)
        report.same("auditor", fact.auditor, signer, "Audit is signed by")
        report.none("auditors unknown to the trust anchors", {signer} - anchors.auditors if anchors else ())
        report.same("head", fact.head, self._heads[whole(fact.sequence, 1, at - 1)], "the entry's hash is")
        self._audits.append((at, fact.sequence))

    def check_done(self, fact: ErasureDone) -> None:
        """Both lists ascend."""
        self._evidence.report.ascending("sequences", fact.sequences)
        self._evidence.report.ascending("tags", fact.tags)

    def tell_unknown(self) -> None:
        """Which orders are erased, and of which other kinds something."""
        unknown = self._evidence.report.unknown
        unknown.tags = sorted(self.tags)
        unknown.unbounded = sorted(set(self.kinds.values()) - BOUNDED_KINDS)

    def check_in_time(self) -> None:
        """Nothing was erased before each period that needs it was Final, and an auditor had found all of it clean."""
        evidence = self._evidence
        if not (evidence.opened or evidence.chain):
            return
        due = {sequence: sequence for sequence in self.kinds}  # the entry that an audit must go up to
        for sequence, period in sorted(self._needed, key=str):
            if period is None:
                continue
            final = self.final_at.get(period)
            if final is None and evidence.chain is not None:
                keys = dict(zip(("area", "period"), period, strict=True))
                final = 0 if evidence.chain.find("PeriodFinalised", keys) else None
            if final is None or final > self._by[sequence]:
                evidence.report.fail(
                    f"entry {sequence} {self.kinds[sequence]} was erased before period {period[1]} was Final"
                )
            due[sequence] = max(due[sequence], final or 0)
        for sequence, end in sorted(due.items()):
            if not any(at < self._by[sequence] and audited >= end for at, audited in self._audits):
                evidence.report.fail(
                    f"entry {sequence} {self.kinds[sequence]} was erased before an auditor had found all up to entry"
                    f" {end} clean"
                )


BOUNDED_KINDS = frozenset({"order.accepted", "program.validated", "reading.attested"})
"""Kinds of which the verifier says how much money hangs on what is erased."""


class Journal:
    """The journal of a bundle: its hash chain, recomputed line by line, and its entries."""

    def __init__(self, evidence: Evidence, erasures: Erasures) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self._erasures = erasures
        self.entries: list[Entry] = []
        self._happened: dict[str, tuple[int, ChainIncluded | ChainObserved]] = {}  # by key, where no chain is asked

    def read(self) -> None:
        """Recompute all hashes, take erasures, and hold the head against what chain and checkpoint anchor."""
        previous, heads, closed = ZERO, {0: ZERO_HEX}, dict[int, str]()
        erasures: list[tuple[int, ErasureDone]] = []
        end = 0
        for number, (record_name, text) in enumerate(self._evidence.lines(JOURNAL), 1):
            start, end = end, end + len(text) + 1
            with self._report.on(record_name, "journal"):
                entry = parse(text)
                kind = str(entry["kind"])
                self._check_entry(number, entry, previous)
                heads[number], previous = entry["hash"], unhex(entry["hash"], 32)
                is_open = "payload" in entry
                self.entries.append(Entry(Place(number, entry["hash"]), kind, slice(start, end) if is_open else None))
                if not is_open:
                    closed[number] = kind
                elif kind == "erasure.done":
                    erasures.append((number, record(ErasureDone, entry["payload"])))
                elif self._evidence.chain is None:
                    self._note_happened(number, kind, entry["payload"])
        self._erasures.take(erasures, closed, heads)
        with self._report.on(JOURNAL, "anchor"):
            self._check_closed(closed)
            self._check_head(heads)

    def _note_happened(self, number: int, kind: str, payload: Json) -> None:
        """What became of a transaction last counts."""
        if kind in HAPPENED:
            told: ChainIncluded | ChainObserved = record(HAPPENED[kind], payload)
            self._happened[told.key] = (number, told)
        elif kind == "chain.rewound":
            self._happened.pop(record(ChainRewound, payload).key, None)

    def payload(self, entry: Entry) -> Json:
        """An open entry's payload, read again from the file, so that a journal is not held in memory twice."""
        span = entry.span or slice(0)
        return json.loads(self._evidence.files[JOURNAL][span])["payload"]

    def _check_entry(self, number: int, entry: Json, previous: bytes) -> None:
        """An entry has its place, its members and the hash that payload and predecessor give."""
        kind, is_open = str(entry["kind"]), "payload" in entry
        if set(entry) != (OPEN_MEMBERS if is_open else CLOSED_MEMBERS):
            raise ValueError(f"members {sorted(entry)} are not those of the format")
        if is_open:
            payload_hash = keccak(unhex(entry["salt"], 32) + canonical(entry["payload"]))
        else:
            payload_hash = unhex(entry["payload_hash"], 32)
        self._report.same("sequence", entry["sequence"], number, "its place gives")
        given = tohex(keccak(number.to_bytes(8, "big") + keccak(kind.encode()) + payload_hash + previous))
        self._report.same(f"hash of {kind}", entry["hash"], given, "entry and predecessor give")
        if is_open and not self._evidence.opened and kind not in PUBLIC_KINDS:
            self._report.fail(f"{kind} is open in a public bundle")

    def _check_closed(self, closed: dict[int, str]) -> None:
        """Only what is erased, and in a public bundle what is not public, is closed."""
        unexplained = (n for n, kind in closed.items() if n not in self._erasures.kinds)
        hidden = [n for n in unexplained if self._evidence.opened or closed[n] in PUBLIC_KINDS]
        self._report.none("entries that are closed without an erasure", hidden)

    def _check_head(self, heads: dict[int, str]) -> None:
        """The journal goes on to the newest head that `Anchors` on chain holds, and through all of them."""
        chain, anchors, report = self._evidence.chain, self._evidence.anchors, self._report
        anchored = {args["sequence"]: args["head"] for args in chain.all("HeadAnchored")} if chain else {}
        last = len(heads) - 1
        if anchored and last not in anchored:
            report.fail(f"the last entry {last} is not anchored on chain")
        if max(anchored, default=0) > last:
            report.fail(
                f"incomplete: the journal here ends at entry {last}, Anchors on chain holds entry {max(anchored)};"
                " ask for the bundle up to it, or use --block to read the chain as it was"
            )
        due = {number: head for number, head in anchored.items() if number <= last}
        for number, head in due.items():
            report.same(f"hash of entry {number}", heads.get(number, "missing"), head, "anchored is")
        if anchors is not None:
            number, head = anchors.checkpoint.journal_sequence, anchors.checkpoint.journal_head
            report.same(f"hash of entry {number}", heads.get(number, "missing"), head, "anchored is")

    def repeated_events(self) -> Iterator[Event]:
        """Events as the journal repeats them, in the order of their happening (evidence.md section 3)."""
        for _, told in sorted(self._happened.values(), key=lambda item: (item[1].block, item[0])):
            for event in told.events:
                args = journalled_args(event.args)
                yield Event(event.event, args, told.block, told.tx_hash, event.contract)


HAPPENED: dict[str, type[ChainIncluded | ChainObserved]] = {
    "chain.included": ChainIncluded,
    "chain.observed": ChainObserved,
}

TRADING_KINDS = ("order.accepted", "order.cancelled", "schedule.nominated")
"""Entries that belong to the trading of the programs that are open at the time."""
