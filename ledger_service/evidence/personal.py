"""Personal bundles: what one account needs to check its own bill (docs/evidence.md section 6)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from domain.facts import OrderAccepted
from domain.hashing import to_hex
from ledger_service.evidence.form import BundleWriter
from ledger_service.evidence.journal import chain_json
from ledger_service.evidence.openings import Openings, read_openings
from ledger_service.evidence.recorded import Anchor, ChainInfo, ReceiptSource, last_anchor
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
        bundle.raw_lines("results.jsonl", _results(openings, account))
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
    for program in openings.programs:
        if program.area == party["area"]:
            own = {"net_wh": program.schedules[party["point"]], "envelopes": program.envelopes[party["point"]]}
            yield {**program.shown, **own}


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
            "rules": payload["rules"],
            "key": {name: key[name] for name in ("order_key", "valid_from_mtu", "signature")},
        }
        if entry.kind == OrderAccepted.KIND:
            yield {**common, "order": payload["order"]}
        else:
            cancel = {name: payload[name] for name in ("market", "mtu", "revision")}
            cancel["orderId"] = payload["order_id"]
            yield {**common, "cancel": cancel, "tag": payload["tag"]}


def _results(openings: Openings, account: str) -> Iterable[bytes]:
    """The complete words of every MTU in which the account has one, by MTU and market."""
    return (result.line for result in openings.results if account in result.accounts)


def _readings(openings: Openings, meters: set[str]) -> Iterable[Line]:
    """Own readings with the proof to the attested root."""
    for attestation in openings.attestations:
        for reading, proof in zip(attestation.readings, attestation.proofs, strict=True):
            if reading["meter"] in meters:
                yield {**attestation.header, "reading": reading, "proof": [to_hex(node) for node in proof]}


def _statements(openings: Openings, account: str) -> Iterable[Line]:
    """Own statements that attesters signed, with the proof to the statements root and the page of the own word."""
    for settlement in openings.settlements:
        if account in settlement.statements:
            item = settlement.statements[account]
            own = {"statement": item["statement"], "salt": item["salt"], "proof": settlement.proofs[account]}
            yield {**settlement.shown, **own, "page": settlement.pages.get(account)}
