"""The journal of the golden day: each fact in its place, the operator's receipts, the head that is anchored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from domain.eip712 import RECEIPT
from domain.facts import Fact, TermEnded
from domain.hashing import ZERO_HASH, to_hex
from domain.signing import recover
from ledger_service.record.journal import Entry, entry_hash, payload_hash
from ledger_service.trading.receipts import RECEIPTED, ReceiptSigner
from scripts.tools.golden_day.people import GATE, domain_of, key_of, noise

DOMAIN = domain_of("Market")

RECORDED_AT = GATE - 86_400
"""Market time in receipts of what is recorded before the day; no fact says it."""

SHOWN = (*RECEIPTED, TermEnded)
"""Whose receipts the day holds: of terms those for ends, which stand for all of kind 5."""


def recorded(facts: Iterable[Fact]) -> list[Entry]:
    """The entries of facts, from the first one on."""
    entries: list[Entry] = []
    previous = ZERO_HASH
    for sequence, fact in enumerate(facts, 1):
        salt, text = noise(f"journal salt {sequence}"), fact.text()
        hashed = payload_hash(salt=salt, payload_text=text)
        head = entry_hash(sequence=sequence, kind=fact.KIND, payload_hash=hashed, previous=previous)
        made = Entry(sequence, fact.KIND, text.decode(), salt, hashed, previous, head, recorded_at=RECORDED_AT)
        entries.append(made)
        previous = head
    return entries


def journal_input(entries: Sequence[Entry]) -> list[dict[str, str]]:
    """Kind and salt of each entry; payloads follow from the other inputs."""
    return [{"kind": entry.kind, "salt": to_hex(entry.salt or b"")} for entry in entries]


def receipts_input(entries: Sequence[Entry]) -> list[str]:
    """The operator's signatures under receipts, in their order."""
    return [row["signature"] for row in _receipts(entries)]


def journal_values(entries: Sequence[Entry]) -> dict[str, Any]:
    """Hashes of all entries, the receipts, and what is anchored."""
    last = entries[-1]
    return {
        "entries": [
            {
                "sequence": entry.sequence,
                "kind": entry.kind,
                "payload_hash": to_hex(entry.payload_hash),
                "hash": to_hex(entry.hash),
            }
            for entry in entries
        ],
        "receipts": list(_receipts(entries)),
        "anchor": {"sequence": last.sequence, "head": to_hex(last.hash)},
    }


def _receipts(entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    signer = ReceiptSigner(key=key_of("operator"), domain=DOMAIN)
    for entry in entries:
        if isinstance(entry.fact, SHOWN):
            receipt = signer.receipt(entry)
            digest = DOMAIN.digest(RECEIPT, receipt.values())
            yield {
                "sequence": entry.sequence,
                "digest": to_hex(digest),
                "signature": to_hex(receipt.signature),
                "signer": to_hex(recover(digest, receipt.signature)),
            }
