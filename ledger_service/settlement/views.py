"""How facts become the views of settlement, at once and when they are rebuilt."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from contracts.bindings import Event, Settlement, calendar, read_events, settlement
from contracts.bindings.market import ProgramRecorded, SessionClosed, SessionDone, SessionOpened
from contracts.bindings.readings import ReadingsAttested, ReadingsUnread
from contracts.bindings.settlement import PeriodFinalised, PeriodSettled
from domain import facts
from domain.facts import (
    HAPPENED,
    BookClosed,
    ChainFailed,
    ChainIncluded,
    ChainObserved,
    ChainRewound,
    Fact,
    Happened,
    PeriodDeclared,
    ProgramSigned,
    ProgramValidated,
    ReadingAttested,
    SettlementProposed,
    SettlementSigned,
)
from domain.hashing import ZERO_HASH, text_id
from ledger_service.outbox import asks
from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import walk_entries
from ledger_service.registry.tables import registry_area, registry_market
from ledger_service.settlement.tables import (
    settlement_event,
    settlement_failed,
    settlement_period,
    settlement_session,
    settlement_source,
)

KEPT: tuple[type[Event], ...] = (
    SessionOpened,
    SessionClosed,
    SessionDone,
    ReadingsAttested,
    ReadingsUnread,
    ProgramRecorded,
    PeriodSettled,
    settlement.SettlementSigned,
)
"""The events of which the view keeps a row each; that of a session or period stands at the period's first MTU."""

SETTLED_HASHES = ("words_hash", "clearing_root", "readings_root", "statements_root", "tariff_hash")
"""The hashes that a `settlement.proposed` and the event of its settlement share."""


def is_settled_by(event: PeriodSettled | None, proposal: SettlementProposed) -> bool:
    """Whether a settlement of this revision took effect as it was proposed here."""
    return event is not None and all(getattr(proposal, name) == getattr(event, name) for name in SETTLED_HASHES)


KINDS: tuple[type[Fact], ...] = (
    PeriodDeclared,
    facts.SessionOpened,
    BookClosed,
    ProgramValidated,
    ProgramSigned,
    facts.MtuCleared,
    ReadingAttested,
    SettlementProposed,
    SettlementSigned,
    *HAPPENED,
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
            _declared(connection, fact)
        case facts.SessionOpened() as fact:
            row = {name: getattr(fact, name) for name in ("market", "session", "area", "period")}
            connection.execute(insert(settlement_session).values(**row))
            _source(connection, entry, fact.area, fact.period)
        case BookClosed() | ProgramValidated() | ProgramSigned() | facts.MtuCleared() as fact:
            _fold_session_source(connection, entry, fact.market, fact.session)
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
        case ChainIncluded() | ChainObserved():
            # A transaction that comes into another block replaces what it did before.
            touched = _undo(connection, fact.key)
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
    for table in (settlement_event, settlement_failed, settlement_period, settlement_session, settlement_source):
        tx.connection.execute(delete(table))
    for entry in walk_entries(tx.connection, kinds=KINDS):
        fold(tx.connection, entry, now=now)


def _declared(connection: Connection, fact: PeriodDeclared) -> None:
    """Show a period, by its fact or, where others were first, by what the chain says of it before that."""
    table = settlement_period
    if connection.execute(select(table).where(table.c.area == fact.area, table.c.period == fact.period)).first():
        return
    row = {name: getattr(fact, name) for name in ("area", "period", "first_mtu", "count")}
    connection.execute(insert(table).values(**row, settled=0, is_final=False))


def _fold_session_source(connection: Connection, entry: Entry, market: str, session: int) -> None:
    table = settlement_session
    query = select(table).where(table.c.market == market, table.c.session == session)
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
    rows = connection.execute(
        select(table.c.area, table.c.period).where(table.c.key == key, table.c.what == PeriodSettled.NAME)
    )
    undone = {(row.area, row.period) for row in rows}
    connection.execute(delete(table).where(table.c.key == key))
    connection.execute(delete(settlement_failed).where(settlement_failed.c.key == key))
    return undone


def _note_events(connection: Connection, fact: Happened, sequence: int) -> set[tuple[str, int]]:
    """Write one row per event; the (area, period) that were settled. Other areas of the contracts are passed over."""
    events = list(read_events(fact.events, *KEPT, PeriodFinalised, calendar.PeriodDeclared))
    if not events:
        return set()
    codes = _Codes.read(connection)
    rows = []
    for position, event in enumerate(events):
        if not codes.know(event):
            continue
        if isinstance(event, calendar.PeriodDeclared):
            area = codes.areas[event.area]
            _declared(connection, PeriodDeclared(area, event.period, event.first_mtu, event.count))
            continue
        if isinstance(event, PeriodFinalised):
            _update_period(connection, codes.areas[event.area], event.period, {"is_final": True})
            continue
        data = json.dumps(event.as_members(), sort_keys=True)
        place = {"block": fact.block, "sequence": sequence, "position": position, "key": fact.key}
        rows.append({**place, "what": event.NAME, "data": data, **_place(connection, codes, event)})
    if rows:
        connection.execute(insert(settlement_event), rows)
    return {(row["area"], row["period"]) for row in rows if row["what"] == PeriodSettled.NAME}


@dataclass(frozen=True, slots=True)
class _Codes:
    """What the ids of the chain stand for: codes of areas, and codes of markets with their area."""

    areas: dict[bytes, str]
    markets: dict[bytes, tuple[str, str]]

    @classmethod
    def read(cls, connection: Connection) -> _Codes:
        areas = connection.execute(select(registry_area.c.area)).scalars()
        markets = connection.execute(select(registry_market.c.market, registry_market.c.area))
        return cls(
            areas={text_id(area): area for area in areas},
            markets={text_id(row.market): (row.market, row.area) for row in markets},
        )

    def know(self, event: Event) -> bool:
        """Whether an event is of an area or a market of this record."""
        return getattr(event, "area", None) in self.areas or getattr(event, "market", None) in self.markets


def _place(connection: Connection, codes: _Codes, event: Event) -> dict[str, Any]:
    """Area, market, period and MTU of an event, and the root that it left."""
    market: str | None = None
    match event:
        case ReadingsAttested() | ReadingsUnread():
            area = codes.areas[event.area]
            place = {"period": _period_of(connection, area, event.mtu), "mtu": event.mtu, "root": event.readings_root}
        case ProgramRecorded() | SessionOpened() | SessionClosed() | SessionDone():
            market, area = codes.markets[event.market]
            table = settlement_session
            same = (table.c.market == market, table.c.session == event.session)
            number = connection.execute(select(table.c.period).where(*same)).scalar_one()
            first = _period_row(connection, area, number).first_mtu
            place = {
                "period": number,
                "mtu": first,
                "root": event.clearing_root if isinstance(event, SessionDone) else ZERO_HASH,
            }
        case PeriodSettled() | settlement.SettlementSigned():
            area = codes.areas[event.area]
            first = _period_row(connection, area, event.period).first_mtu
            root = event.words_hash if isinstance(event, PeriodSettled) else event.digest
            place = {"period": event.period, "mtu": first, "root": root}
        case _:
            raise TypeError(f"the view of settlement keeps no {event.NAME}")
    return {"area": area, "market": market, **place}


def _period_of(connection: Connection, area: str, mtu: int) -> int:
    table = settlement_period
    inside = (table.c.area == area, table.c.first_mtu <= mtu, mtu < table.c.first_mtu + table.c.count)
    return int(connection.execute(select(table.c.period).where(*inside)).scalar_one())


def _period_row(connection: Connection, area: str, period: int) -> Row[Any]:
    table = settlement_period
    return connection.execute(select(table).where(table.c.area == area, table.c.period == period)).one()


def _count_settled(connection: Connection, touched: Iterable[tuple[str, int]], now: int) -> None:
    """Bring periods up to date with the settlements in effect; one that a reorganisation undid counts no more."""
    table = settlement_event
    for area, period in touched:
        same = (table.c.area == area, table.c.period == period, table.c.what == PeriodSettled.NAME)
        found = [
            PeriodSettled.read(json.loads(row.data)) for row in connection.execute(select(table.c.data).where(*same))
        ]
        last = max(found, key=lambda settled: settled.revision, default=None)
        before = _period_row(connection, area, period).settled_at
        values = {
            "settled": len({settled.revision for settled in found}),
            "settled_at": None if last is None else now if before is None else before,
            "settled_readings_root": None if last is None else last.readings_root,
        }
        _update_period(connection, area, period, values)
