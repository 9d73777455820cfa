"""The journal of the golden day: each fact in its place, the operator's receipts, the head that is anchored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from domain.eip712 import RECEIPT
from domain.facts import Fact
from domain.hashing import ZERO_HASH, to_hex
from domain.signing import recover
from ledger_service.record.journal import Entry, entry_hash, payload_hash
from ledger_service.trading.receipts import RECEIPTED, ReceiptSigner
from scripts.tools.golden_day.people import domain_of, key_of, noise

DOMAIN = domain_of("Market")


def recorded(facts: Iterable[Fact]) -> list[Entry]:
    """The entries of facts, from the first one on."""
    entries: list[Entry] = []
    previous = ZERO_HASH
    for sequence, fact in enumerate(facts, 1):
        salt, text = noise(f"journal salt {sequence}"), fact.text()
        hashed = payload_hash(salt=salt, payload_text=text)
        head = entry_hash(sequence=sequence, kind=fact.KIND, payload_hash=hashed, previous=previous)
        entries.append(Entry(sequence, fact.KIND, text.decode(), salt, hashed, previous, head))
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
        if isinstance(entry.fact, RECEIPTED):
            receipt = signer.receipt(entry)
            digest = DOMAIN.digest(RECEIPT, receipt.values())
            yield {
                "sequence": entry.sequence,
                "digest": to_hex(digest),
                "signature": to_hex(receipt.signature),
                "signer": to_hex(recover(digest, receipt.signature)),
            }
