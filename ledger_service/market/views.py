"""How the facts of the market's frame become its views, at once and when they are rebuilt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields

from sqlalchemy import Connection, delete, insert, update

from contracts.bindings import calendar, market, read_events
from domain.facts import (
    HAPPENED,
    BookClosed,
    ChainIncluded,
    ChainObserved,
    Fact,
    Happened,
    PeriodDeclared,
    SessionOpened,
)
from domain.periods import Period
from ledger_service.market.queries import declared_key, is_included
from ledger_service.market.tables import TABLES, market_inclusion, market_period, market_session
from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import walk_entries
from ledger_service.registry import queries as registry
from ledger_service.registry.operations import created_key

MARKET_FACTS: tuple[type[Fact], ...] = (PeriodDeclared, SessionOpened, BookClosed)
"""The facts that make periods and sessions and end what can be traded in them."""

FOLDED_FACTS = (*MARKET_FACTS, *HAPPENED)
"""The facts the views are made of."""

AWAITED = (market.MarketCreated, calendar.PeriodDeclared)
"""The events that the calendar waits for."""


def fold(connection: Connection, entries: Iterable[Entry]) -> None:
    """Bring the views up to date with FOLDED_FACTS, in their order; an erased one leaves no trace."""
    for entry in entries:
        match entry.fact:
            case PeriodDeclared() | SessionOpened() as fact:
                _show(connection, fact, entry.sequence)
            case BookClosed(market=code, session=session):
                show_closed(connection, market=code, session=session)
            case ChainIncluded() | ChainObserved() as fact:
                for key in _included(connection, fact):
                    # A block that was gone and came back is included a second time.
                    if not is_included(connection, key):
                        connection.execute(insert(market_inclusion).values(key=key, sequence=entry.sequence))


def show_closed(connection: Connection, *, market: str, session: int) -> None:
    """Show that the books of a session are closed."""
    table = market_session
    same = (table.c.market == market, table.c.session == session)
    connection.execute(update(table).where(*same).values(closed=True))


def is_awaited(fact: Fact | None) -> bool:
    """Whether this says of something the calendar waits for that the chain has it."""
    return isinstance(fact, HAPPENED) and next(read_events(fact.events, *AWAITED), None) is not None


def declared(connection: Connection, fact: Happened) -> list[Period]:
    """The periods that these events declare, whoever did."""
    codes = {area.area_id: area.area for area in registry.areas(connection)}
    return [
        Period(area=codes[event.area], number=event.period, first_mtu=event.first_mtu, count=event.count)
        for event in read_events(fact.events, calendar.PeriodDeclared)
        if event.area in codes
    ]


def _included(connection: Connection, fact: Happened) -> Iterator[str]:
    """The keys of our requests for what these events say is on chain."""
    codes = {item.market_id: item.market for item in registry.markets(connection)} if is_awaited(fact) else {}
    for event in read_events(fact.events, market.MarketCreated):
        if event.market in codes:
            yield created_key(codes[event.market])
    if is_awaited(fact):
        for period in declared(connection, fact):
            yield declared_key(period.area, period.number)


def _show(connection: Connection, fact: PeriodDeclared | SessionOpened, sequence: int) -> None:
    row = {field.name: getattr(fact, field.name) for field in fields(fact)} | {"sequence": sequence}
    if isinstance(fact, SessionOpened):
        connection.execute(insert(market_session).values(**row, closed=False))
    else:
        connection.execute(insert(market_period).values(**row))


def rebuild_views(tx: Transaction) -> None:
    """Empty the views and fold every fact again."""
    for table in TABLES:
        tx.connection.execute(delete(table))
    fold(tx.connection, walk_entries(tx.connection, kinds=FOLDED_FACTS))
