"""Receipts: whether the operator signed what it answered, and kept what it signed (docs/evidence.md section 3)."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.eip712 import RECEIPT, Domain
from domain.errors import DominoesError
from domain.facts import BookClosed, OrderAccepted, OrderCancelled
from domain.hashing import text_id, to_hex
from domain.receipts import KIND_RECORDED, receipt_signer, recorded_tag
from domain.signing import BadSignature

ACCEPTED = 1
"""`kind` of a receipt for an order; 2 is that of a cancel, 3 and 4 are those of mandates and their ends, 5 of terms."""


class ReceiptWrong(DominoesError):
    """What was handed in was answered with a receipt that proves nothing."""

    code = "receipt-wrong"

    def __init__(self, *, sequence: int, reason: str) -> None:
        self.sequence, self.reason = sequence, reason
        super().__init__(
            f"the receipt for entry {sequence} {reason}: with it nobody could prove that the entry is left out; "
            "keep the answer and tell the auditor"
        )


def check_recorded(answer: Mapping[str, Any], body: Any, *, domain: Domain | None, operators: Container[str]) -> str:
    """What a term or key was answered with: its receipt names what was handed in, and the operator signed it.

    `domain` (of the Market contract): None where one's trust anchors are not at hand, so that the signature stays open.
    Returns what was found of the signature, in words. Raises ReceiptWrong.
    """
    receipt, sequence = answer["receipt"], answer["sequence"]
    due = {"kind": KIND_RECORDED, "tag": to_hex(recorded_tag(body)), "sequence": sequence}
    for name, value in due.items():
        if receipt[name] != value:
            raise ReceiptWrong(sequence=sequence, reason=f"has {name} {receipt[name]}, not {value}")
    if domain is None:
        return "not checked: give your trust anchors with --anchors"
    try:
        signer = to_hex(receipt_signer(receipt, domain=domain))
    except (BadSignature, ValueError) as error:
        raise ReceiptWrong(sequence=sequence, reason=f"is signed by nobody ({error})") from error
    if signer not in operators:
        raise ReceiptWrong(sequence=sequence, reason=f"is signed by {signer}, which is not the operator")
    return "the operator's"


class BundleUnreadable(DominoesError):
    """The folder holds no journal that can be read."""

    code = "no-journal"

    def __init__(self, *, folder: Path, reason: str) -> None:
        self.folder, self.reason = folder, reason
        super().__init__(f"{folder} holds no journal ({reason}); give the folder of a public or auditor bundle")


class ReceiptUnreadable(DominoesError):
    """A file holds no receipt."""

    code = "receipt-unreadable"

    def __init__(self, *, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            f"{path} holds no receipt: {reason}; give the JSON as the API answered it, or as --json printed it"
        )


def read_receipt(file: Path) -> dict[str, Any]:
    """The receipt in a file, or in the answer to one submission in it. Raises ReceiptUnreadable."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReceiptUnreadable(path=file, reason=str(error)) from error
    if isinstance(found, dict):
        found = found.get("receipt", found)
    if not isinstance(found, dict):
        raise ReceiptUnreadable(path=file, reason="it is no object of one receipt")
    members = {name for _, name in RECEIPT.fields} | {"signature"}
    if missing := sorted(members - found.keys()):
        raise ReceiptUnreadable(path=file, reason=f"it lacks {', '.join(missing)}")
    return {name: found[name] for name in members}


@dataclass(frozen=True, slots=True)
class Held:
    """What a bundle says of a receipt: `omission` is None where the operator kept its word, else what it broke."""

    omission: str | None


def hold_against(receipt: Mapping[str, Any], folder: Path) -> Held:
    """Look for a receipt's entry in the bundle's journal, and for its tag in the committed book.

    The entry at the receipt's sequence must have its hash; a journal that ends before it shows no books that were
    closed after the receipt's time. An accepted order's tag must stand in the book of its MTU unless a later entry
    replaced or cancelled it, which only an auditor bundle shows openly. Raises BundleUnreadable.
    """
    try:
        lines = (folder / "journal.jsonl").read_bytes().splitlines()
        entries = [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise BundleUnreadable(folder=folder, reason=str(error)) from error
    sequence, committed = receipt["sequence"], _tags(entries, receipt)
    if sequence > len(entries):
        gate = _gate_after(entries, receipt["marketTime"])
        early = f"the books of gate {gate} are closed in {len(entries)} entries, without entry {sequence}"
        return Held(None if gate is None else early)
    if entries[sequence - 1]["hash"] != receipt["journalHead"]:
        return Held(
            f"entry {sequence} is {entries[sequence - 1]['hash']}, but the receipt says {receipt['journalHead']}"
        )
    if receipt["kind"] != ACCEPTED:
        return Held(None)
    if committed is None or receipt["tag"] in committed or _withdrawn(entries, receipt):
        return Held(None)
    shown = "nothing withdrew it" if "payload" in entries[sequence - 1] else "you did not withdraw it, or did you?"
    return Held(f"order {receipt['tag']} is not in the committed book of MTU {receipt['mtu']}, and {shown}")


def _gate_after(entries: list[dict[str, Any]], market_time: int) -> int | None:
    """The first gate after a market time whose books are closed: what was recorded by then comes before them."""
    closed = [entry["payload"]["session"] for entry in entries if entry["kind"] == BookClosed.KIND]
    return min((gate for gate in closed if gate > market_time), default=None)


def _tags(entries: list[dict[str, Any]], receipt: Mapping[str, Any]) -> set[str] | None:
    """Tags of the committed book; None while the books of the session are open."""
    for entry in entries:
        body = entry.get("payload", {})
        if entry["kind"] == BookClosed.KIND and _names_session(body, receipt):
            for book in body["books"]:
                if book["mtu"] == receipt["mtu"]:
                    return set(book["tags"])
    return None


def _names_session(closed: Mapping[str, Any], receipt: Mapping[str, Any]) -> bool:
    """Whether the books closed are those of the receipt's session."""
    return (to_hex(text_id(closed["market"])), closed["session"]) == (receipt["market"], receipt["session"])


def _withdrawn(entries: list[dict[str, Any]], receipt: Mapping[str, Any]) -> bool:
    """Whether a later entry that is open cancels the order or replaces it by a further revision."""
    body = entries[receipt["sequence"] - 1].get("payload")
    order = None if body is None else body["order"]
    for entry in entries[receipt["sequence"] :]:
        later = entry.get("payload", {})
        if entry["kind"] == OrderCancelled.KIND and later.get("tag") == receipt["tag"]:
            return True
        if order is not None and entry["kind"] == OrderAccepted.KIND and "order" in later:
            names = ("market", "session", "mtu", "account", "orderId")
            if all(later["order"][name] == order[name] for name in names):
                return True
    return False
