"""Personal bundles: what one account needs to check its own bill (docs/evidence.md section 6)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from domain.hashing import from_hex, hash_json, to_hex
from domain.merkle import merkle_proofs
from domain.orders import schedule_hash
from domain.words import page_hashes, pages_of, unpack_settlement_word
from ledger_service.evidence.facts import Anchor, ChainInfo, ReceiptSource, last_anchor
from ledger_service.evidence.form import BundleWriter
from ledger_service.evidence.journal import chain_json
from ledger_service.evidence.openings import Openings, read_openings
from ledger_service.record import Record

Line = dict[str, Any]


def export_personal(
    record: Record, directory: Path, *, account: str, chain: ChainInfo, receipts: ReceiptSource
) -> Anchor:
    """Write the bundle of one account (0x hex) up to the last anchor. Raises NothingAnchored, NotABundle."""
    with record.read() as connection:
        anchor = last_anchor(connection)
        openings = read_openings(connection, through=anchor.sequence)
        _write(connection, directory, openings=openings, account=account, chain=chain, receipts=receipts)
    return anchor


def export_all_personal(record: Record, directory: Path, *, chain: ChainInfo, receipts: ReceiptSource) -> list[str]:
    """Write `<directory>/<n>` for every account, n from 1 in ascending order, and return the accounts in that order.

    The record is read once for all of them.
    """
    with record.read() as connection:
        openings = read_openings(connection, through=last_anchor(connection).sequence)
        accounts = sorted(openings.parties)
        for number, account in enumerate(accounts, start=1):
            place = directory / str(number)
            _write(connection, place, openings=openings, account=account, chain=chain, receipts=receipts)
    return accounts


def _write(
    connection: Connection,
    directory: Path,
    *,
    openings: Openings,
    account: str,
    chain: ChainInfo,
    receipts: ReceiptSource,
) -> None:
    party = openings.parties[account]
    meters = [meter for meter in openings.meters if party["point"] is not None and meter["point"] == party["point"]]
    codes = {meter["meter"] for meter in meters}
    statements = list(_statements(openings, account))
    with BundleWriter(directory, kind="personal") as bundle:
        bundle.value("chain.json", chain_json(chain))
        bundle.value("account.json", _account(party, meters, openings.grid_models[party["area"]]))
        bundle.lines("orders.jsonl", _orders(openings, account, receipts))
        bundle.lines("programs.jsonl", _programs(openings, party))
        bundle.lines("results.jsonl", _results(openings, account))
        bundle.lines("readings.jsonl", _readings(openings, codes))
        bundle.lines("messages.jsonl", ({"jws": jws} for jws in dict.fromkeys(openings.messages_of(codes))))
        bundle.lines("terms.jsonl", openings.terms_of(account, [item["statement"] for item in statements]))
        bundle.lines("statements.jsonl", statements)


def _account(party: Line, meters: Iterable[Line], grid_model: Line) -> Line:
    names = ("meter", "public_key", "valid_from_mtu")
    return {
        **{name: party[name] for name in ("account", "area", "kind", "point")},
        "grid_model": grid_model,
        "meters": [{name: meter[name] for name in names} for meter in meters],
    }


def _programs(openings: Openings, party: Line) -> Iterable[Line]:
    """Own schedule and envelopes of every signed program of the area, with what leads from them to the signed report.

    Of other points it holds hashes only. A party without a point has none.
    """
    if party["point"] is None:
        return
    for signed in openings.programs:
        program = signed["validated"]
        if signed["area"] != party["area"]:
            continue
        points = [str(point["code"]) for point in openings.grid_models[party["area"]]["points"]]
        own: dict[str, list[Line]] = {point: [] for point in points}
        for envelope in program["envelopes"]:
            own[envelope["point"]].append(envelope)
        names = ("market", "program", "first_mtu", "count", "results_root", "deadline", "report")
        yield {
            **{name: program[name] for name in names},
            "dso": signed["dso"],
            "signature": signed["signature"],
            "net_wh": program["schedules"][party["point"]],
            "schedule_hashes": [to_hex(schedule_hash(program["schedules"][point])) for point in points],
            "envelopes": own[party["point"]],
            "envelope_hashes": [to_hex(hash_json(own[point])) for point in points],
        }


def _orders(openings: Openings, account: str, receipts: ReceiptSource) -> Iterable[Line]:
    """Own orders and cancels by sequence, each with the operator's receipt."""
    for entry in openings.orders.get(account, ()):
        payload = entry.content()
        key = openings.key_of(payload["order_key"])
        common = {
            "signature": payload["signature"],
            "sequence": entry.sequence,
            "journal_head": to_hex(entry.hash),
            "market_time": payload["market_time"],
            "receipt": to_hex(receipts(entry)),
            "key": {name: key[name] for name in ("order_key", "valid_from_mtu", "signature")},
        }
        if entry.kind == "order.accepted":
            yield {**common, "order": payload["order"]}
        else:
            cancel = {name: payload[name] for name in ("market", "mtu", "revision")}
            cancel["orderId"] = payload["order_id"]
            yield {**common, "cancel": cancel, "tag": payload["tag"]}


def _results(openings: Openings, account: str) -> Iterable[Line]:
    """The complete words of every MTU in which the account has one."""
    for entry in openings.results:
        if account in openings.accounts_in(entry):
            payload = entry.content()
            row = {name: payload[name] for name in ("market", "mtu", "price_neur_per_wh", "words")}
            yield {**row, "lot_wh": openings.lots_wh[payload["market"]]}


def _readings(openings: Openings, meters: set[str]) -> Iterable[Line]:
    """Own readings with the proof to the attested root."""
    for attestation in openings.attestations:
        own = [at for at, reading in enumerate(attestation.readings) if reading["meter"] in meters]
        if not own:
            continue
        proofs = merkle_proofs(attestation.leaves, own)
        for at, proof in zip(own, proofs, strict=True):
            yield {
                **attestation.header,
                "reading": attestation.readings[at],
                "proof": [to_hex(node) for node in proof],
            }


def _statements(openings: Openings, account: str) -> Iterable[Line]:
    """Own statements that attesters signed, with the proof to the statements root and the page of the own word."""
    for proposal, signed in openings.settlements:
        leaves = openings.statement_leaves(proposal)
        items = openings.statement_items(proposal)
        at = next((index for index, item in enumerate(items) if item["account"] == account), None)
        if at is None:
            continue
        words = [int(word, 16) for word in proposal["words"]]
        page = next((page for page in pages_of(words) if _holds(page, from_hex(account))), None)
        names = ("words_hash", "clearing_root", "readings_root", "statements_root", "tariff_hash")
        yield {
            **{name: proposal[name] for name in names},
            "statement": items[at]["statement"],
            "salt": items[at]["salt"],
            "proof": [to_hex(node) for node in merkle_proofs(leaves, [at])[0]],
            "signatures": [item["signature"] for item in signed["signatures"]],
            "page": None if page is None else [f"0x{word:064x}" for word in page],
            "page_hashes": [to_hex(item) for item in page_hashes(words)],
        }


def _holds(page: Iterable[int], account: bytes) -> bool:
    return any(unpack_settlement_word(word)[0] == account for word in page)
