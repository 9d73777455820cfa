"""The command line: `dominoes-verify BUNDLE… [--anchors FILE] [--rpc URL] [--block N] [--json]`.

Exit status: 0 clean against anchors and chain (the verdict says "in part" where something could not be verified), 3
wrong, 4 self-consistent only (no anchors or no chain), 2 nothing could be verified; of several bundles the worst.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from verifier.chain import http_rpc
from verifier.verdict import CLEAN, SELF_CONSISTENT, SUPPORTS, USAGE, WRONG, Report, Unusable
from verifier.verify import verify_many

WORST_FIRST = (WRONG, SELF_CONSISTENT, CLEAN)


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the bundles named, print what was found, and return the exit status."""
    options = _options(arguments)
    many = len(options.bundles) > 1
    reports: list[Report] = []
    try:
        anchors = json.loads(options.anchors.read_bytes()) if options.anchors else None
        rpc = http_rpc(options.rpc) if options.rpc else None
        for bundle, report in zip(
            options.bundles, verify_many(options.bundles, anchors, rpc, options.block), strict=True
        ):
            reports.append(report)
            if not options.json:
                _print(report, title=f"{bundle}: " if many else "")
    except (Unusable, OSError, ValueError) as error:
        text = f"{error} (--anchors {options.anchors})" if options.anchors else str(error)
        told = json.dumps({"verdict": "unusable", "error": text}) if options.json else f"error: {text}"
        print(told, file=sys.stderr)
        return USAGE
    if options.json:
        found: Any = [report.as_json() for report in reports] if many else reports[0].as_json()
        print(json.dumps(found, indent=1, ensure_ascii=False))
    return next(status for status in WORST_FIRST if any(report.exit_code == status for report in reports))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="dominoes-verify", description="Verify a local energy market's ledger from its evidence, alone."
    )
    add = parser.add_argument
    add("bundles", metavar="BUNDLE", nargs="+", type=Path, help="directory of a public, personal or auditor bundle")
    add("--anchors", type=Path, help="trust anchors, from a place you trust")
    add("--rpc", help="JSON-RPC endpoint of a node of the chain")
    add("--block", type=int, help="read the chain as of this block, to verify an older bundle (default: the newest)")
    add("--json", action="store_true", help="print the report as JSON; of several bundles a list, in their order")
    return parser.parse_args(arguments)


def _print(report: Report, *, title: str) -> None:
    """Findings, counts, notes, and the verdict in the last line."""
    counts = [f"{name}: {count}" for name, count in sorted(report.counts.items())]
    print(*(finding.message for finding in report.findings), *counts, *report.notes, sep="\n")
    verdict = f"{report.kind} bundle: {report.verdict}, {report.findings_total} findings"
    told = (("trust anchors (--anchors)", report.anchored), ("a node (--rpc)", report.chain_asked))
    absent = [name for name, given in told if not given]
    against = f", not held against {' or '.join(absent)}" if absent else ""
    print(f"{title}{verdict}{against}. Supports {SUPPORTS.get(report.kind, 'nothing: its kind is not known')}")
