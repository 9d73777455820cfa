"""The auditor bundle: all openings (docs/evidence.md section 3)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection

from domain.facts import MandateGranted, MandateRevoked, OrderAccepted, OrderCancelled
from ledger_service.evidence.form import BundleWriter
from ledger_service.evidence.journal import journal_lines
from ledger_service.evidence.recorded import Anchor, ChainInfo, ReceiptSource, last_anchor, walk
from ledger_service.evidence.shown import ReceiptShown
from ledger_service.record import Record


def export_auditor(record: Record, directory: Path, *, chain: ChainInfo, receipts: ReceiptSource) -> Anchor:
    """Write the auditor bundle up to the last anchor and return that anchor. Raises NothingAnchored, NotABundle.

    It holds personal data: outside a demo the caller seals it to the auditor's key and logs the export.
    """
    with record.read() as connection, BundleWriter(directory, kind="auditor") as bundle:
        anchor = last_anchor(connection)
        bundle.value("chain.json", chain)
        bundle.raw_lines("journal.jsonl", journal_lines(connection, through=anchor.sequence, opened=None))
        bundle.lines("receipts.jsonl", _receipts(connection, anchor.sequence, receipts))
    return anchor


def _receipts(connection: Connection, through: int, receipts: ReceiptSource) -> Iterator[ReceiptShown]:
    for entry, _ in walk(connection, OrderAccepted, OrderCancelled, MandateGranted, MandateRevoked, through=through):
        yield ReceiptShown(sequence=entry.sequence, signature=receipts(entry))
