"""A bidder's receipt against bundles that keep it and bundles that do not; and how a verdict is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from domain.eip712 import RECEIPT, Domain
from domain.hashing import hash_json, text_id, to_hex
from domain.signing import SigningKey
from scripts.cli import verify as verify_command
from scripts.cli.main import app
from scripts.cli.receipts import BundleUnreadable, ReceiptWrong, check_recorded, hold_against
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


def test_hold_against__end_of_a_term_after_all_entries__is_left_out_where_a_later_gate_is_shown(
    day: Any, tmp_path: Path
) -> None:
    bundle = write(tmp_path / "auditor", day.auditor())
    receipt = {"sequence": len(day.entries) + 1, "kind": 5, "tag": "0x", "market": "0x", "session": 0, "mtu": 0}

    told = [hold_against(receipt | {"marketTime": time}, bundle).omission for time in (0, 2**40)]

    assert told[0] is not None and "are closed in" in told[0]
    assert told[1] is None


BODY = {"term": "agreement", "name": "supply", "end_mtu": 7}
DOMAIN = Domain(31_337, bytes(20))


def answer_to(body: Any, key: SigningKey, **changes: Any) -> dict[str, Any]:
    """What the service answers to a term: its receipt is signed over what `changes` make of it."""
    told = {"market": "0x" + "00" * 32, "session": 0, "mtu": 0, "tag": to_hex(hash_json(body)[:16]), "revision": 0}
    told |= {"kind": 5, "sequence": 9, "journalHead": "0x" + "01" * 32, "marketTime": 5} | changes
    values = {name: bytes.fromhex(item[2:]) if isinstance(item, str) else item for name, item in told.items()}
    return {"sequence": 9, "receipt": told | {"signature": to_hex(key.sign(DOMAIN.digest(RECEIPT, values)))}}


def test_check_recorded__honest_receipt__is_the_operators_or_open_without_anchors() -> None:
    operator = SigningKey(b"\x01" * 32)
    answer = answer_to(BODY, operator)

    checked = check_recorded(answer, BODY, domain=DOMAIN, operators={to_hex(operator.address)})
    unchecked = check_recorded(answer, BODY, domain=None, operators=())

    assert checked == "the operator's"
    assert "not checked" in unchecked


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tag": "0x" + "02" * 16}, "has tag"),
        ({"kind": 1}, "has kind"),
        ({"sequence": 8}, "has sequence"),
        ({"signature": "0x" + "00" * 65}, "signed by nobody"),
        ({"journalHead": "0x" + "02" * 32}, "not the operator"),
    ],
)
def test_check_recorded__receipt_that_proves_nothing__is_refused(changes: dict[str, Any], told: str) -> None:
    operator = SigningKey(b"\x01" * 32)
    answer = answer_to(BODY, operator)
    answer["receipt"] |= changes

    with pytest.raises(ReceiptWrong, match=told):
        check_recorded(answer, BODY, domain=DOMAIN, operators={to_hex(operator.address)})


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
