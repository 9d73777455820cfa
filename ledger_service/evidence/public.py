"""The public bundle: the market's honesty, without anything that names a household (docs/evidence.md section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from domain.facts import (
    AreaDefined,
    BookClosed,
    ErasureDone,
    MarketDefined,
    MtuCleared,
    MtuUnread,
    MtuVoided,
    PeriodDeclared,
    ProgramOpened,
    ProgramRefused,
    ProgramSigned,
    ProgramValidated,
    SettlementProposed,
    SettlementSigned,
    TariffPublished,
)
from domain.hashing import text_id, to_hex
from ledger_service.evidence.form import BundleWriter
from ledger_service.evidence.journal import chain_json, journal_lines
from ledger_service.evidence.recorded import Anchor, ChainInfo, chain_events, last_anchor, walk
from ledger_service.record import Record

PUBLIC_KINDS = frozenset(
    {
        AreaDefined.KIND,
        MarketDefined.KIND,
        TariffPublished.KIND,
        PeriodDeclared.KIND,
        ProgramOpened.KIND,
        BookClosed.KIND,
        ProgramSigned.KIND,
        ProgramRefused.KIND,
        MtuCleared.KIND,
        MtuVoided.KIND,
        MtuUnread.KIND,
        SettlementSigned.KIND,
        ErasureDone.KIND,
    }
)
"""Kinds whose payloads anybody may read."""

READINGS_EVENTS = {("Readings", "ReadingsAttested"), ("Readings", "ReadingsUnread")}


def export_public(record: Record, directory: Path, *, chain: ChainInfo) -> Anchor:
    """Write the public bundle up to the last anchor and return that anchor. Raises NothingAnchored, NotABundle."""
    with record.read() as connection, BundleWriter(directory, kind="public") as bundle:
        anchor = last_anchor(connection)
        bundle.value("chain.json", chain_json(chain))
        bundle.raw_lines("journal.jsonl", journal_lines(connection, through=anchor.sequence, opened=PUBLIC_KINDS))
        bundle.lines("programs.jsonl", _programs(connection, anchor.sequence))
        bundle.lines("attestations.jsonl", attestations(connection, anchor.sequence))
        bundle.lines("settlements.jsonl", _settlements(connection, anchor.sequence))
    return anchor


def _programs(connection: Connection, through: int) -> Iterator[dict[str, Any]]:
    """Signed programs in the order of their signatures."""
    validated: dict[tuple[str, int], dict[str, Any]] = {}
    for entry in walk(connection, through=through, kinds=[ProgramValidated, ProgramSigned]):
        payload = entry.content()
        key = (payload["market"], payload["program"])
        if entry.kind == ProgramValidated.KIND:
            validated[key] = payload
            continue
        if key not in validated:
            continue  # its opening was erased
        program = validated[key]
        names = ("market", "program", "first_mtu", "count", "report", "deadline")
        results = [{name: item[name] for name in ("mtu", "price_neur_per_wh", "words")} for item in program["results"]]
        yield {
            **{name: program[name] for name in names},
            "results": results,
            "rules": {"ties": program["rules"]["ties"]},
        }


def attestations(connection: Connection, through: int) -> Iterator[dict[str, Any]]:
    """What the chain recorded of readings, in its order: attestations with their signatures, and unread MTUs."""
    areas = (entry.content()["area"] for entry in walk(connection, through=through, kinds=[AreaDefined]))
    code_of = {to_hex(text_id(area)): area for area in areas}
    for event in chain_events(connection, through=through, wanted=READINGS_EVENTS):
        args = event.args
        area, mtu = code_of[args["area"]], int(args["mtu"])
        if event.event == "ReadingsUnread":
            yield {"area": area, "mtu": mtu, "unread": True}
            continue
        yield {
            "area": area,
            "mtu": mtu,
            "revision": int(args["revision"]),
            "root": args["root"],
            "count": int(args["count"]),
            "import_wh": int(args["importWh"]),
            "export_wh": int(args["exportWh"]),
            "signatures": list(args["signatures"]),
        }


def _settlements(connection: Connection, through: int) -> Iterator[dict[str, Any]]:
    """Signed settlements in the order of `settlement.signed`."""
    for proposal, _ in signed_proposals(connection, through):
        names = ("area", "period", "revision", "words", "statements_root", "tariff_hash", "rules")
        yield {name: proposal[name] for name in names}


def signed_proposals(connection: Connection, through: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(proposal, `settlement.signed` payload): a signature belongs to the newest proposal of its revision before it.

    Proposals whose openings were erased are left out.
    """
    newest: dict[tuple[str, int, int], dict[str, Any]] = {}
    for entry in walk(connection, through=through, kinds=[SettlementProposed, SettlementSigned]):
        payload = entry.content()
        key = (payload["area"], payload["period"], payload["revision"])
        if entry.kind == SettlementProposed.KIND:
            newest[key] = payload
        elif key in newest:
            yield newest[key], payload
