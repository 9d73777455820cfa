"""Evidence bundles: complete, canonical, the same bytes each time, and provable from what they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domain.eip712 import ATTESTATION, RECEIPT
from domain.facts import FACTS, ParticipantRegistered
from domain.hashing import ZERO_HASH, canonical_json, from_hex, hash_json, keccak, text_id, to_hex
from domain.merkle import verify_proof
from domain.readings import Reading
from domain.signing import recover
from domain.statements import statement_hash, statement_leaf
from domain.words import settlement_words_hash, unpack_settlement_word
from ledger_service.evidence.anchors import AreaAnchors, TrustAnchors, export_anchors
from ledger_service.evidence.auditor import export_auditor
from ledger_service.evidence.form import NotABundle
from ledger_service.evidence.personal import export_all_personal, export_personal
from ledger_service.evidence.public import PUBLIC_KINDS, export_public
from ledger_service.evidence.recorded import ChainInfo, NothingAnchored, last_anchor
from ledger_service.record import JournalBroken
from ledger_service.record.journal import entry_hash, payload_hash
from ledger_service.settlement.operations import sign_settlement
from ledger_service.settlement.queries import latest_proposal
from ledger_service.settlement.stage import SettlementStage
from ledger_service.stage import run_until_quiet
from ledger_service.trading.receipts import ReceiptSigner

pytestmark = pytest.mark.unit

CHAIN = ChainInfo(chain_id=31337, contracts={"Market": b"\x11" * 20, "Settlement": b"\x33" * 20})


@pytest.fixture
def day(scene: Any, tools: Any) -> Any:
    """The scene settled, signed and anchored."""
    run_until_quiet([SettlementStage(scene.record)], tools.ENDED)
    with scene.record.read() as connection:
        proposal = latest_proposal(connection, area=tools.AREA, period=tools.PERIOD)
    for n in (1, 2):
        sign_settlement(
            scene.record,
            area=tools.AREA,
            period=tools.PERIOD,
            revision=0,
            signature=tools.attester_signature(proposal, n),
            domain=tools.SETTLEMENT_DOMAIN,
        )
    scene.settled(proposal)
    scene.anchor()
    return scene


def receipts(tools: Any) -> Any:
    signer = ReceiptSigner(key=tools.key("operator"), domain=tools.MARKET_DOMAIN)
    return lambda entry: signer.receipt(entry).signature


def lines(directory: Path, name: str) -> list[Any]:
    return [json.loads(line) for line in (directory / name).read_bytes().splitlines()]


def check_form(directory: Path, kind: str) -> None:
    """Manifest complete and true, every file canonical."""
    manifest = json.loads((directory / "manifest.json").read_bytes())
    assert (manifest["format"], manifest["kind"]) == ("dominoes-evidence/1", kind)
    assert set(manifest["files"]) | {"manifest.json"} == {path.name for path in directory.iterdir()}
    for name, seal in manifest["files"].items():
        data = (directory / name).read_bytes()
        assert seal == {"bytes": len(data), "keccak": to_hex(keccak(data))}
        parts = data.splitlines(keepends=True) if name.endswith(".jsonl") else [data + b"\n"]
        assert all(canonical_json(json.loads(part)) + b"\n" == part for part in parts)


def test_export_auditor__settled_day__journal_leads_to_the_anchored_head(day: Any, tools: Any, tmp_path: Path) -> None:
    anchor = export_auditor(day.record, tmp_path / "auditor", chain=CHAIN, receipts=receipts(tools))

    check_form(tmp_path / "auditor", "auditor")
    previous = ZERO_HASH
    for number, line in enumerate(lines(tmp_path / "auditor", "journal.jsonl"), start=1):
        digest = payload_hash(salt=from_hex(line["salt"]), payload_text=canonical_json(line["payload"]))
        previous = entry_hash(sequence=number, kind=line["kind"], payload_hash=digest, previous=previous)
        assert (line["sequence"], line["hash"]) == (number, to_hex(previous))
    assert (number, previous) == (anchor.sequence, anchor.head)


def test_export_auditor__receipts__are_the_operators_over_the_entries(day: Any, tools: Any, tmp_path: Path) -> None:
    export_auditor(day.record, tmp_path / "auditor", chain=CHAIN, receipts=receipts(tools))

    journal = {line["sequence"]: line for line in lines(tmp_path / "auditor", "journal.jsonl")}
    found = lines(tmp_path / "auditor", "receipts.jsonl")
    assert [line["sequence"] for line in found] == [
        number for number, line in journal.items() if line["kind"] in ("order.accepted", "order.cancelled")
    ]
    for line in found:
        entry = journal[line["sequence"]]
        order = entry["payload"]["order"]
        values = {
            "market": order["market"],
            "session": order["session"],
            "mtu": order["mtu"],
            "revision": order["revision"],
            "kind": 1,
        }
        values |= {"tag": entry["payload"]["tag"], "sequence": line["sequence"], "journalHead": entry["hash"]}
        values["marketTime"] = entry["payload"]["market_time"]
        digest = tools.MARKET_DOMAIN.digest(RECEIPT, values)
        assert recover(digest, from_hex(line["signature"])) == tools.key("operator").address


def test_export_auditor__twice__gives_the_same_bytes(day: Any, tools: Any, tmp_path: Path) -> None:
    for name in ("one", "two", "one"):
        export_auditor(day.record, tmp_path / name, chain=CHAIN, receipts=receipts(tools))

    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_export_auditor__erased_entry__is_closed_and_listed(day: Any, tools: Any, tmp_path: Path) -> None:
    target = day.record.entries(kinds=[ParticipantRegistered])[0]
    day.record.erase([target.sequence], "asked for by the participant")
    day.anchor()

    export_auditor(day.record, tmp_path / "auditor", chain=CHAIN, receipts=receipts(tools))

    journal = lines(tmp_path / "auditor", "journal.jsonl")
    line = journal[target.sequence - 1]
    assert set(line) == {"sequence", "kind", "payload_hash", "hash"}
    assert target.sequence in journal[-1]["payload"]["sequences"]


def test_export_public__settled_day__opens_nothing_about_households(day: Any, tools: Any, tmp_path: Path) -> None:
    export_public(day.record, tmp_path / "public", chain=CHAIN)

    check_form(tmp_path / "public", "public")
    for line in lines(tmp_path / "public", "journal.jsonl"):
        assert ("payload" in line) == (FACTS[line["kind"]] in PUBLIC_KINDS)
    text = b"".join(path.read_bytes() for path in (tmp_path / "public").iterdir())
    assert b'"point1"' not in text.replace(canonical_json(tools.GRID_MODEL), b"")  # the grid model names its points
    assert b"meter1" not in text
    (program,) = lines(tmp_path / "public", "programs.jsonl")
    assert [item["mtu"] for item in program["results"]] == [1000, 1001, 1002, 1003]
    attested = lines(tmp_path / "public", "attestations.jsonl")
    assert attested[-1] == {"area": tools.AREA, "mtu": 1003, "unread": True}
    for line in attested[:-1]:
        values = {"area": text_id(line["area"]), "mtu": line["mtu"], "revision": 0, "root": line["root"]}
        values |= {"count": line["count"], "importWh": line["import_wh"], "exportWh": line["export_wh"]}
        digest = tools.READINGS_DOMAIN.digest(ATTESTATION, values)
        assert recover(digest, from_hex(line["signatures"][0])) == tools.key("attester1").address
    (settlement,) = lines(tmp_path / "public", "settlements.jsonl")
    assert sum(unpack_settlement_word(int(word, 16))[1] for word in settlement["words"]) == 0


def test_export_all_personal__every_account__proves_its_own_bill(day: Any, tools: Any, tmp_path: Path) -> None:
    accounts = export_all_personal(day.record, tmp_path / "personal", chain=CHAIN, receipts=receipts(tools))

    assert accounts == sorted(accounts)
    assert len(accounts) == 6
    for number, account in enumerate(accounts, start=1):
        directory = tmp_path / "personal" / str(number)
        check_form(directory, "personal")
        (line,) = lines(directory, "statements.jsonl")
        statement = line["statement"]
        assert statement["account"] == account
        leaf = statement_leaf(
            account=from_hex(account),
            period=statement["period"],
            revision=0,
            hashed=statement_hash(salt=from_hex(line["salt"]), statement=statement),
        )
        proof = [from_hex(node) for node in line["proof"]]
        assert verify_proof(value=leaf, proof=proof, root=from_hex(line["statements_root"]))
        due = dict(unpack_settlement_word(int(word, 16)) for word in line["page"])
        assert due[from_hex(account)] == int(statement["due_neur"])
        assert settlement_words_hash([int(word, 16) for word in line["page"]]) == from_hex(line["words_hash"])
        if statement["kind"] == "household":
            assert to_hex(hash_json(lines(directory, "terms.jsonl"))) == statement["terms_hash"]


def test_export_personal__a_seller__opens_its_orders_readings_and_results(day: Any, tools: Any, tmp_path: Path) -> None:
    account = to_hex(tools.key("house2").address)

    export_personal(day.record, tmp_path / "mine", account=account, chain=CHAIN, receipts=receipts(tools))

    orders = lines(tmp_path / "mine", "orders.jsonl")
    assert {line["order"]["account"] for line in orders} == {account}
    results = lines(tmp_path / "mine", "results.jsonl")
    assert [line["mtu"] for line in results] == [1000, 1001]
    readings = lines(tmp_path / "mine", "readings.jsonl")
    assert [line["reading"]["mtu"] for line in readings] == [1000, 1001, 1002]
    for line in readings:
        leaf = Reading.from_json(line["reading"]).hash()
        assert verify_proof(value=leaf, proof=[from_hex(node) for node in line["proof"]], root=from_hex(line["root"]))


def test_last_anchor__none_or_another_journals__is_an_error(scene: Any, tools: Any) -> None:
    with scene.record.read() as connection, pytest.raises(NothingAnchored):
        last_anchor(connection)

    args = {"sequence": 3, "head": to_hex(keccak(b"another journal")), "previousHead": to_hex(ZERO_HASH)}
    scene.include("anchor:3", [("Anchors", "HeadAnchored", args)])

    with scene.record.read() as connection, pytest.raises(JournalBroken):
        last_anchor(connection)


def test_export__folder_of_something_else__is_left_alone(day: Any, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.txt").write_text("cat")

    with pytest.raises(NotABundle):
        export_public(day.record, tmp_path / "photos", chain=CHAIN)

    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.txt"]


def _area_anchors(tools: Any, attesters: list[bytes]) -> AreaAnchors:
    accounts = (tools.key("grid account").address, tools.key("tax office").address)
    return AreaAnchors(keccak(b"model"), "Europe/Berlin", *accounts, [tools.key("dso").address], attesters, 2)


def test_export_anchors__given_trust__is_canonical(day: Any, tools: Any, tmp_path: Path) -> None:
    with day.record.read() as connection:
        anchor = last_anchor(connection)
    attesters = [tools.key(f"attester{n}").address for n in (1, 2, 3)]
    trust = TrustAnchors(
        chain_id=31337,
        genesis_hash=keccak(b"genesis"),
        speed=1,
        origin_seconds=900_000,
        start_seconds=0,
        contracts={"Market": (b"\x11" * 20, keccak(b"code"))},
        roles={"operator": [tools.key("operator").address]},
        areas={tools.AREA: _area_anchors(tools, attesters)},
        block=anchor.block,
        block_hash=keccak(b"block"),
    )

    export_anchors(tmp_path / "anchors.json", trust=trust, anchor=anchor)

    data = (tmp_path / "anchors.json").read_bytes()
    content = json.loads(data)
    assert canonical_json(content) == data
    assert content["checkpoint"]["journal_head"] == to_hex(anchor.head)
    assert content["areas"][tools.AREA]["attesters"] == sorted(to_hex(address) for address in attesters)
