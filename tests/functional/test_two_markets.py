"""UC3: a local day with two auctions of one area, from orders to bills, and the outsider's verdict on all of it."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from scripts.cli.common import CACHE
from scripts.serving.embedded.demo_day import DayResult, run_day

pytestmark = pytest.mark.functional

SMALLEST_GRID = "1-LV-rural1--0-sw"
LATER_GATE = "17:00"


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[DayResult, Path]:
    """A summer day of the smallest grid; people correct in a second auction what the first one left them with."""
    out = tmp_path_factory.mktemp("two") / "out"
    result = run_day(
        grid=SMALLEST_GRID,
        day=date(2016, 6, 15),
        pv_permille=1_000,
        out=out,
        cache=CACHE,
        progress=lambda *_: None,
        second_auction_gate_local=LATER_GATE,
    )
    return result, out


def facts(out: Path, kind: str) -> list[dict[str, Any]]:
    """Payloads of a kind in the auditor's bundle."""
    rows = map(json.loads, (out / "bundles" / "auditor" / "journal.jsonl").read_text().splitlines())
    return [row["payload"] for row in rows if row["kind"] == kind]


def statements(out: Path) -> list[dict[str, Any]]:
    """What the attesters signed: the last proposal."""
    proposal = facts(out, "settlement.proposed")[-1]
    return [item["statement"] for item in proposal["statements"]]


def test_two_markets__whole_day__every_bundle_is_clean(day: tuple[DayResult, Path]) -> None:
    result, _ = day

    assert result.clean, {name: verdict.report for name, verdict in result.verdicts.items() if verdict.exit_code}
    assert {"auditor", "public"} < result.verdicts.keys() and len(result.verdicts) > 10


def test_two_markets__both_trade__and_bills_show_each(day: tuple[DayResult, Path]) -> None:
    _, out = day

    markets = {item["market"] for item in facts(out, "market.defined")}
    traded = {item["market"] for item in facts(out, "mtu.cleared") if item["price_neur_per_wh"] is not None}
    billed = {line["market"] for item in statements(out) for line in item["lines"] if "market" in line}
    assert markets == traded == billed and len(markets) == 2


def test_two_markets__bought_and_sold_back__only_the_net_meets_the_meter(day: tuple[DayResult, Path]) -> None:
    _, out = day
    both = 0

    for statement in statements(out):
        if statement["kind"] != "household":
            continue
        of_mtu: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for line in statement["lines"]:
            if "mtu" in line:
                of_mtu[line["mtu"]][line["kind"]] += line["energy_wh"]
        for energies in of_mtu.values():
            bought, sold = energies["local_purchase"], energies["local_sale"]
            both += int(bool(bought and sold))
            drawn = energies["levy"]
            assert energies["imbalance_surplus"] == max(max(bought - sold, 0) - drawn, 0)
            assert energies["residual_supply"] == max(drawn - max(bought - sold, 0), 0)
    assert both > 0


def test_two_markets__later_program__stands_on_the_first_ones_trades(day: tuple[DayResult, Path]) -> None:
    _, out = day

    first, second = facts(out, "program.validated")
    assert first["earlier"] == [] and second["earlier"] != []
    assert any(item["net_wh"] for item in second["earlier"])
