"""A day of the smallest grid in which a later gate trades the same MTUs again, and what its evidence must show."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

from scripts.cli.common import CACHE
from scripts.serving.embedded.demo_day import DayResult, run_day
from verifier.powerflow import PowerFlow
from verifier.verify import verify

SMALLEST_GRID = "1-LV-rural1--0-sw"
LATER_GATE = "17:00"

LONG_STEP_MTUS = 16
"""Meters tell four hours at once: these days are about what is traded and billed, not about how readings come in."""


def later_day(
    out: Path,
    *,
    second_session_gate_local: str | None = None,
    second_auction_gate_local: str | None = None,
    mtus_per_step: int = LONG_STEP_MTUS,
) -> DayResult:
    """A summer day; people correct at a later gate what the first one left them with."""
    return run_day(
        grid=SMALLEST_GRID,
        day=date(2016, 6, 15),
        pv_permille=1_000,
        out=out,
        cache=CACHE,
        progress=lambda *_: None,
        mtus_per_step=mtus_per_step,
        second_session_gate_local=second_session_gate_local,
        second_auction_gate_local=second_auction_gate_local,
    )


def facts(out: Path, kind: str) -> list[dict[str, Any]]:
    """Payloads of a kind in the auditor's bundle."""
    rows = map(json.loads, (out / "bundles" / "auditor" / "journal.jsonl").read_text().splitlines())
    return [row["payload"] for row in rows if row["kind"] == kind]


def statements(out: Path) -> list[dict[str, Any]]:
    """What the attesters signed: the last proposal."""
    return [item["statement"] for item in facts(out, "settlement.proposed")[-1]["statements"]]


def check_clean(result: DayResult, out: Path) -> None:
    """Every bundle of the day is clean, those of all accounts too, and the power flow of each session is right."""
    assert result.clean, {name: verdict.report for name, verdict in result.verdicts.items() if verdict.exit_code}
    assert {"auditor", "public"} < result.verdicts.keys() and len(result.verdicts) > 10
    computed = verify(out / "bundles" / "auditor", power_flow=PowerFlow())
    assert (computed.findings, computed.totals.power_flows) == ([], 2 * 96)


def check_netted(out: Path) -> None:
    """Of what was bought and sold back only the net meets the meter, and some did both."""
    both = 0
    for statement in statements(out):
        if statement["kind"] != "household":
            continue
        of_mtu: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for line in statement["lines"]:
            if "mtu" in line:
                of_mtu[line["mtu"]][line["kind"]] += line["energy_wh"]
        for energies in of_mtu.values():
            bought, sold, drawn = energies["local_purchase"], energies["local_sale"], energies["levy"]
            both += int(bool(bought and sold))
            assert energies["imbalance_surplus"] == max(max(bought - sold, 0) - drawn, 0)
            assert energies["residual_supply"] == max(drawn - max(bought - sold, 0), 0)
    assert both > 0


def check_stands_on_the_first(out: Path) -> None:
    """The later gate's program stands on the first one's trades."""
    first, second = facts(out, "program.validated")
    assert first["earlier"] == [] and any(item["net_wh"] for item in second["earlier"])
