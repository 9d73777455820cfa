"""The verdict in plain words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domain.hashing import keccak, to_hex
from tests.unit.verifier.bundles import jsonl, rechain, seal
from tests.unit.verifier.fake_chain import AREA
from tests.unit.verifier.small_day import Day
from verifier.telling import lines
from verifier.verdict import SUPPORTS
from verifier.verify import verify

pytestmark = pytest.mark.unit

PAGE = Path(__file__).parents[3] / "docs" / "start" / "auditor.md"


@pytest.fixture(scope="module")
def day() -> Any:
    return Day().run()


def test_lines__of_the_small_day__are_those_of_the_auditors_page(day: Any) -> None:
    report = verify(day.auditor(), day.anchors(), day.chain.rpc)

    *told, verdict = lines(report)

    assert "\n".join(told[: told.index("counted:") + 1]) in PAGE.read_text("utf-8")
    assert verdict == f"auditor bundle: clean, 0 findings. Shows {SUPPORTS['auditor']}"


def test_lines__totals__are_those_of_the_day(day: Any) -> None:
    totals = verify(day.auditor(), day.anchors(), day.chain.rpc).totals
    settled = [entry["payload"] for entry in day.entries if entry["kind"] == "settlement.proposed"]
    opened = [entry["payload"] for entry in day.entries if entry["kind"] == "reading.attested"]
    first = [item for fact in opened for item in fact["attestations"] if item["revision"] == 0]

    assert totals.orders == sum(entry["kind"] == "order.accepted" for entry in day.entries)
    assert totals.traded_mtus == sum(entry["kind"] == "mtu.cleared" for entry in day.entries)
    assert totals.statements == sum(len(fact["statements"]) for fact in settled)
    assert totals.import_wh == sum(item["import_wh"] for item in first)
    assert totals.export_wh == sum(item["export_wh"] for item in first)
    assert totals.readings == sum(item["count"] for item in first)


@pytest.mark.parametrize("kind", ["public", "auditor", "personal"])
@pytest.mark.parametrize("held", ["nothing", "anchors", "all"])
def test_lines__any_bundle__claims_what_was_shown_and_no_more(day: Any, kind: str, held: str) -> None:
    files = day.personal("h1", "household", "p1") if kind == "personal" else getattr(day, kind)()
    report = verify(
        files,
        None if held == "nothing" else day.anchors(),
        day.chain.rpc if held == "all" else None,
    )

    text = "\n".join(lines(report))

    assert (SUPPORTS[kind] in text) == (held == "all")
    assert ("no trust anchors were given" in text) == (held == "nothing")
    assert ("no node was asked" in text) == (held != "all")
    assert ("public evidence does not open them" in text) == (kind == "public")


def test_lines__wrong__shows_nothing_and_tells_how_many_more(day: Any) -> None:
    entries = json.loads(json.dumps(day.entries))
    fact = next(entry["payload"] for entry in entries if entry["kind"] == "settlement.proposed")
    for item in fact["statements"]:
        for line in item["statement"]["lines"]:
            line["amount_neur"] = str(int(line["amount_neur"]) + 1)
    files = {"journal.jsonl": jsonl(rechain(entries)), "receipts.jsonl": jsonl(day.receipts)}
    report = verify(seal("auditor", files), day.anchors(), day.chain.rpc)

    *_, last = lines(report)

    assert last.startswith("auditor bundle: wrong, ") and last.endswith("Shows nothing that one could rely on")
    assert report.supports == ""


@pytest.mark.parametrize("kind", ["public", "auditor", "personal"])
def test_lines__period_that_ended_and_nobody_settled__is_told(day: Any, kind: str) -> None:
    """Periods 1 and 2 are declared, 1 is settled; a chain whose clock is later has seen both end."""
    files = day.personal("h1", "household", "p1") if kind == "personal" else getattr(day, kind)()

    def later(method: str, params: list[Any]) -> Any:
        answer = day.chain.rpc(method, params)
        is_origin = method == "eth_call" and params[0]["data"] == to_hex(keccak(b"origin()")[:4])
        return f"0x{int(answer, 16) + 100 * 86_400:064x}" if is_origin else answer

    before, after = verify(files, None, day.chain.rpc), verify(files, None, later)

    assert not [gap for gap in before.gaps if "nobody settled" in gap]
    assert [gap for gap in after.gaps if "nobody settled" in gap] == [
        f"period 2 of {AREA}, which has ended: nobody settled it"
    ]
    assert "nobody settled it" in "\n".join(lines(after))
