"""The verifier against a small clean day, and against operators who rewrite it consistently."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain.hashing import to_hex
from domain.orders import Order
from domain.words import OrderWord, word_bytes
from tests.unit.verifier.bundles import jsonl, rechain, seal
from tests.unit.verifier.fake_chain import FIRST, GATE, address, key_of
from tests.unit.verifier.small_day import Day
from verifier.chain import CONTRACTS, event_shapes
from verifier.command import main
from verifier.form import canonical, unhex
from verifier.hashes import keccak
from verifier.verdict import CLEAN, SELF_CONSISTENT, USAGE, WRONG
from verifier.verify import verify

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def day() -> Any:
    """A clean day, built once; tests copy what they change."""
    return Day().run()


def rewritten(day: Any, kind: str, change: Callable[[dict[str, Any]], None], *, at: int = 0) -> dict[str, bytes]:
    """The auditor bundle after an operator changed one fact and made all hashes of the journal fit again."""
    entries = json.loads(json.dumps(day.entries))
    change([entry for entry in entries if entry["kind"] == kind][at]["payload"])
    files = {"journal.jsonl": jsonl(rechain(entries)), "receipts.jsonl": jsonl(day.receipts)}
    sealed: dict[str, bytes] = seal("auditor", files)
    return sealed


def messages(report: Any) -> str:
    """All findings as text."""
    return "\n".join(item.message for item in report.findings)


@pytest.mark.parametrize("kind", ["auditor", "public"])
def test_verify__clean_day_with_anchors_and_chain__is_clean(day: Any, kind: str) -> None:
    report = verify(getattr(day, kind)(), day.anchors(), day.chain.rpc)

    assert (messages(report), report.exit_code) == ("", CLEAN)
    assert report.counts["words"] == 10


@pytest.mark.parametrize("kind", ["auditor", "public"])
def test_verify__clean_day_alone__is_self_consistent_only(day: Any, kind: str) -> None:
    report = verify(getattr(day, kind)())

    assert (messages(report), report.exit_code) == ("", SELF_CONSISTENT)


@pytest.mark.parametrize(
    ("name", "kind", "point"),
    [("h1", "household", "p1"), ("h2", "household", "p2"), ("h3", "household", "p3"), ("retail", "retailer", None)],
)
def test_verify__clean_personal_bundle__is_clean(day: Any, name: str, kind: str, point: str | None) -> None:
    bundle = day.personal(name, kind, point)

    assert messages(verify(bundle, day.anchors(), day.chain.rpc)) == ""
    assert verify(bundle).exit_code == SELF_CONSISTENT


def _other_cap(body: dict[str, Any]) -> None:
    result = next(item for item in body["results"] if item["mtu"] == FIRST + 1)
    words = [OrderWord.unpack(int(text, 16)) for text in result["words"]]
    at = next(at for at, word in enumerate(words) if word.cap_lots == 5)
    result["words"][at] = to_hex(word_bytes(words[at].with_result(cap_lots=12, accepted_lots=0).pack()))


def _swapped_shares(body: dict[str, Any]) -> None:
    result = body["results"][0]
    words = [OrderWord.unpack(int(text, 16)) for text in result["words"]]
    at, other = (next(i for i, word in enumerate(words) if word.accepted_lots == lots) for lots in (19, 14))
    for index, lots in ((at, 18), (other, 15)):
        word = words[index].with_result(cap_lots=words[index].cap_lots, accepted_lots=lots)
        result["words"][index] = to_hex(word_bytes(word.pack()))


def _dropped_order(body: dict[str, Any]) -> None:
    body["books"][0]["tags"].pop(0)


def _more_energy(body: dict[str, Any]) -> None:
    body["attestations"][0]["readings"][0]["export_wh"] += 1


def _one_neur(body: dict[str, Any]) -> None:
    line = body["statements"][0]["statement"]["lines"][0]
    line["amount_neur"] = str(int(line["amount_neur"]) + 1)


REWRITES: list[tuple[str, Callable[[dict[str, Any]], None], str]] = [
    ("program.validated", _other_cap, "cap 12, but the envelope of point p1, 25 lots, leaves 5"),
    ("program.validated", _swapped_shares, "the optimum with its shares gives 19"),
    (
        "program.validated",
        lambda body: body["results"][0].update(price_neur_per_wh=101_000),
        "price_neur_per_wh 101000",
    ),
    ("program.validated", lambda body: body["schedules"]["p1"].__setitem__(0, -1), "schedule.nominated holds -400"),
    ("book.closed", _dropped_order, "never withdrawn, is left out"),
    ("order.accepted", lambda body: body["order"].update(quantityLots=31), "tag"),
    ("order.accepted", lambda body: body.update(point="p2"), "but the key's registration holds p1"),
    ("order.accepted", lambda body: body.update(market_time=GATE), "took orders until"),
    ("reading.attested", _more_energy, "begin Begin("),
    ("settlement.proposed", _one_neur, "orders, readings and terms give"),
    ("tariff.published", lambda body: body.update(vat_bp=1_901), "tariff_hash"),
    ("mtu.cleared", lambda body: body.update(price_neur_per_wh=94_000), "the signed result holds 95000"),
    ("key.registered", lambda body: body.update(valid_from_mtu=1), "KeyRegistration is signed by"),
    ("order.cancelled", lambda body: body.update(order_key=address("h2-key")), "it is signed by"),
    ("program.signed", lambda body: body.update(dso=address("operator")), "Program is signed by"),
    ("setpoints.issued", lambda body: body["envelopes"][0].update(export_cap_wh=300), "but the program holds 255"),
    ("deposit.booked", lambda body: body.update(amount_neur="1"), "Deposited on chain holds"),
    ("market.defined", lambda body: body.update(lot_wh=20), "MarketCreated on chain holds 10"),
    ("settlement.signed", lambda body: body["signatures"].pop(), "needed are 2"),
]


@pytest.mark.parametrize(
    ("kind", "change", "told"), REWRITES, ids=[f"{at}-{item[0]}" for at, item in enumerate(REWRITES)]
)
def test_verify__fact_rewritten_with_all_hashes__names_record_and_value(
    day: Any, kind: str, change: Callable[[dict[str, Any]], None], told: str
) -> None:
    report = verify(rewritten(day, kind, change), day.anchors(), day.chain.rpc)

    assert report.exit_code == WRONG
    assert told in messages(report)


@pytest.mark.parametrize("device", ["h2-key", "h2-announced"])
def test_verify__order_signed_by_a_superseded_key__is_found(day: Any, device: str) -> None:
    def by_other_key(body: dict[str, Any]) -> None:
        order = Order.from_json(body["order"])
        signature = key_of(device).sign(order.digest(day.market_domain))
        body.update(order_key=address(device), signature=to_hex(signature))

    bundle = rewritten(day, "order.accepted", by_other_key, at=-1)

    assert f"valid for {address('h2')} in MTU {FIRST + 3} is {address('h2-fresh')}" in messages(
        verify(bundle, day.anchors(), day.chain.rpc)
    )


def test_verify__message_of_a_cap__names_mtu_market_and_word(day: Any) -> None:
    report = verify(rewritten(day, "program.validated", _other_cap))

    found = next(item for item in report.findings if item.field.endswith("cap"))
    assert f"mtu {FIRST + 1} market test/1/DA" in found.record
    assert (found.found, found.expected) == ("12", "5")


def test_verify__journal_shorter_than_its_anchor__is_found(day: Any) -> None:
    files = {"journal.jsonl": jsonl(day.entries[:-1]), "receipts.jsonl": jsonl(day.receipts)}

    report = verify(seal("auditor", files), day.anchors(), day.chain.rpc)

    assert "is not anchored on chain" in messages(report)


def test_verify__wrong_chain__is_found(day: Any) -> None:
    def other_chain(method: str, params: list[Any]) -> Any:
        return "0x1" if method == "eth_chainId" else day.chain.rpc(method, params)

    assert "chain_id" in messages(verify(day.auditor(), day.anchors(), other_chain))


def test_verify__balance_moved_by_nobody__is_found(day: Any) -> None:
    def other_balance(method: str, params: list[Any]) -> Any:
        answer = day.chain.rpc(method, params)
        moved = method == "eth_call" and params[0]["data"].endswith(address("h1")[2:])
        return (
            hex(int(answer, 16) ^ 1).replace("0x", "0x" + "0" * 64)[:2] + f"{int(answer, 16) ^ 1:064x}"
            if moved
            else answer
        )

    assert f"balance of {address('h1')}" in messages(verify(day.auditor(), None, other_balance))


def test_verify__erased_order__is_counted_and_no_failure(day: Any) -> None:
    entries = json.loads(json.dumps(day.entries))
    voided = next(e for e in entries if e["kind"] == "order.accepted" and e["payload"]["order"]["mtu"] == FIRST + 2)
    entry = voided["sequence"]
    day_two = Day()
    day_two.head = bytes.fromhex(entries[-1]["hash"][2:])
    day_two.entries = entries
    day_two.audit()
    day_two.fact("erasure.done", {"sequences": [entry], "reason": "asked", "tags": [voided["payload"]["tag"]]})
    salted = keccak(unhex(voided["salt"]) + canonical(voided["payload"]))
    for name in ("salt", "payload"):
        del voided[name]
    voided["payload_hash"] = to_hex(salted)
    receipts = [row for row in day.receipts if row["sequence"] != entry]
    files = {"journal.jsonl": jsonl(entries), "receipts.jsonl": jsonl(receipts)}

    report = verify(seal("auditor", files))

    assert (messages(report), report.counts["erased"]) == ("", 1)


BROKEN = {
    "no json": b"{", "not canonical": b'{"a": 1}\n', "wrong type": b"[]\n", "number": b"7\n", "deep": b"[" * 100_000,
    "no utf-8": b"\xff\xfe\n", "nothing": b"", "float": b'{"sequence":1.5}\n', "null": b"null\n",
}  # fmt: skip


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("kind", ["auditor", "public", "personal"])
def test_verify__file_broken__is_a_finding_and_no_traceback(day: Any, kind: str, content: bytes) -> None:
    bundle = day.personal("h1", "household", "p1") if kind == "personal" else getattr(day, kind)()
    for name in bundle:
        files = {**bundle, name: content}
        files = files if name == "manifest.json" else seal(kind, files)

        report = verify({**files, name: content}, day.anchors(), day.chain.rpc)

        assert report.exit_code in (WRONG, CLEAN)
        assert report.exit_code == WRONG or bundle[name] == content


def test_verify__file_missing_or_besides__is_found(day: Any) -> None:
    bundle = day.auditor()
    fewer = {name: data for name, data in bundle.items() if name != "receipts.jsonl"}

    assert verify(fewer).exit_code == WRONG
    assert verify({**bundle, "notes.txt": b"x"}).exit_code == WRONG
    assert verify({}).exit_code == WRONG


def write(directory: Path, files: dict[str, bytes]) -> Path:
    """A bundle on disk."""
    directory.mkdir()
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return directory


def test_main__bundle_on_disk_without_anchors__exits_four_with_json(
    day: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write(tmp_path / "bundle", day.auditor())

    status = main([str(bundle), "--json"])

    assert status == SELF_CONSISTENT
    assert json.loads(capsys.readouterr().out)["verdict"] == "self-consistent only"


def test_main__changed_bundle__exits_three_and_tells(
    day: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write(tmp_path / "bundle", rewritten(day, "settlement.proposed", _one_neur))

    assert main([str(bundle)]) == WRONG
    assert "orders, readings and terms give" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["missing"], ["bundle", "--anchors", "missing.json"], ["bundle", "--rpc", "nonsense"]]
)
def test_main__nothing_to_verify__exits_two_and_says_what_to_do(
    day: Any, tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "bundle", day.auditor())
    placed = [str(tmp_path / word) if word in ("bundle", "missing", "missing.json") else word for word in arguments]

    assert main(placed) == USAGE
    assert capsys.readouterr().err.startswith("error:")


def test_main__folder_above_the_bundles__exits_two_and_says_which_to_give(
    day: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "auditor", day.auditor())

    assert main([str(tmp_path)]) == USAGE
    assert "it holds no manifest.json; give the directory that holds" in capsys.readouterr().err


def test_main__no_anchors_and_no_node__says_what_it_was_not_held_against(
    day: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(write(tmp_path / "bundle", day.public()))]) == SELF_CONSISTENT
    assert "not held against trust anchors (--anchors) or a node (--rpc)" in capsys.readouterr().out


def imported_by_the_verifier() -> set[str]:
    """Top-level packages that the verifier's modules import."""
    found: set[str] = set()
    for path in (ROOT / "verifier").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).split(".")[0])
    return found


def test_source__imports__need_three_published_packages_at_most() -> None:
    foreign = imported_by_the_verifier() - set(sys.stdlib_module_names) - {"verifier"}

    assert foreign == {"coincurve", "nacl", "sha3", "Crypto"}, "sha3 and Crypto stand for each other"


def test_source__events__are_all_those_that_the_contracts_declare() -> None:
    declared = {
        line.split("(")[0].split()[1]
        for path in (ROOT / "contracts" / "src" / "interfaces").glob("*.sol")
        for line in path.read_text().splitlines()
        if line.strip().startswith("event ")
    }

    known = {shape.name for shape in event_shapes({name: name for name in CONTRACTS}).values()}

    assert known == declared


KNOWN = {"substitutes": 4, "lines": 2}
"""The version of a rule that the verifier knows; 1 where none is named."""

RULES = [
    ("order.accepted", "receipts"),
    ("program.validated", "ties"),
    ("program.validated", "forecast"),
    ("reading.attested", "substitutes"),
    ("settlement.proposed", "lines"),
]


@pytest.mark.parametrize(("kind", "rule"), RULES)
def test_verify__fact_by_a_rule_that_is_not_known__is_the_only_finding(day: Any, kind: str, rule: str) -> None:
    bundle = rewritten(day, kind, lambda body: body["rules"].update({rule: 9}))

    report = verify(bundle)

    assert (report.exit_code, report.findings_total) == (WRONG, 1)
    assert (
        f"version of the rule for {rule} 9, but this verifier knows {KNOWN.get(rule, 1)}" in report.findings[0].message
    )
    assert kind in report.findings[0].record


PERSONAL_RULES = [
    ("orders.jsonl", "receipts"),
    ("results.jsonl", "ties"),
    ("readings.jsonl", "substitutes"),
    ("statements.jsonl", "lines"),
]


@pytest.mark.parametrize(("name", "rule"), PERSONAL_RULES)
def test_verify__line_of_a_household_by_a_rule_that_is_not_known__is_the_only_finding(
    day: Any, name: str, rule: str
) -> None:
    files = day.personal("h1", "household", "p1")
    rows = [json.loads(line) for line in files[name].splitlines()]
    rows[0]["rules"][rule] = 9

    report = verify(seal("personal", {**files, name: jsonl(rows)}))

    assert (report.exit_code, report.findings_total) == (WRONG, 1)
    assert report.findings[0].message.endswith(
        f"version of the rule for {rule} 9, but this verifier knows {KNOWN.get(rule, 1)}"
    )
