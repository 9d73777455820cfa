"""The command line: `dominoes-verify BUNDLE… [--anchors FILE] [--rpc URL]… [--block N] [--receipt FILE]… [--grid]
[--json]`.

Whoever made a bundle wants it to read clean: no letter of it moves the cursor, colours or hides what is printed.

Exit status: 0 clean against anchors and chain (the verdict says "in part" where something could not be verified), 3
wrong, 4 self-consistent only (no anchors or no chain), 2 nothing could be verified; of several bundles the worst.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from verifier.files import MOST_BYTES
from verifier.form import Json
from verifier.node import http_rpc
from verifier.powerflow import PowerFlow
from verifier.receipts import read_receipt
from verifier.telling import lines
from verifier.verdict import CLEAN, SELF_CONSISTENT, USAGE, WRONG, Report, Unusable
from verifier.verify import verify_many

WORST_FIRST = (WRONG, SELF_CONSISTENT, CLEAN)


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the bundles named, print what was found, and return the exit status."""
    options = _options(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows ASCII alone
    told = Told()
    try:
        return _run(options, told)
    except (Unusable, OSError, ValueError, RecursionError, MemoryError) as error:
        text = str(error) or "the bundle does not fit into memory"
        text = f"{text} (--anchors {options.anchors})" if options.anchors else text
        unusable = json.dumps({"verdict": "unusable", "error": text}) if options.json else f"error: {printable(text)}"
        print(unusable, file=sys.stderr)
        return USAGE


class Told:
    """Standard output, which its reader may close before the end (`| head`): the exit status holds all the same."""

    def __init__(self) -> None:
        self._is_closed = False

    def line(self, text: str) -> None:
        """Print one line."""
        if self._is_closed:
            return
        try:
            print(text, flush=True)
        except BrokenPipeError:
            self._is_closed = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def printable(text: str) -> str:
    """The text on one line, with what is no letter, digit, sign or space escaped: control codes, and letters that turn
    the direction of others."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _run(options: argparse.Namespace, told: Told) -> int:
    """Verify, print, and return the exit status. Raises Unusable, OSError and ValueError."""
    many = len(options.bundles) > 1
    anchors = _anchors(options.anchors) if options.anchors else None
    rpc = http_rpc(*options.rpc) if options.rpc else None
    reports: list[Report] = []
    power_flow = PowerFlow() if options.grid else None
    receipts = [read_receipt(json.loads(path.read_bytes())) for path in options.receipt]
    found = verify_many(options.bundles, anchors, rpc, options.block, options.most_bytes, power_flow, receipts)
    for bundle, report in zip(options.bundles, found, strict=True):
        report.held = replace(report.held, nodes=len(set(options.rpc)))
        reports.append(report)
        if not options.json:
            for text in lines(report, title=f"{bundle}: " if many else ""):
                told.line(printable(text))
    if options.json:
        whole: Any = [{**report.as_json(), "text": list(lines(report))} for report in reports]
        whole = whole if many else whole[0]
        told.line(json.dumps(whole, indent=1))
    return next(status for status in WORST_FIRST if any(report.exit_code == status for report in reports))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="dominoes-verify", description="Verify a local energy market's ledger from its evidence, alone."
    )
    add = parser.add_argument
    add("bundles", metavar="BUNDLE", nargs="+", type=Path, help="directory of a public, personal or auditor bundle")
    add("--anchors", type=Path, help="trust anchors, from a place you trust")
    add("--rpc", action="append", default=[], help="JSON-RPC endpoint of a node; given again: others, to agree with it")
    add("--block", type=int, help="read the chain as of this block, to verify an older bundle (default: the newest)")
    receipt_help = "a receipt of the operator, as the API answered it, to hold against the bundle; may be given again"
    add("--receipt", action="append", default=[], type=Path, help=receipt_help)
    add("--grid", action="store_true", help="compute the power flow of programs too (an auditor's bundle opens them)")
    add("--most-bytes", type=int, default=MOST_BYTES, help="bytes of a bundle that are read (default: %(default)s)")
    add("--json", action="store_true", help="print the report as JSON; of several bundles a list, in their order")
    return parser.parse_args(arguments)


def _anchors(path: Path) -> Json:
    """What the file of trust anchors holds. Raises Unusable where it holds nothing."""
    anchors = json.loads(path.read_bytes())
    if anchors is None:
        raise Unusable("there are no trust anchors in the file")
    return anchors
