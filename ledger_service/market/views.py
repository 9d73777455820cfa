"""How the facts of the market's frame become its views, at once and when they are rebuilt."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields

from sqlalchemy import Connection, delete, insert, update

from contracts.bindings import Calendar, Market
from domain.facts import BookClosed, ChainFailed, ChainIncluded, Fact, PeriodDeclared, SessionOpened
from ledger_service.market.queries import is_included
from ledger_service.market.tables import TABLES, market_inclusion, market_period, market_session
from ledger_service.outbox import asks
from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import walk_entries

MARKET_FACTS: tuple[type[Fact], ...] = (PeriodDeclared, SessionOpened, BookClosed)
"""The facts that make periods and sessions and end what can be traded in them."""

FOLDED_FACTS = (*MARKET_FACTS, ChainIncluded, ChainFailed)
"""The facts the views are made of."""

_NOT_CONTIGUOUS = re.compile(r"CalendarPeriodNotContiguous\(expectedFirstMtu=(?P<first_mtu>\d+)\)")


def fold(connection: Connection, entries: Iterable[Entry]) -> None:
    """Bring the views up to date with FOLDED_FACTS, in their order; an erased one leaves no trace."""
    for entry in entries:
        match entry.fact:
            case PeriodDeclared() | SessionOpened() as fact:
                _show(connection, fact, entry.sequence)
            case BookClosed(market=market, session=session):
                show_closed(connection, market=market, session=session)
            case ChainIncluded(key=key) | ChainFailed(key=key) as fact:
                # A block that was gone and came back is included a second time.
                if is_awaited(fact) and not is_included(connection, key):
                    connection.execute(insert(market_inclusion).values(key=key, sequence=entry.sequence))


def show_closed(connection: Connection, *, market: str, session: int) -> None:
    """Show that the books of a session are closed."""
    table = market_session
    same = (table.c.market == market, table.c.session == session)
    connection.execute(update(table).where(*same).values(closed=True))


def is_awaited(fact: Fact | None) -> bool:
    """Whether this says of something the calendar waits for that the chain has it."""
    if isinstance(fact, ChainFailed):
        return asks(fact, Calendar.declare_period) and _stood_already(fact)
    return isinstance(fact, ChainIncluded) and (asks(fact, Market.create_market) or asks(fact, Calendar.declare_period))


def _stood_already(fact: ChainFailed) -> bool:
    """Whether a period was refused because somebody else had declared it: the next one begins after it."""
    expected = _NOT_CONTIGUOUS.fullmatch(fact.reason)
    first, count = fact.about.first_mtu, fact.about.count
    if expected is None or first is None or count is None:
        return False
    return int(expected["first_mtu"]) >= first + count


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
