"""How the facts of the market's frame become its views, at once and when they are rebuilt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields

from sqlalchemy import Connection, delete, insert, update

from contracts.bindings import Market, calendar, market, read_events
from domain.facts import (
    HAPPENED,
    BookClosed,
    ChainIncluded,
    ChainObserved,
    ChainRewound,
    Fact,
    Happened,
    PeriodDeclared,
    SessionLapsed,
    SessionOpened,
)
from domain.periods import Period
from ledger_service.market.queries import declared_key, is_included, opened_key
from ledger_service.market.tables import TABLES, market_inclusion, market_period, market_session
from ledger_service.outbox import asks
from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import walk_entries
from ledger_service.registry import queries as registry
from ledger_service.registry.operations import created_key

MARKET_FACTS: tuple[type[Fact], ...] = (PeriodDeclared, SessionOpened, BookClosed, SessionLapsed)
"""The facts that make periods and sessions and end what can be traded in them."""

CHAIN_FACTS: tuple[type[Fact], ...] = (*HAPPENED, ChainRewound)
"""The facts that say what of the market's frame the chain has."""

FOLDED_FACTS = (*MARKET_FACTS, *CHAIN_FACTS)
"""The facts the views are made of."""

AWAITED = (market.MarketCreated, calendar.PeriodDeclared, market.SessionOpened)
"""The events that calendar and gate wait for."""


def fold(connection: Connection, entries: Iterable[Entry]) -> None:
    """Bring the views up to date with FOLDED_FACTS, in their order; an erased one leaves no trace."""
    for entry in entries:
        match entry.fact:
            case PeriodDeclared() | SessionOpened() as fact:
                _show(connection, fact, entry.sequence)
            case BookClosed(market=code, session=session) | SessionLapsed(market=code, session=session):
                show_closed(connection, market=code, session=session)
            case ChainIncluded() | ChainObserved() as fact:
                for key in _included(connection, fact):
                    # A block that was gone and came back is included a second time.
                    if not is_included(connection, key):
                        connection.execute(insert(market_inclusion).values(key=key, sequence=entry.sequence))
            case ChainRewound() as fact if asks(fact, Market.open_session):
                about = fact.about
                key = opened_key(market=str(about.market), session=int(about.session or 0))
                connection.execute(delete(market_inclusion).where(market_inclusion.c.key == key))


def show_closed(connection: Connection, *, market: str, session: int) -> None:
    """Show that nothing more is traded in a session: its books are closed, or it was never opened on chain."""
    table = market_session
    same = (table.c.market == market, table.c.session == session)
    connection.execute(update(table).where(*same).values(closed=True))


def is_awaited(fact: Fact | None) -> bool:
    """Whether this says of something that calendar or gate wait for that the chain has it, or has it no more."""
    if isinstance(fact, ChainRewound):
        return asks(fact, Market.open_session)
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
    if not is_awaited(fact):
        return
    codes = {item.market_id: item.market for item in registry.markets(connection)}
    for event in read_events(fact.events, market.MarketCreated):
        if event.market in codes:
            yield created_key(codes[event.market])
    for period in declared(connection, fact):
        yield declared_key(period.area, period.number)
    for opened in read_events(fact.events, market.SessionOpened):
        if opened.market in codes:
            yield opened_key(market=codes[opened.market], session=opened.session)


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
