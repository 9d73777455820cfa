"""How facts become the views of settlement, at once and when they are rebuilt."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from domain.hashing import from_hex, text_id, to_hex
from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import walk_entries
from ledger_service.registry.tables import registry_area, registry_market
from ledger_service.settlement.tables import (
    settlement_event,
    settlement_period,
    settlement_program,
    settlement_source,
)

CLEARED, VOIDED, ATTESTED, UNREAD = "cleared", "voided", "attested", "unread"
"""What an event of the chain did to a MTU."""

_RESOLVING = {
    ("Market", "MtuCleared"): CLEARED,
    ("Market", "MtuVoided"): VOIDED,
    ("Readings", "ReadingsAttested"): ATTESTED,
    ("Readings", "ReadingsUnread"): UNREAD,
}

_SETTLING = (("Settlement", "PeriodSettled"), ("Settlement", "PeriodFinalised"))
_RELEVANT = {*_RESOLVING, *_SETTLING}

_PROGRAM_SOURCES = ("book.closed", "program.validated", "setpoints.issued", "mtu.cleared")

KINDS = (
    "period.declared",
    "program.opened",
    *_PROGRAM_SOURCES,
    "reading.attested",
    "settlement.proposed",
    "settlement.signed",
    "chain.included",
    "chain.failed",
    "chain.rewound",
)
"""Kinds of facts the views of settlement are made of."""


def fold(connection: Connection, entry: Entry, *, now: int) -> None:
    """Bring the views up to date with one fact of KINDS; an erased one leaves no trace.

    `now` (market time) is noted where a period is seen settled for the first time: the horizon counts from then.
    """
    if entry.payload is None:
        return
    handler = _HANDLERS.get(entry.kind, _fold_program_source)
    handler(connection, entry, entry.payload, now)


def rebuild_views(tx: Transaction, *, now: int) -> None:
    """Empty the views and fold every fact again; horizons of settled periods start anew at `now`."""
    for table in (settlement_event, settlement_period, settlement_program, settlement_source):
        tx.connection.execute(delete(table))
    for entry in walk_entries(tx.connection, kinds=KINDS):
        fold(tx.connection, entry, now=now)


def _fold_period(connection: Connection, _entry: Entry, payload: dict[str, Any], _now: int) -> None:
    row = {name: payload[name] for name in ("area", "period", "first_mtu", "count")}
    connection.execute(insert(settlement_period).values(**row, settled=0, is_final=False))


def _fold_program(connection: Connection, entry: Entry, payload: dict[str, Any], _now: int) -> None:
    row = {name: payload[name] for name in ("market", "program", "area", "period")}
    connection.execute(insert(settlement_program).values(**row))
    _source(connection, entry, payload["area"], payload["period"])


def _fold_program_source(connection: Connection, entry: Entry, payload: dict[str, Any], _now: int) -> None:
    table = settlement_program
    query = select(table).where(table.c.market == payload["market"], table.c.program == payload["program"])
    row = connection.execute(query).first()
    if row is not None:
        _source(connection, entry, row.area, row.period)


def _fold_readings(connection: Connection, entry: Entry, payload: dict[str, Any], _now: int) -> None:
    _source(connection, entry, payload["area"], payload["period"])


def _source(connection: Connection, entry: Entry, area: str, period: int) -> None:
    connection.execute(
        insert(settlement_source).values(sequence=entry.sequence, kind=entry.kind, area=area, period=period)
    )


def _fold_proposal(connection: Connection, entry: Entry, payload: dict[str, Any], _now: int) -> None:
    roots = from_hex(payload["clearing_root"]) + from_hex(payload["readings_root"])
    values = {
        "proposal_sequence": entry.sequence,
        "proposal_revision": payload["revision"],
        "proposal_roots": roots,
        "signed_sequence": None,
    }
    _source(connection, entry, payload["area"], payload["period"])
    _update_period(connection, payload["area"], payload["period"], values)


def _fold_signed(connection: Connection, entry: Entry, payload: dict[str, Any], _now: int) -> None:
    _update_period(connection, payload["area"], payload["period"], {"signed_sequence": entry.sequence})


def _update_period(connection: Connection, area: str, period: int, values: dict[str, Any]) -> None:
    table = settlement_period
    connection.execute(update(table).where(table.c.area == area, table.c.period == period).values(**values))


def _fold_failed(connection: Connection, _entry: Entry, payload: dict[str, Any], _now: int) -> None:
    connection.execute(delete(settlement_event).where(settlement_event.c.key == payload["key"]))


def _fold_included(connection: Connection, entry: Entry, payload: dict[str, Any], now: int) -> None:
    """Note what the chain resolved. A transaction that comes into another block replaces what it did before."""
    connection.execute(delete(settlement_event).where(settlement_event.c.key == payload["key"]))
    if not any((event["contract"], event["event"]) in _RELEVANT for event in payload["events"]):
        return
    area_of = {to_hex(text_id(row.area)): row.area for row in connection.execute(select(registry_area.c.area))}
    known = connection.execute(select(registry_market.c.market, registry_market.c.area))
    market_of = {to_hex(text_id(row.market)): (row.market, row.area) for row in known}
    rows = []
    for position, event in enumerate(payload["events"]):
        args = event["args"]
        what = _RESOLVING.get((event["contract"], event["event"]))
        if what is not None:
            market, area = market_of[args["market"]] if "market" in args else (None, area_of[args["area"]])
            row = _event_row(connection, what, area, market, args)
            place = {"block": payload["block"], "sequence": entry.sequence, "position": position}
            rows.append({**place, "key": payload["key"], **row})
        elif (event["contract"], event["event"]) in _SETTLING:
            _fold_settled(connection, event["event"], area_of[args["area"]], args, now)
    if rows:
        connection.execute(insert(settlement_event), rows)


def _event_row(connection: Connection, what: str, area: str, market: str | None, args: dict[str, Any]) -> Any:
    mtu = int(args["mtu"])
    table = settlement_period
    inside = (table.c.area == area, table.c.first_mtu <= mtu, mtu < table.c.first_mtu + table.c.count)
    period = connection.execute(select(table.c.period).where(*inside)).scalar_one()
    kept: dict[str, Any] = {name: args[name] for name in ("root", "resultHash") if name in args}
    kept |= {name: int(args[name]) for name in ("revision", "count", "importWh", "exportWh") if name in args}
    root = args["clearingRoot"] if market is not None else args["readingsRoot"]
    return {
        "what": what,
        "area": area,
        "period": period,
        "market": market,
        "mtu": mtu,
        "root": from_hex(root),
        "data": json.dumps(kept, sort_keys=True),
    }


def _fold_settled(connection: Connection, event: str, area: str, args: dict[str, Any], now: int) -> None:
    period = int(args["period"])
    if event == "PeriodFinalised":
        _update_period(connection, area, period, {"is_final": True})
        return
    table = settlement_period
    row = connection.execute(select(table).where(table.c.area == area, table.c.period == period)).one()
    values = {
        "settled": max(row.settled, int(args["revision"]) + 1),
        "settled_at": now if row.settled_at is None else row.settled_at,
        "settled_readings_root": from_hex(args["readingsRoot"]),
    }
    _update_period(connection, area, period, values)


_HANDLERS: dict[str, Callable[[Connection, Entry, dict[str, Any], int], None]] = {
    "period.declared": _fold_period,
    "program.opened": _fold_program,
    "reading.attested": _fold_readings,
    "settlement.proposed": _fold_proposal,
    "settlement.signed": _fold_signed,
    "chain.included": _fold_included,
    "chain.failed": _fold_failed,
    "chain.rewound": _fold_failed,
}
