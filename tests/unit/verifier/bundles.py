"""A small market day as bundles and trust anchors, and what an operator does who rewrites it."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from eth_abi.abi import encode

from domain.eip712 import AUDIT, RECEIPT
from domain.hashing import ZERO_HASH, canonical_json, hash_json, keccak, text_id, to_hex
from domain.orders import schedule_hash
from tests.unit.verifier.fake_chain import (
    AREA,
    CHAIN_ID,
    CODE,
    CONTRACTS,
    FIRST,
    GATE,
    GENESIS,
    LOT,
    MARKET,
    NAMES,
    POINTS,
    address,
    sign,
)
from tests.unit.verifier.journal import Payload, entry_hash, payload_hash
from tests.unit.verifier.programs import CLEARING_RULES
from tests.unit.verifier.registering import ATTESTERS, THRESHOLD
from tests.unit.verifier.settling import Settling

Files = dict[str, bytes]
"""A bundle's files by name."""

PUBLIC_KINDS = {
    "area.defined",
    "market.defined",
    "tariff.published",
    "policy.published",
    "period.declared",
    "session.opened",
    "book.closed",
    "program.signed",
    "program.refused",
    "mtu.cleared",
    "session.done",
    "mtu.unread",
    "settlement.signed",
    "audit.signed",
    "erasure.done",
    "deployment.succeeded",
}
"""Open in a public bundle (docs/evidence.md section 2)."""

ATTESTED_IN_ORDER = (0, 1, 3, 2, 4)
"""MTUs in the order in which the chain recorded their readings."""


def selected(payload: Payload, *names: str) -> Payload:
    """Some members of a payload."""
    return {name: payload[name] for name in names}


class Bundles(Settling):
    """The bundles of a day that has run."""

    def payloads(self, kind: str) -> list[Payload]:
        """Payloads of all entries of a kind that are not erased."""
        return [e["payload"] for e in self.entries if e["kind"] == kind and e["sequence"] not in self.erased]

    def auditor(self) -> Files:
        """The auditor bundle's files."""
        return auditor_bundle(self.entries, self.receipts, self.erased)

    # ---- public

    def public(self) -> Files:
        """The public bundle's files."""
        program = selected(
            self.session, "market", "session", "first_mtu", "count", "report", "emptied_mask", "deadline"
        )
        program["rules"] = CLEARING_RULES
        program["results"] = [selected(result, "mtu", "price_neur_per_wh", "words") for result in self.results]
        names = ("area", "period", "revision", "words", "statements_root", "tariff_hash", "rules")
        settlements = [selected(payload, *names) for payload in self.payloads("settlement.proposed")]
        lines = [entry if entry["kind"] in PUBLIC_KINDS else closed(entry) for entry in self.entries]
        files = {
            "journal.jsonl": jsonl(lines),
            "programs.jsonl": jsonl([program]),
            "attestations.jsonl": jsonl(self._attestations()),
            "settlements.jsonl": jsonl(settlements),
        }
        return seal("public", files)

    def _attestations(self) -> list[Payload]:
        """Attestations without their readings, in the order of their happening."""
        names = ("mtu", "revision", "root", "count", "import_wh", "export_wh", "signatures")
        told = [item for payload in self.payloads("reading.attested") for item in payload["attestations"]]
        rows = [{"area": AREA, "mtu": payload["mtu"], "unread": True} for payload in self.payloads("mtu.unread")]
        rows += [{"area": AREA, **selected(item, *names)} for item in told]
        return sorted(rows, key=lambda row: (ATTESTED_IN_ORDER.index(row["mtu"] - FIRST), row.get("revision", 0)))

    # ---- personal

    def personal(self, name: str, kind: str, point: str | None) -> Files:
        """One account's bundle."""
        account = address(name)
        meters = [payload for payload in self.payloads("meter.registered") if payload["point"] == point]
        party = next(item for item in self.payloads("participant.registered") if item["account"] == account)
        head: Payload = {"participant": party, "grid_model": self.area["grid_model"], "meters": meters}
        head["replacements"] = []
        head["ends"] = self.ends_for(name)
        readings = [row for row in self.personal_readings if row["reading"]["meter"] == f"meter-{point}"]
        messages = [{"jws": jws} for jws in self.messages.get(point or "", [])]
        statements = [row for row in self.statements if row["statement"]["account"] == account]
        files = {
            "account.json": canonical_json(head),
            "orders.jsonl": jsonl(self._own_orders(account)),
            "results.jsonl": jsonl(self._own_results(account)),
            "programs.jsonl": jsonl([] if point is None else [self._own_program(point)]),
            "readings.jsonl": jsonl(readings),
            "messages.jsonl": jsonl(messages),
            "terms.jsonl": jsonl(self._own_terms(account) if kind == "household" else []),
            "statements.jsonl": jsonl(statements),
        }
        return seal("personal", files)

    def ends_for(self, name: str) -> list[Payload]:
        """What of an account ended: nothing."""
        return []

    def _own_orders(self, account: str) -> Iterable[Payload]:
        """Orders, cancels and mandates with their receipts."""
        entries = {entry["sequence"]: entry for entry in self.entries}
        keys = {payload["order_key"]: payload for payload in self.payloads("key.registered")}
        mandates = {payload["tag"]: payload for payload in self.payloads("mandate.granted")}
        for receipt in self.receipts:
            entry = entries[receipt["sequence"]]
            kind, payload = entry["kind"], entry["payload"]
            named = payload.get("mandate") if kind.startswith("order.") else None
            key = keys.get(payload["order_key"] if named is None else mandates[named]["order_key"], {})
            common = {
                **selected(payload, "market_time", "signature", "rules"),
                "key": {name: key.get(name, "") for name in ("order_key", "valid_from_mtu", "signature")},
                "sequence": entry["sequence"],
                "journal_head": entry["hash"],
                "receipt": receipt["signature"],
                **({} if named is None else {"mandate": named}),
            }
            if kind == "order.accepted" and payload["order"]["account"] == account:
                yield {"order": payload["order"], **common}
            elif kind == "order.cancelled" and payload["account"] == account:
                cancel = {"orderId": payload["order_id"], **selected(payload, "market", "session", "mtu", "revision")}
                yield {"cancel": cancel, "tag": payload["tag"], **common}
            elif kind == "mandate.granted" and payload["mandate"]["account"] == account:
                yield {**selected(payload, "mandate", "tag"), **common}
            elif kind == "mandate.revoked" and payload["account"] == account:
                revocation = selected(payload, "account", "agent", "mandate")
                yield {"revocation": revocation, "tag": payload["tag"], **common}

    def _own_results(self, account: str) -> Iterable[Payload]:
        """Results of the MTUs in which the account has a word."""
        tags = {tag for tag, (order, _) in self.orders.items() if to_hex(order.account) == account}
        for result in self.results:
            traded = result["price_neur_per_wh"] is not None
            if traded and any(word[:34] in tags for word in result["words"]):
                shown = selected(result, "mtu", "price_neur_per_wh", "words")
                yield {"market": MARKET, "session": GATE, "lot_wh": LOT, **shown, "rules": CLEARING_RULES}

    def _own_terms(self, account: str) -> list[Payload]:
        """Agreement and tariff versions, sorted as in `tariffHash`."""
        agreements = [payload for payload in self.payloads("agreement.signed") if payload["account"] == account]
        terms = [*agreements, *self.payloads("tariff.published")]
        return sorted(terms, key=lambda t: (t.get("agreement") or t["tariff"], t["version"], "agreement" in t))

    def _own_program(self, point: str) -> Payload:
        """A point's schedule and envelopes, with hashes of everybody's."""
        names = (
            "market",
            "session",
            "first_mtu",
            "count",
            "books_root",
            "results_root",
            "traded_mask",
            "emptied_mask",
            "deadline",
            "report",
        )
        return {
            **selected(self.session, *names),
            **selected(self.payloads("program.signed")[0], "dso", "signature"),
            "net_wh": self.schedules[point],
            "envelopes": self.own_envelopes(point),
            "schedule_hashes": [to_hex(schedule_hash(self.schedules[p])) for p in POINTS],
            "envelope_hashes": [to_hex(hash_json(self.own_envelopes(p))) for p in POINTS],
        }

    # ---- trust anchors

    def anchors(self) -> Payload:
        """What the verifier's user trusts."""
        last, code_hash = self.entries[-1], to_hex(keccak(bytes.fromhex(CODE[2:])))
        area = {
            "grid_model_hash": self.area["grid_model_hash"],
            "zone": "Europe/Berlin",
            "accounts": {"dso": address("net"), "tax": address("tax")},
            "dso": address("dso"),
            "attesters": sorted(address(name) for name in ATTESTERS),
            "threshold": THRESHOLD,
        }
        checkpoint = {
            "block": len(self.chain.blocks) - 1,
            "block_hash": self.chain.blocks[-1]["hash"],
            "journal_sequence": last["sequence"],
            "journal_head": last["hash"],
        }
        return {
            "format": "dominoes-anchors/2",
            "chain_id": CHAIN_ID,
            "genesis_hash": GENESIS,
            "speed": 1,
            "origin_seconds": 5,
            "start_seconds": 5,
            "roles": {role: address(role) for role in ("operator", "treasurer", "registrar", "security_admin")},
            "areas": {AREA: area},
            "auditors": [address("auditor")],
            "checkpoint": checkpoint,
            "contracts": {name: {"address": CONTRACTS[name], "code_hash": code_hash} for name in NAMES},
        }


# ---- files


def jsonl(rows: Iterable[Payload]) -> bytes:
    """Canonical lines."""
    return b"".join(canonical_json(row) + b"\n" for row in rows)


def closed(entry: Payload) -> Payload:
    """An entry whose payload is not shown."""
    return {**selected(entry, "sequence", "kind", "hash"), "payload_hash": to_hex(payload_hash(entry))}


def seal(kind: str, files: Files) -> Files:
    """Files with chain.json and a manifest that fits."""
    files = {"chain.json": canonical_json({"chain_id": CHAIN_ID, "contracts": CONTRACTS}), **files}
    files.pop("manifest.json", None)
    listed = {name: {"bytes": len(data), "keccak": to_hex(keccak(data))} for name, data in files.items()}
    manifest = {"files": listed, "format": "dominoes-evidence/1", "kind": kind}
    return {**files, "manifest.json": canonical_json(manifest)}


def auditor_bundle(entries: list[Payload], receipts: list[Payload], erased: list[int]) -> Files:
    """The auditor bundle of a journal of which some entries are erased."""
    lines = [closed(entry) if entry["sequence"] in erased else entry for entry in entries]
    kept = [row for row in receipts if row["sequence"] not in erased]
    return seal("auditor", {"journal.jsonl": jsonl(lines), "receipts.jsonl": jsonl(kept)})


# ---- an operator who rewrites


def rechain(entries: list[Payload]) -> list[Payload]:
    """The same entries with hashes that fit their payloads: what an operator who rewrites its journal would do, in
    league with the auditor."""
    head, result = ZERO_HASH, []
    hashes = {entry["sequence"]: entry["hash"] for entry in entries}
    for sequence, entry in enumerate(entries, 1):
        if entry["kind"] == "audit.signed":
            entry = audited_again(entry, hashes, result)
        head = entry_hash(sequence, entry["kind"], payload_hash(entry), head)
        result.append({**entry, "sequence": sequence, "hash": to_hex(head)})
    return result


def audited_again(entry: Payload, before: dict[int, str], entries: list[Payload]) -> Payload:
    """An audit by an auditor who signs whatever it is given: over the head as it is now."""
    told = entry["payload"]
    if told["auditor"] != address("auditor") or before.get(told["sequence"]) != told["head"]:
        return entry
    head = entries[told["sequence"] - 1]["hash"]
    if head == told["head"]:
        return entry
    values = {"sequence": told["sequence"], "head": bytes.fromhex(head[2:])}
    return {**entry, "payload": told | {"head": head, "signature": sign("auditor", AUDIT, values, "Anchors")}}


def resigned(entries: list[Payload], erased: list[int]) -> list[Payload]:
    """The operator's receipts for a journal as it now stands."""
    rows = []
    for entry in entries:
        payload, sequence = entry["payload"], entry["sequence"]
        if entry["kind"] not in ("order.accepted", "order.cancelled") or sequence in erased:
            continue
        accepted = entry["kind"] == "order.accepted"
        order = payload["order"] if accepted else payload
        values = {
            "market": text_id(MARKET),
            "session": order["session"],
            "mtu": order["mtu"],
            "tag": payload["tag"],
            "revision": order["revision"],
            "kind": 1 if accepted else 2,
            "sequence": sequence,
            "journalHead": bytes.fromhex(entry["hash"][2:]),
            "marketTime": payload["market_time"],
        }
        rows.append({"sequence": sequence, "signature": sign("operator", RECEIPT, values, "Market")})
    return rows


def played(day: Bundles, entries: list[Payload]) -> tuple[Files, Payload, Any]:
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
