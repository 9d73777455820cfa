"""Receipts that people hold, against the bundle of a day: what the operator promised stands there, or it is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.eip712 import RECEIPT
from domain.hashing import ZERO_HASH, canonical_json, keccak, text_id, to_hex
from tests.unit.verifier.bundles import Files, auditor_bundle
from tests.unit.verifier.fake_chain import GATE, MARKET, sign
from tests.unit.verifier.journal import Payload
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_ends import MovesOut
from tests.unit.verifier.test_mandates import AgentDay
from verifier.command import main
from verifier.receipts import KINDS_OF, RECORDED, HeldReceipt, read_receipt
from verifier.verdict import CLEAN, USAGE, WRONG, Report, Unusable
from verifier.verify import verify

pytestmark = pytest.mark.unit

ORDERS = {"order.accepted": 1, "order.cancelled": 2}
MANDATES = {"mandate.granted": 3, "mandate.revoked": 4}
BEFORE_THE_GATE = GATE - 60


def held(entry: Payload, *, by: str = "operator", **changes: Any) -> HeldReceipt:
    """The receipt for an entry, as who sent it holds it; changes are made before it is signed."""
    payload, kind = entry["payload"], entry["kind"]
    order = payload.get("order", payload) if kind in ORDERS else {}
    told = {name: order.get(name, 0) for name in ("session", "mtu", "revision")}
    told |= {
        "market": to_hex(text_id(MARKET) if order else ZERO_HASH),
        "tag": payload["tag"] if kind in ORDERS | MANDATES else to_hex(keccak(canonical_json(payload))[:16]),
        "kind": (ORDERS | MANDATES).get(kind, RECORDED),
        "sequence": entry["sequence"],
        "journalHead": entry["hash"],
        "marketTime": payload.get("market_time", BEFORE_THE_GATE),
        **changes,
    }
    values = {name: bytes.fromhex(item[2:]) if isinstance(item, str) else item for name, item in told.items()}
    return HeldReceipt(**told, signature=sign(by, RECEIPT, values, "Market"))


def first(day: Any, kind: str) -> Payload:
    """The first entry of a kind."""
    found: Payload = next(entry for entry in day.entries if entry["kind"] == kind)
    return found


def verdict(day: Any, *receipts: HeldReceipt, files: Files | None = None) -> Report:
    """The verdict on a day's bundle with receipts."""
    return verify(files or day.auditor(), day.anchors(), day.chain.rpc, receipts=receipts)


def broken(report: Report) -> str:
    """All that receipts found."""
    return "\n".join(finding.message for finding in report.findings if finding.check == "promise")


@pytest.fixture(scope="module")
def leaving() -> Any:
    """A day before which a household leaves."""
    return MovesOut().run()


@pytest.fixture(scope="module")
def staying() -> Any:
    """The same day, told by an operator that has dropped the end: all else is made to fit."""
    return Day().run()


@pytest.mark.parametrize("kind", ["auditor", "public"])
def test_receipts__all_of_an_honest_day__are_kept(leaving: Any, kind: str) -> None:
    receipted = {*ORDERS, *KINDS_OF[RECORDED]}
    receipts = [held(entry) for entry in leaving.entries if entry["kind"] in receipted]

    report = verdict(leaving, *receipts, files=getattr(leaving, kind)())

    assert (report.exit_code, broken(report)) == (CLEAN, "")
    assert report.totals.held_receipts == len(receipts) > 20


def test_receipts__of_mandates__are_kept() -> None:
    day = AgentDay().run()

    report = verdict(day, *(held(entry) for entry in day.entries if entry["kind"] in MANDATES))

    assert (report.exit_code, report.totals.held_receipts) == (CLEAN, 2)


@pytest.mark.parametrize("kind", ["auditor", "public"])
def test_end__dropped_by_the_operator__is_wrong_with_the_receipt_alone(leaving: Any, staying: Any, kind: str) -> None:
    receipt, files = held(first(leaving, "term.ended")), getattr(staying, kind)()

    assert verdict(staying, files=files).exit_code == CLEAN
    report = verdict(staying, receipt, files=files)
    assert report.exit_code == WRONG
    assert f"hash of entry {receipt.sequence}" in broken(report)


def test_end__recorded_late__is_wrong_as_its_entry_is_another(leaving: Any) -> None:
    """The receipt names the place in the journal: whoever records it again records something else."""
    receipt = held(first(leaving, "term.ended"), sequence=first(leaving, "term.ended")["sequence"] - 1)

    assert "hash of entry" in broken(verdict(leaving, receipt))


def test_receipt__for_an_entry_after_the_end__is_open_or_wrong_by_the_gates_since(leaving: Any) -> None:
    entry = {**first(leaving, "term.ended"), "sequence": len(leaving.entries) + 1}

    after, before = verdict(leaving, held(entry, marketTime=2**40)), verdict(leaving, held(entry))

    assert (after.exit_code, after.verdict) == (CLEAN, "clean, in part")
    assert before.exit_code == WRONG and f"books closed at {GATE}" in broken(before)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tag": "0x" + "01" * 16}, "tag"),
        ({"kind": 3}, "kind"),
        ({"kind": 9}, "kind"),
    ],
)
def test_receipt__that_says_otherwise_than_its_entry__is_wrong(
    leaving: Any, changes: dict[str, Any], told: str
) -> None:
    report = verdict(leaving, held(first(leaving, "term.ended"), **changes))

    assert report.exit_code == WRONG and told in broken(report)


def out_of_the_book(day: Any) -> Files:
    """The first order stays in the journal and is in no book."""
    entries = json.loads(json.dumps(day.entries))
    tag = first(day, "order.accepted")["payload"]["tag"]
    next(item for item in entries if item["kind"] == "book.closed")["payload"]["books"][0]["tags"].remove(tag)
    return auditor_bundle(entries, day.receipts, [])


def test_order__recorded_but_left_out_of_its_book__is_wrong_by_its_receipt(staying: Any) -> None:
    report = verdict(staying, held(first(staying, "order.accepted")), files=out_of_the_book(staying))

    assert "book of MTU" in broken(report)


FORGED: dict[str, Callable[[HeldReceipt], HeldReceipt]] = {
    "by somebody else": lambda receipt: replace(receipt, signature=held(ENTRY, by="retail").signature),
    "no signature": lambda receipt: replace(receipt, signature="0x" + "00" * 65),
    "changed": lambda receipt: replace(receipt, sequence=receipt.sequence + 1),
    "not hex": lambda receipt: replace(receipt, tag="x"),
}

ENTRY = {"kind": "term.ended", "payload": {}, "sequence": 1, "hash": "0x" + "00" * 32}


@pytest.mark.parametrize("name", FORGED)
def test_receipt__not_the_operators__says_nothing_against_it(leaving: Any, name: str) -> None:
    forged = FORGED[name](held(first(leaving, "term.ended")))

    with pytest.raises(Unusable, match="receipt 1"):
        verdict(leaving, forged)


def test_receipt__against_a_personal_bundle__stays_open(leaving: Any) -> None:
    report = verdict(leaving, held(first(leaving, "term.ended")), files=leaving.personal("h3", "household", "p3"))

    assert any("receipts" in gap for gap in report.gaps)


@pytest.mark.parametrize("value", [[], 7, None, {}, {"receipt": {"tag": 1}}])
def test_read_receipt__no_receipt__is_unusable(value: Any) -> None:
    with pytest.raises(Unusable, match="holds no receipt"):
        read_receipt(value)


def test_command__with_a_receipt__exits_by_it(leaving: Any, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "bundle").mkdir()
    for name, data in leaving.auditor().items():
        (tmp_path / "bundle" / name).write_bytes(data)
    (tmp_path / "anchors.json").write_text(json.dumps(leaving.anchors()))
    receipt = held(first(leaving, "term.ended"))
    answer = {"receipt": {name: getattr(receipt, name) for name in HeldReceipt.__dataclass_fields__}}
    (tmp_path / "kept.json").write_text(json.dumps(answer))
    (tmp_path / "none.json").write_text("{}")
    bundle = [str(tmp_path / "bundle"), "--anchors", str(tmp_path / "anchors.json")]

    main([*bundle, "--receipt", str(tmp_path / "kept.json")])
    assert "1 receipt that somebody holds" in capsys.readouterr().out
    assert main([*bundle, "--receipt", str(tmp_path / "none.json")]) == USAGE
