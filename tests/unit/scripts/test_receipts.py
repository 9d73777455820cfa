"""A bidder's receipt against bundles that keep it and bundles that do not; and how a verdict is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from domain.hashing import text_id, to_hex
from scripts.cli import verify as verify_command
from scripts.cli.main import app
from scripts.cli.receipts import BundleUnreadable, hold_against
from scripts.serving.verifier_process import Verdict
from tests.unit.verifier.bundles import auditor_bundle, rechain
from tests.unit.verifier.fake_chain import CONTRACTS, MARKET, address
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_mandates import AgentDay

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def day() -> Any:
    """A clean day."""
    return Day().run()


def receipt_of(day: Any, at: int) -> dict[str, Any]:
    """The receipt of the n-th write, as the API gave it."""
    row = day.receipts[at]
    entry = day.entries[row["sequence"] - 1]
    body = entry["payload"]
    accepted = entry["kind"] == "order.accepted"
    order = body["order"] if accepted else body
    return {
        "market": to_hex(text_id(MARKET)), "session": order["session"], "mtu": order["mtu"], "tag": body["tag"],
        "revision": order["revision"],
        "kind": 1 if accepted else 2, "sequence": entry["sequence"], "journalHead": entry["hash"],
        "marketTime": body["market_time"], "signature": row["signature"],
    }  # fmt: skip


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """A bundle on disk."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_hold_against__end_of_a_mandate__must_stand_where_its_receipt_says(day: Any, tmp_path: Path) -> None:
    kept = AgentDay().run()
    entry = next(item for item in kept.entries if item["kind"] == "mandate.revoked")
    zero = {"market": "0x" + "00" * 32, "session": 0, "mtu": 0, "revision": 0}
    receipt = zero | {"kind": 4, "tag": entry["payload"]["tag"], "sequence": entry["sequence"]}
    receipt |= {"journalHead": entry["hash"], "marketTime": entry["payload"]["market_time"]}

    assert hold_against(receipt, write(tmp_path / "kept", kept.auditor())).omission is None
    told = hold_against(receipt, write(tmp_path / "left out", day.auditor())).omission
    assert told is not None and f"entry {entry['sequence']} is" in told


@pytest.mark.parametrize("kind", ["auditor", "public"])
def test_hold_against__bundle_that_keeps_the_order__finds_no_omission(day: Any, tmp_path: Path, kind: str) -> None:
    bundle = write(tmp_path / kind, getattr(day, kind)())

    assert hold_against(receipt_of(day, 0), bundle).omission is None


def test_hold_against__changed_and_cancelled_orders__are_no_omissions(day: Any, tmp_path: Path) -> None:
    bundle = write(tmp_path / "auditor", day.auditor())

    assert [hold_against(receipt_of(day, at), bundle).omission for at in range(len(day.receipts))] == [None] * len(
        day.receipts
    )


def without_order(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first order is left out of the journal and its book."""
    gone = next(e for e in entries if e["kind"] == "order.accepted")
    kept = json.loads(json.dumps([e for e in entries if e is not gone]))
    closed = next(e["payload"] for e in kept if e["kind"] == "book.closed")
    closed["books"][0]["tags"].remove(gone["payload"]["tag"])
    return list(kept)


def out_of_the_book(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first order stays in the journal and is left out of its book."""
    kept = json.loads(json.dumps(entries))
    tag = next(e["payload"]["tag"] for e in kept if e["kind"] == "order.accepted")
    next(e["payload"] for e in kept if e["kind"] == "book.closed")["books"][0]["tags"].remove(tag)
    return list(kept)


@pytest.mark.parametrize(
    ("change", "told"), [(without_order, "but the receipt says"), (out_of_the_book, "is not in the committed book")]
)
def test_receipt__bundle_without_the_order__exits_three(
    day: Any, tmp_path: Path, change: Callable[[Any], Any], told: str
) -> None:
    files = auditor_bundle(rechain(change(day.entries)) if change is without_order else change(day.entries), [], [])
    bundle = write(tmp_path / "auditor", files)
    (tmp_path / "receipt.json").write_text(json.dumps(receipt_of(day, 0)))
    options = ["--operator", address("operator"), "--contract", CONTRACTS["Market"], "--chain-id", "31337"]

    alone = CliRunner().invoke(app, ["receipt", str(tmp_path / "receipt.json"), *options])
    held = CliRunner().invoke(app, ["receipt", str(tmp_path / "receipt.json"), *options, "--bundle", str(bundle)])

    assert alone.exit_code == 0
    assert held.exit_code == 3
    assert told in held.output


def test_hold_against__journal_that_ends_before_the_gate__says_nothing_yet(day: Any, tmp_path: Path) -> None:
    first = day.receipts[0]["sequence"]
    bundle = write(tmp_path / "early", auditor_bundle(day.entries[: first - 1], [], []))

    assert hold_against(receipt_of(day, 0), bundle).omission is None


def test_hold_against__no_bundle__says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(BundleUnreadable, match="public or auditor bundle"):
        hold_against({"sequence": 1}, tmp_path)


def test_verify__findings__are_one_line_each_with_their_brackets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = [f"journal.jsonl entry {n} [fact]: tag 1, but due is [2]" for n in (1, 2)]
    report = {"verdict": "wrong", "text": [*findings, "[x]"]}
    monkeypatch.setattr(verify_command, "run_verifier", lambda **_: [Verdict(exit_code=3, report=report)])
    (tmp_path / "manifest.json").write_text("{}")

    done = CliRunner().invoke(app, ["verify", str(tmp_path), "--rpc", "http://127.0.0.1:1"])

    assert done.exit_code == 3
    assert "journal.jsonl entry 1 [fact]: tag 1, but due is [2]\njournal.jsonl entry 2 [fact]" in done.output
    assert "[x]" in done.output


@pytest.mark.parametrize(
    ("text", "reason"),
    [("granted\n status accepted\n", "Expecting value"), ("[]", "no object"), ('{"status": "accepted"}', "it lacks")],
)
def test_receipt__file_without_a_receipt__says_what_to_give(tmp_path: Path, text: str, reason: str) -> None:
    (file := tmp_path / "receipt.json").write_text(text)

    told = CliRunner().invoke(app, _receipt_call(file))

    assert told.exit_code == 2
    assert reason in told.stderr and "as --json printed it" in told.stderr


def test_receipt__whole_answer_of_the_api__is_read_as_its_receipt(day: Any, tmp_path: Path) -> None:
    held = receipt_of(day, 0)
    told = []
    for name, content in (("alone", held), ("answer", {"status": "accepted", "receipt": held, "repeated": False})):
        (file := tmp_path / f"{name}.json").write_text(json.dumps(content))
        told.append(CliRunner().invoke(app, _receipt_call(file)))

    assert [one.exit_code for one in told] == [0, 0]
    assert told[0].stdout == told[1].stdout


def _receipt_call(file: Path) -> list[str]:
    options = ["--operator", address("operator"), "--contract", CONTRACTS["Market"], "--chain-id", "31337"]
    return ["receipt", str(file), *options]
