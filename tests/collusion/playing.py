"""Play a fraud: tell the day as the coalition tells it, on the real contracts, and ask the verifier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ledger_service.chain.anvil import AnvilProcess
from tests.collusion.bundle import Files, auditor_bundle
from tests.collusion.day import Payload, RealDay
from tests.collusion.plot import Ask, Plot
from tests.collusion.retelling import Retelling, Told
from verifier.cache import Cache
from verifier.node import http_rpc
from verifier.receipts import read_receipt
from verifier.verdict import Report
from verifier.verify import verify


@dataclass(frozen=True)
class Played:
    """What came of it."""

    told: Told
    files: Files
    report: Report
    held: Report
    """The verdict with the receipts that people hold; without any, the same."""

    @property
    def findings(self) -> str:
        """All findings as text."""
        return "\n".join(finding.message for finding in self.report.findings)


@contextmanager
def retold(day: RealDay, plot: Plot) -> Iterator[tuple[Told, Files, Ask]]:
    """The day as it is told now, its evidence, and its chain while the block lasts."""
    node = AnvilProcess.start(settings=day.settings)
    try:
        telling = Retelling(day, node.rpc, plot.held)
        for key, call in plot.forged.items():
            telling.forge(key, call)
        told = telling.tell(plot.steps)
        erased = {id(step) for step in plot.erased}
        hidden = frozenset(at for at, step in enumerate(plot.steps, 1) if id(step) in erased)
        files = auditor_bundle(chain=day.chain, entries=told.entries, receipts=told.receipts, erased=hidden)
        yield told, files, http_rpc(node.rpc.url)
    finally:
        node.stop()


def play(day: RealDay, plot: Plot, cache: Cache, receipts: Sequence[Payload] = ()) -> Played:
    """Tell it and have it verified, and again with the receipts that people hold."""
    with retold(day, plot) as (told, files, ask):
        lied = ask if plot.lie is None else plot.lie(ask)
        report = held = verify(files, plot.believed or told.anchors, lied, cache=cache)
        if receipts:
            held = verify(
                files, plot.believed or told.anchors, lied, cache=cache, receipts=[*map(read_receipt, receipts)]
            )
    return Played(told, files, report, held)
