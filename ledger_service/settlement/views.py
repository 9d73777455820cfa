"""How facts become the views of settlement, at once and when they are rebuilt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from contracts.bindings import Settlement
from domain.facts import (
    BookClosed,
    ChainFailed,
    ChainIncluded,
    ChainRewound,
    Fact,
    MtuCleared,
    PeriodDeclared,
    ProgramOpened,
    ProgramSigned,
    ProgramValidated,
    ReadingAttested,
    SettlementProposed,
    SettlementSigned,
)
from domain.hashing import from_hex, text_id, to_hex
from ledger_service.outbox import asks
from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import walk_entries
from ledger_service.registry.tables import registry_area, registry_market
from ledger_service.settlement.tables import (
    settlement_event,
    settlement_failed,
    settlement_period,
    settlement_program,
    settlement_source,
)

CLEARED, VOIDED, ATTESTED, UNREAD = "cleared", "voided", "attested", "unread"
"""What an event of the chain did to a MTU."""

RECORDED, SETTLED = "recorded", "settled"
"""What an event of the chain did to a program, or to a period; its MTU in the view is their first one."""

_RESOLVING = {
    ("Market", "MtuCleared"): CLEARED,
    ("Market", "MtuVoided"): VOIDED,
    ("Readings", "ReadingsAttested"): ATTESTED,
    ("Readings", "ReadingsUnread"): UNREAD,
}

_RECORDING = ("Market", "ProgramRecorded")
_SETTLING = ("Settlement", "PeriodSettled")
_FINALISING = ("Settlement", "PeriodFinalised")
_RELEVANT = {*_RESOLVING, _RECORDING, _SETTLING, _FINALISING}

SETTLED_HASHES = {
    "words_hash": "wordsHash",
    "clearing_root": "clearingRoot",
    "readings_root": "readingsRoot",
    "statements_root": "statementsRoot",
    "tariff_hash": "tariffHash",
}
"""The hashes of a `settlement.proposed` and what the event of its settlement calls them."""

KINDS: tuple[type[Fact], ...] = (
    PeriodDeclared,
    ProgramOpened,
    BookClosed,
    ProgramValidated,
    ProgramSigned,
    MtuCleared,
    ReadingAttested,
    SettlementProposed,
    SettlementSigned,
    ChainIncluded,
    ChainFailed,
    ChainRewound,
)
"""The facts the views of settlement are made of."""


def fold(connection: Connection, entry: Entry, *, now: int) -> None:
    """Bring the views up to date with one fact of KINDS; an erased one leaves no trace.

    `now` (market time) is noted where a period is seen settled for the first time: the horizon counts from then.
    """
    match entry.fact:
        case PeriodDeclared() as fact:
            names = ("area", "period", "first_mtu", "count")
            row = {name: getattr(fact, name) for name in names}
            connection.execute(insert(settlement_period).values(**row, settled=0, is_final=False))
        case ProgramOpened() as fact:
            row = {name: getattr(fact, name) for name in ("market", "program", "area", "period")}
            connection.execute(insert(settlement_program).values(**row))
            _source(connection, entry, fact.area, fact.period)
        case BookClosed() | ProgramValidated() | ProgramSigned() | MtuCleared() as fact:
            _fold_program_source(connection, entry, fact.market, fact.program)
        case ReadingAttested() as fact:
            _source(connection, entry, fact.area, fact.period)
        case SettlementProposed() as fact:
            _fold_proposal(connection, entry, fact)
        case SettlementSigned() as fact:
            _update_period(connection, fact.area, fact.period, {"signed_sequence": entry.sequence})
        case fact:
            _fold_chain(connection, fact, entry.sequence, now)


def _fold_chain(connection: Connection, fact: Fact | None, sequence: int, now: int) -> None:
    match fact:
        case ChainIncluded():
            # A transaction that comes into another block replaces what it did before.
            touched = _undo(connection, fact.key)
            if any(event.name in _RELEVANT for event in fact.events):
                touched |= _note_events(connection, fact, sequence)
            _count_settled(connection, touched, now)
        case ChainFailed():
            _count_settled(connection, _undo(connection, fact.key), now)
            if asks(fact, Settlement.settle) or asks(fact, Settlement.finalise):
                about = fact.about
                row = {"key": fact.key, "area": about.area, "period": about.period, "page": about.page or 0}
                connection.execute(insert(settlement_failed), row | {"failed_at": now})
        case ChainRewound():
            _count_settled(connection, _undo(connection, fact.key), now)


def rebuild_views(tx: Transaction, *, now: int) -> None:
    """Empty the views and fold every fact again; horizons of settled periods start anew at `now`."""
    for table in (settlement_event, settlement_failed, settlement_period, settlement_program, settlement_source):
        tx.connection.execute(delete(table))
    for entry in walk_entries(tx.connection, kinds=KINDS):
        fold(tx.connection, entry, now=now)


def _fold_program_source(connection: Connection, entry: Entry, market: str, program: int) -> None:
    table = settlement_program
    query = select(table).where(table.c.market == market, table.c.program == program)
    row = connection.execute(query).first()
    if row is not None:
        _source(connection, entry, row.area, row.period)


def _source(connection: Connection, entry: Entry, area: str, period: int) -> None:
    connection.execute(
        insert(settlement_source).values(sequence=entry.sequence, kind=entry.kind, area=area, period=period)
    )


def _fold_proposal(connection: Connection, entry: Entry, fact: SettlementProposed) -> None:
    values = {
        "proposal_sequence": entry.sequence,
        "proposal_revision": fact.revision,
        "proposal_roots": fact.clearing_root + fact.readings_root,
        "signed_sequence": None,
    }
    _source(connection, entry, fact.area, fact.period)
    _update_period(connection, fact.area, fact.period, values)


def _update_period(connection: Connection, area: str, period: int, values: dict[str, Any]) -> None:
    table = settlement_period
    connection.execute(update(table).where(table.c.area == area, table.c.period == period).values(**values))


def _undo(connection: Connection, key: str) -> set[tuple[str, int]]:
    """Forget what a transaction did; the (area, period) that were settled by it."""
    table = settlement_event
    rows = connection.execute(select(table.c.area, table.c.period).where(table.c.key == key, table.c.what == SETTLED))
    undone = {(row.area, row.period) for row in rows}
    connection.execute(delete(table).where(table.c.key == key))
    connection.execute(delete(settlement_failed).where(settlement_failed.c.key == key))
    return undone


def _note_events(connection: Connection, fact: ChainIncluded, sequence: int) -> set[tuple[str, int]]:
    """Write one row per event; the (area, period) that were settled."""
    area_of = {to_hex(text_id(row.area)): row.area for row in connection.execute(select(registry_area.c.area))}
    known = connection.execute(select(registry_market.c.market, registry_market.c.area))
    market_of = {to_hex(text_id(row.market)): (row.market, row.area) for row in known}
    rows = []
    for position, event in enumerate(fact.events):
        name, args = event.name, event.args.value
        if name not in _RELEVANT:
            continue
        market, area = market_of[args["market"]] if "market" in args else (None, area_of[args["area"]])
        if name == _FINALISING:
            _update_period(connection, area, int(args["period"]), {"is_final": True})
            continue
        if name == _RECORDING:
            row = _recorded_row(connection, area, str(market), args)
        elif name == _SETTLING:
            row = _settled_row(connection, area, args)
        else:
            row = _event_row(connection, _RESOLVING[name], area, market, args)
        place = {"block": fact.block, "sequence": sequence, "position": position}
        rows.append({**place, "key": fact.key, "area": area, "market": market, **row})
    if rows:
        connection.execute(insert(settlement_event), rows)
    return {(row["area"], row["period"]) for row in rows if row["what"] == SETTLED}


def _event_row(connection: Connection, what: str, area: str, market: str | None, args: Mapping[str, Any]) -> Any:
    mtu = int(args["mtu"])
    table = settlement_period
    inside = (table.c.area == area, table.c.first_mtu <= mtu, mtu < table.c.first_mtu + table.c.count)
    period = connection.execute(select(table.c.period).where(*inside)).scalar_one()
    kept: dict[str, Any] = {name: args[name] for name in ("root", "resultHash") if name in args}
    kept |= {name: int(args[name]) for name in ("revision", "count", "importWh", "exportWh") if name in args}
    root = args["clearingRoot"] if market is not None else args["readingsRoot"]
    return {
        "what": what,
        "period": period,
        "mtu": mtu,
        "root": from_hex(root),
        "data": json.dumps(kept, sort_keys=True),
    }


def _recorded_row(connection: Connection, area: str, market: str, args: Mapping[str, Any]) -> Any:
    table = settlement_program
    same = (table.c.market == market, table.c.program == int(args["program"]))
    number = connection.execute(select(table.c.period).where(*same)).scalar_one()
    period = _period_row(connection, area, number)
    kept = {"program": int(args["program"]), "reportHash": args["reportHash"]}
    return {
        "what": RECORDED,
        "period": number,
        "mtu": period.first_mtu,
        "root": from_hex(args["resultsRoot"]),
        "data": json.dumps(kept, sort_keys=True),
    }


def _settled_row(connection: Connection, area: str, args: Mapping[str, Any]) -> Any:
    period = _period_row(connection, area, int(args["period"]))
    kept = {name: args[name] for name in SETTLED_HASHES.values()} | {"revision": int(args["revision"])}
    return {
        "what": SETTLED,
        "period": period.period,
        "mtu": period.first_mtu,
        "root": from_hex(args["wordsHash"]),
        "data": json.dumps(kept, sort_keys=True),
    }


def _period_row(connection: Connection, area: str, period: int) -> Row[Any]:
    table = settlement_period
    return connection.execute(select(table).where(table.c.area == area, table.c.period == period)).one()


def _count_settled(connection: Connection, touched: Iterable[tuple[str, int]], now: int) -> None:
    """Bring periods up to date with the settlements in effect; one that a reorganisation undid counts no more."""
    table = settlement_event
    for area, period in touched:
        same = (table.c.area == area, table.c.period == period, table.c.what == SETTLED)
        found = [json.loads(row.data) for row in connection.execute(select(table.c.data).where(*same))]
        last = max(found, key=lambda data: int(data["revision"]), default=None)
        before = _period_row(connection, area, period).settled_at
        values = {
            "settled": len({data["revision"] for data in found}),
            "settled_at": None if last is None else now if before is None else before,
            "settled_readings_root": None if last is None else from_hex(last["readingsRoot"]),
        }
        _update_period(connection, area, period, values)
