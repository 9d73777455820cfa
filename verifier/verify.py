"""Verify bundles: the entry for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from verifier.anchors import Anchors
from verifier.cache import Cache
from verifier.evidence import FILES, Evidence
from verifier.files import MOST_BYTES, read_bundle
from verifier.form import Json
from verifier.ledger import Ledger
from verifier.node import Rpc
from verifier.personal import Personal
from verifier.powerflow import PowerFlow
from verifier.receipts import HeldReceipt
from verifier.rules import UnknownRule
from verifier.verdict import Report

RECURSION_LIMIT = 1_000
"""Whatever the caller's: deep nesting must end in an error, not in the interpreter's stack."""

Bundle = Path | Mapping[str, bytes]
"""A directory, or its files by name."""


def verify(
    bundle: Bundle,
    anchors: Json = None,
    rpc: Rpc | None = None,
    height: int | None = None,
    cache: Cache | None = None,
    power_flow: PowerFlow | None = None,
    receipts: Sequence[HeldReceipt] = (),
) -> Report:
    """Verify a bundle against trust anchors (as JSON) and the chain as of block `height` (None: the newest), with a
    `power_flow` the grid's states too, and hold `receipts` against its journal.

    Raises Unusable without a bundle, with anchors that are none, where the node is silent, or a receipt is nobody's.
    """
    trusted = None if anchors is None else Anchors.read(anchors)
    return _verify(_files_of(bundle, MOST_BYTES), trusted, rpc, height, cache or Cache(), power_flow, receipts)


def verify_many(
    bundles: Iterable[Bundle],
    anchors: Json = None,
    rpc: Rpc | None = None,
    height: int | None = None,
    most_bytes: int = MOST_BYTES,
    power_flow: PowerFlow | None = None,
    receipts: Sequence[HeldReceipt] = (),
) -> Iterator[Report]:
    """Verify bundles one after the other: what they have in common, byte by byte, is computed once, and all are held
    against the chain as of one block. Raises Unusable as `verify` does."""
    trusted, cache = None if anchors is None else Anchors.read(anchors), Cache()
    for bundle in bundles:
        yield _verify(_files_of(bundle, most_bytes), trusted, rpc, height, cache, power_flow, receipts)


def _files_of(bundle: Bundle, most_bytes: int) -> Mapping[str, bytes]:
    return bundle if isinstance(bundle, Mapping) else read_bundle(bundle, most_bytes=most_bytes)


def _verify(
    files: Mapping[str, bytes],
    anchors: Anchors | None,
    rpc: Rpc | None,
    height: int | None,
    cache: Cache,
    power_flow: PowerFlow | None,
    receipts: Sequence[HeldReceipt],
) -> Report:
    """Verify one bundle; what its files hold can only become a finding, never an error."""
    sys.setrecursionlimit(RECURSION_LIMIT)
    evidence = Evidence(files, anchors, rpc, height, cache, power_flow)
    report, kind = evidence.report, evidence.check_manifest()
    with report.on("chain.json", "deployment"):
        evidence.connect()
        with report.on("bundle", "form"):
            if kind in FILES:
                with suppress(UnknownRule):  # told as the last finding
                    if kind == "personal":
                        Personal(evidence).run()
                    else:
                        Ledger(evidence).run(receipts)
    if receipts and kind == "personal":
        report.gap("receipts, as a personal bundle has no journal to hold them against")
    return report
