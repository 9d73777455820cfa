"""Finding what a path or parameter names, or saying that there is no such thing."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from domain.areas import Area
from domain.facts import Fact
from domain.hashing import to_hex
from domain.markets import Market
from edge.answers import INT64_MAX, PAGE_ITEMS_MAX, Paging, cursor_of
from edge.problems import NoSuchThing
from ledger_service.record import Entry, Record
from ledger_service.record.journal import Payload
from ledger_service.registry import queries
from wallet_api.projection import Program, Projection


def entries_where(record: Record, *, kind: type[Fact], page: Paging, wanted: Callable[[Payload], bool]) -> list[Entry]:
    """Facts of one kind whose payload is wanted, ascending, from the page's cursor on: one more than the page holds.

    Erased ones are left out. Raises BadCursor.
    """
    after = cursor_of(page, INT64_MAX)
    at = 0 if after is None else after[0][0]
    found: list[Entry] = []
    while len(found) <= page.limit:
        batch = record.entries(after=at, kinds=(kind,), limit=PAGE_ITEMS_MAX)
        found += [entry for entry in batch if entry.payload is not None and wanted(entry.payload)]
        if len(batch) < PAGE_ITEMS_MAX:
            break
        at = batch[-1].sequence
    return found


def market_named(connection: Connection, name: str) -> Market:
    """A market by its code (which may contain `/`) or its 0x id. Raises NoSuchThing."""
    for market in queries.markets(connection):
        if name in (market.market, market.market_hex):
            return market
    raise NoSuchThing(what="market")


def area_named(connection: Connection, name: str) -> Area:
    """An area by its code or its 0x id. Raises NoSuchThing."""
    for area in queries.areas(connection):
        if name in (area.area, to_hex(area.area_id)):
            return area
    raise NoSuchThing(what="area")


def program_named(projection: Projection, *, market: str, program: int) -> Program:
    """A program by its market's code and its number. Raises NoSuchThing."""
    found = projection.program(market=market, program=program)
    if found is None:
        raise NoSuchThing(what="program")
    return found
