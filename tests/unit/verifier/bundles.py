"""A small market day as bundles and trust anchors, and what an operator does who rewrites it."""

from __future__ import annotations

import copy
from typing import Any

from eth_abi import encode

from domain.eip712 import RECEIPT
from domain.hashing import ZERO_HASH, canonical_json, hash_json, keccak, text_id, to_hex
from domain.orders import Order, schedule_hash
from tests.unit.verifier.fake_chain import (
    AREA,
    CHAIN_ID,
    CODE,
    CONTRACTS,
    FIRST,
    GENESIS,
    LOT,
    MARKET,
    NAMES,
    POINTS,
    FakeChain,
    address,
    sign,
)


class Bundles:
    """The bundles of a day that has run."""

    chain: FakeChain
    entries: list[dict[str, Any]]
    receipts: list[dict[str, Any]]
    erased: list[int]
    orders: dict[str, tuple[Order, str | None]]
    results: list[dict[str, Any]]
    envelopes: list[dict[str, Any]]
    schedules: dict[str, list[int]]
    messages: dict[str, list[str]]
    statements: list[dict[str, Any]]
    personal_readings: list[dict[str, Any]]
    program: dict[str, Any]
    area: dict[str, Any]

    def own(self, point: str) -> list[dict[str, Any]]:
        """Envelopes of a point."""
        return [envelope for envelope in self.envelopes if envelope["point"] == point]

    def auditor(self) -> dict[str, bytes]:
        """The auditor bundle's files."""
        return auditor_bundle(self.entries, self.receipts, self.erased)

    def public(self) -> dict[str, bytes]:
        """The public bundle's files."""
        shown = {
            "area.defined",
            "market.defined",
            "tariff.published",
            "period.declared",
            "program.opened",
            "book.closed",
            "program.signed",
            "program.refused",
            "mtu.cleared",
            "mtu.voided",
            "mtu.unread",
            "settlement.signed",
            "erasure.done",
        }
        lines, attestations, settlements = [], [], []
        for entry in self.entries:
            salted = keccak(bytes.fromhex(entry["salt"][2:]) + canonical_json(entry["payload"]))
            head = {name: entry[name] for name in ("sequence", "kind", "hash")}
            lines.append(entry if entry["kind"] in shown else {**head, "payload_hash": to_hex(salted)})
            body = entry["payload"]
            if entry["sequence"] in self.erased:
                continue
            if entry["kind"] == "reading.attested":
                names = ("mtu", "revision", "root", "count", "import_wh", "export_wh", "signatures")
                attestations += [
                    {"area": AREA, **{name: item[name] for name in names}} for item in body["attestations"]
                ]
            elif entry["kind"] == "mtu.unread":
                attestations.append({"area": AREA, "mtu": body["mtu"], "unread": True})
            elif entry["kind"] == "settlement.proposed":
                names = ("area", "period", "revision", "words", "statements_root", "tariff_hash")
                settlements.append({name: body[name] for name in names})
        attestations.sort(key=lambda row: [0, 1, 3, 2, 4].index(row["mtu"] - FIRST))
        program = {
            name: self.program[name] for name in ("market", "program", "first_mtu", "count", "report", "deadline")
        }
        program["results"] = [{k: r[k] for k in ("mtu", "price_neur_per_wh", "words")} for r in self.results]
        return seal("public", {
            "journal.jsonl": jsonl(lines), "programs.jsonl": jsonl([program]),
            "attestations.jsonl": jsonl(attestations), "settlements.jsonl": jsonl(settlements),
        })  # fmt: skip

    def personal(self, name: str, kind: str, point: str | None) -> dict[str, bytes]:
        """One account's bundle."""
        account = address(name)
        bodies = {e["sequence"]: e for e in self.entries if e["kind"] in ("order.accepted", "order.cancelled")}
        keys = {e["payload"]["order_key"]: e["payload"] for e in self.entries if e["kind"] == "key.registered"}
        orders = []
        for receipt in self.receipts:
            entry = bodies[receipt["sequence"]]
            body = entry["payload"]
            tail = {"sequence": entry["sequence"], "journal_head": entry["hash"], "receipt": receipt["signature"]}
            tail |= {"market_time": body["market_time"], "signature": body["signature"]}
            tail["key"] = {k: keys[body["order_key"]][k] for k in ("order_key", "valid_from_mtu", "signature")}
            if entry["kind"] == "order.accepted" and body["order"]["account"] == account:
                orders.append({"order": body["order"], **tail})
            elif entry["kind"] == "order.cancelled" and body["account"] == account:
                cancel = {"market": MARKET, "mtu": body["mtu"], "orderId": body["order_id"]}
                cancel["revision"] = body["revision"]
                orders.append({"cancel": cancel, "tag": body["tag"], **tail})
        tags = {tag for tag, (order, _) in self.orders.items() if to_hex(order.account) == account}
        results = [
            {"market": MARKET, "lot_wh": LOT, **{k: r[k] for k in ("mtu", "price_neur_per_wh", "words")}}
            for r in self.results
            if not r["given_up"] and any(word[:34] in tags for word in r["words"])
        ]
        own = [r for r in self.personal_readings if r["reading"]["meter"] == f"meter-{point}"]
        meters = [
            e["payload"] for e in self.entries if e["kind"] == "meter.registered" and e["payload"]["point"] == point
        ]
        terms = [e["payload"] for e in self.entries if e["kind"] in ("tariff.published", "agreement.signed")]
        mine = [t for t in terms if t.get("account", account) == account] if kind == "household" else []
        mine.sort(key=lambda t: (t.get("agreement") or t["tariff"], t["version"], "agreement" in t))
        head = {"account": account, "area": AREA, "kind": kind, "point": point}
        head["grid_model"] = self.area["grid_model"]
        head["meters"] = [{k: m[k] for k in ("meter", "public_key", "valid_from_mtu")} for m in meters]
        messages = [{"jws": jws} for jws in self.messages.get(point or "", [])]
        statements = [s for s in self.statements if s["statement"]["account"] == account]
        return seal("personal", {
            "account.json": canonical_json(head), "orders.jsonl": jsonl(orders), "results.jsonl": jsonl(results),
            "programs.jsonl": jsonl(self._shown_program(point)),
            "readings.jsonl": jsonl(own), "messages.jsonl": jsonl(messages), "terms.jsonl": jsonl(mine),
            "statements.jsonl": jsonl(statements),
        })  # fmt: skip

    def _shown_program(self, point: str | None) -> list[dict[str, Any]]:
        if point is None:
            return []
        signed = next(e["payload"] for e in self.entries if e["kind"] == "program.signed")
        names = ("market", "program", "first_mtu", "count", "results_root", "deadline", "report")
        hashes = {"schedule_hashes": [to_hex(schedule_hash(self.schedules[p])) for p in POINTS]}
        hashes["envelope_hashes"] = [to_hex(hash_json(self.own(p))) for p in POINTS]
        own = {"net_wh": self.schedules[point], "envelopes": self.own(point)}
        told = {name: signed[name] for name in ("dso", "signature")}
        return [{**{name: self.program[name] for name in names}, **told, **own, **hashes}]

    def anchors(self) -> dict[str, Any]:
        """What the verifier's user trusts."""
        area = {"grid_model_hash": self.area["grid_model_hash"], "dso": address("dso"), "threshold": 2}
        area["attesters"] = sorted(address(f"a{n}") for n in (1, 2, 3))
        roles = {role: address(role) for role in ("operator", "treasurer", "registrar", "security_admin")}
        code = to_hex(keccak(bytes.fromhex(CODE[2:])))
        number, last = len(self.chain.blocks) - 1, self.entries[-1]
        point = {"block": number, "block_hash": self.chain.blocks[-1]["hash"]}
        point |= {"journal_sequence": last["sequence"], "journal_head": last["hash"]}
        return {
            "format": "dominoes-anchors/1", "chain_id": CHAIN_ID, "genesis_hash": GENESIS, "speed": 1,
            "origin_seconds": 5, "start_seconds": 5, "roles": roles, "areas": {AREA: area}, "checkpoint": point,
            "contracts": {name: {"address": CONTRACTS[name], "code_hash": code} for name in NAMES},
        }  # fmt: skip


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    """Canonical lines."""
    return b"".join(canonical_json(row) + b"\n" for row in rows)


def seal(kind: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """Files with chain.json and a manifest that fits."""
    files = {"chain.json": canonical_json({"chain_id": CHAIN_ID, "contracts": CONTRACTS}), **files}
    files.pop("manifest.json", None)
    listed = {name: {"bytes": len(data), "keccak": to_hex(keccak(data))} for name, data in files.items()}
    manifest = {"files": listed, "format": "dominoes-evidence/1", "kind": kind}
    return {**files, "manifest.json": canonical_json(manifest)}


def auditor_bundle(
    entries: list[dict[str, Any]], receipts: list[dict[str, Any]], erased: list[int]
) -> dict[str, bytes]:
    """The auditor bundle of a journal of which some entries are erased."""
    lines = []
    for entry in entries:
        if entry["sequence"] in erased:
            hashed = keccak(bytes.fromhex(entry["salt"][2:]) + canonical_json(entry["payload"]))
            head = {name: entry[name] for name in ("sequence", "kind", "hash")}
            lines.append({**head, "payload_hash": to_hex(hashed)})
        else:
            lines.append(entry)
    kept = [row for row in receipts if row["sequence"] not in erased]
    return seal("auditor", {"journal.jsonl": jsonl(lines), "receipts.jsonl": jsonl(kept)})


def rechain(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same entries with hashes that fit their payloads: what an operator who rewrites its journal would do."""
    head, result = ZERO_HASH, []
    for sequence, entry in enumerate(entries, 1):
        payload_hash = keccak(bytes.fromhex(entry["salt"][2:]) + canonical_json(entry["payload"]))
        head = keccak(sequence.to_bytes(8, "big") + keccak(entry["kind"].encode()) + payload_hash + head)
        result.append({**entry, "sequence": sequence, "hash": to_hex(head)})
    return result


def resigned(entries: list[dict[str, Any]], erased: list[int]) -> list[dict[str, Any]]:
    """The operator's receipts for a journal as it now stands."""
    rows = []
    for entry in entries:
        body, sequence = entry["payload"], entry["sequence"]
        if entry["kind"] not in ("order.accepted", "order.cancelled") or sequence in erased:
            continue
        order = body["order"] if entry["kind"] == "order.accepted" else body
        values = {
            "market": text_id(MARKET), "mtu": order["mtu"], "tag": body["tag"], "revision": order["revision"],
            "kind": 1 if entry["kind"] == "order.accepted" else 2, "sequence": sequence,
            "journalHead": bytes.fromhex(entry["hash"][2:]), "marketTime": body["market_time"],
        }  # fmt: skip
        rows.append({"sequence": sequence, "signature": sign("operator", RECEIPT, values, "Market")})
    return rows


def played(day: Any, entries: list[dict[str, Any]]) -> tuple[dict[str, bytes], dict[str, Any], Any]:
    """(bundle, trust anchors, node) after the operator made all it can fit changed facts: it re-hashes its journal,
    signs its receipts again, anchors the new head and seals the manifest."""
    entries = rechain(entries)
    files = auditor_bundle(entries, resigned(entries, day.erased), day.erased)
    chain, anchors = copy.copy(day.chain), day.anchors()
    last = entries[-1]
    head = encode(["bytes32", "bytes32"], [bytes.fromhex(last["hash"][2:]), ZERO_HASH])
    sequence = to_hex(encode(["uint64"], [last["sequence"]]))
    old = chain.logs[-1]
    chain.logs = [*chain.logs[:-1], {**old, "data": to_hex(head), "topics": [old["topics"][0], sequence]}]
    anchors["checkpoint"] |= {"journal_sequence": last["sequence"], "journal_head": last["hash"]}
    return files, anchors, chain.rpc
