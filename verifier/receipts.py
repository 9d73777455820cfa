"""Receipts: what the operator signed of an entry, so that whoever holds one can prove that the entry is missing.

Those of the bundle are checked entry by entry (`Receipts`), those that somebody holds against the whole journal
(`HeldReceipts`). Source: docs/evidence.md section 3 (receipts.jsonl).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verifier.evidence import Evidence, Place
from verifier.form import Json, canonical, record
from verifier.hashes import ident, keccak, tohex
from verifier.journal import Entry, Journal
from verifier.rules import rule_of
from verifier.verdict import Unusable

ACCEPTED, CANCELLED, GRANTED, REVOKED, RECORDED = 1, 2, 3, 4, 5
"""Kinds of a receipt: of orders, of mandates, and of terms and keys."""

TAG_BYTES = 16

KINDS_OF = {
    ACCEPTED: ("order.accepted",),
    CANCELLED: ("order.cancelled",),
    GRANTED: ("mandate.granted",),
    REVOKED: ("mandate.revoked",),
    RECORDED: (
        "agreement.signed",
        "guarantee.given",
        "key.registered",
        "meter.registered",
        "participant.registered",
        "policy.published",
        "schedule.nominated",
        "tariff.published",
        "term.ended",
    ),
}
"""What a receipt of each kind is for."""


@dataclass(frozen=True, slots=True)
class Receipted:
    """What a receipt says of an entry; market, session, MTU and revision are zero for mandates."""

    market: str
    session: int
    mtu: int
    tag: str
    revision: int
    kind: int
    market_time: int


def receipt_values(at: Place, told: Receipted) -> tuple[Any, ...]:
    """What the operator signs for an entry (evidence.md section 3)."""
    head = (told.market, told.session, told.mtu, told.tag, told.revision, told.kind)
    return *head, at.sequence, at.hash, told.market_time


RECEIPT_BY_RULE: Mapping[int, Callable[[Place, Receipted], tuple[Any, ...]]] = {1: receipt_values}
"""What a receipt signs, by the version of its rule."""


class Receipts:
    """The operator's receipts, each for the entry at hand when it is checked."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.signatures: dict[int, str] = {}  # by the entry's sequence; those that were checked are gone

    def check(self, told: Receipted, version: int) -> None:
        """The operator gave a receipt for the entry at hand, by this version of the rule."""
        at, report = self._evidence.at, self._evidence.report
        receipt = rule_of(report, "receipts", RECEIPT_BY_RULE, version)
        with report.on(f"receipts.jsonl sequence {at.sequence}", "receipt"):
            signature = self.signatures.pop(at.sequence)
            self._evidence.check_receipt(signature, *receipt(at, told))


# ---- receipts that somebody holds


@dataclass(frozen=True, slots=True)
class HeldReceipt:
    """A receipt as the API answered it."""

    market: str
    session: int
    mtu: int
    tag: str
    revision: int
    kind: int
    sequence: int
    journalHead: str
    marketTime: int
    signature: str

    def values(self) -> tuple[Any, ...]:
        """What the operator signed."""
        head = (self.market, self.session, self.mtu, self.tag, self.revision, self.kind)
        return *head, self.sequence, self.journalHead, self.marketTime


def read_receipt(value: Json) -> HeldReceipt:
    """A receipt, or the answer to a submission that holds one. Raises Unusable."""
    found = value.get("receipt", value) if isinstance(value, dict) else value
    try:
        return record(HeldReceipt, found)
    except (TypeError, ValueError) as error:
        raise Unusable(f"it holds no receipt: {error}") from error


class HeldReceipts:
    """Receipts from outside the bundle, held against its journal: the operator must have kept what it signed."""

    def __init__(self, evidence: Evidence, journal: Journal) -> None:
        self._evidence, self._report, self._journal = evidence, evidence.report, journal

    def check(self, receipts: Sequence[HeldReceipt]) -> None:
        """Each names an entry that is there as it was, and what is said of an order holds in its book.

        Raises Unusable for one that the operator did not sign: it proves nothing against anybody.
        """
        for number, receipt in enumerate(receipts, 1):
            self._check_genuine(number, receipt)
            with self._report.on(f"receipt {number}", "promise"):
                self._check(receipt)
            self._report.totals.held_receipts += 1

    def _check_genuine(self, number: int, receipt: HeldReceipt) -> None:
        operators = self._evidence.operators
        if not operators:
            raise Unusable(f"receipt {number}: nobody says who the operator is; give trust anchors")
        try:
            signer = self._evidence.sign.signer(receipt.signature, "Receipt", *receipt.values())
        except (TypeError, ValueError) as error:
            raise Unusable(f"receipt {number}: {error}") from error
        if signer not in operators:
            raise Unusable(f"receipt {number} is signed by {signer}, not by the operator: it proves nothing")

    def _check(self, receipt: HeldReceipt) -> None:
        entries, report = self._journal.entries, self._report
        if receipt.sequence > len(entries):
            self._check_not_yet(receipt)
            return
        entry = entries[receipt.sequence - 1]
        report.same(f"hash of entry {receipt.sequence}", entry.place.hash, receipt.journalHead, "the receipt says")
        if entry.place.hash != receipt.journalHead:
            return
        kinds = KINDS_OF.get(receipt.kind, ())
        report.same("kind", entry.kind if entry.kind in kinds else receipt.kind, entry.kind, "the entry is")
        if entry.span is not None:
            self._check_told(receipt, self._journal.payload(entry))
        if receipt.kind == ACCEPTED:
            self._check_booked(receipt, entry)

    def _check_told(self, receipt: HeldReceipt, payload: Json) -> None:
        """What the receipt says of an entry that is open."""
        report = self._report
        tag = tohex(keccak(canonical(payload))[:TAG_BYTES]) if receipt.kind == RECORDED else payload["tag"]
        if "market_time" in payload:
            report.same("market time", payload["market_time"], receipt.marketTime, "the receipt says")
        report.same("tag", tag, receipt.tag, "the receipt says")

    def _check_not_yet(self, receipt: HeldReceipt) -> None:
        """The journal shown ends before the entry: so did the market, or the entry is left out."""
        gates = [(body["session"], body["market"]) for _, body in self._open("book.closed")]
        later = [(gate, market) for gate, market in gates if gate > receipt.marketTime]
        if not later:
            self._report.gap("receipts for entries that the bundle does not reach yet")
            return
        gate, market = min(later)
        said = f"entry {receipt.sequence} at market time {receipt.marketTime}"
        told = f"{len(self._journal.entries)} entries, with the books closed at {gate} in {market}, without it"
        self._report.fail(told, name="the journal", source="the receipt says", expected=said)

    def _check_booked(self, receipt: HeldReceipt, entry: Entry) -> None:
        """An order that was accepted stands in its book, unless it was changed or withdrawn before the gate."""
        tags: list[str] | None = None
        for _, body in self._open("book.closed"):
            if (ident(body["market"]), body["session"]) == (receipt.market, receipt.session):
                tags = next((book["tags"] for book in body["books"] if book["mtu"] == receipt.mtu), None)
        if tags is None or receipt.tag in tags:
            return
        if entry.span is None:
            self._report.gap("receipts for orders that stand in no book: withdrawn by who holds them, or left out")
        elif not self._is_superseded(receipt, self._journal.payload(entry)["order"]):
            self._report.fail(tags, name=f"book of MTU {receipt.mtu}", source="the receipt says", expected=receipt.tag)

    def _is_superseded(self, receipt: HeldReceipt, order: Json) -> bool:
        """Whether a later entry cancels the order, or replaces it by a further revision."""
        same = ("market", "session", "mtu", "account", "orderId")
        for sequence, body in self._open("order.accepted"):
            other = body["order"]
            if sequence > receipt.sequence and all(other[name] == order[name] for name in same):
                return True
        withdrawn = self._open("order.cancelled")
        return any(sequence > receipt.sequence and body["tag"] == receipt.tag for sequence, body in withdrawn)

    def _open(self, kind: str) -> Iterator[tuple[int, Json]]:
        """Sequence and payload of each open entry of a kind."""
        for entry in self._journal.entries:
            if entry.kind == kind and entry.span is not None:
                yield entry.place.sequence, self._journal.payload(entry)
