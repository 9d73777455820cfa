"""Finding what a path or parameter names, or saying that there is no such thing."""

from __future__ import annotations

from sqlalchemy import Connection

from domain.hashing import to_hex
from ledger_service.registry import Area, Market, queries
from wallet_api.problems import NoSuchThing
from wallet_api.projection import Program, Projection


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
