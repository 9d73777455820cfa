"""Receipts: what the operator signed of an entry, so that whoever holds one can prove that the entry is missing.

Source: docs/evidence.md section 3 (receipts.jsonl).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from verifier.evidence import Evidence, Place
from verifier.rules import rule_of

ACCEPTED, CANCELLED, GRANTED, REVOKED = 1, 2, 3, 4
"""Kinds of a receipt: of orders, and of mandates."""


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
