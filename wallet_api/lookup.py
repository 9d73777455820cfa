"""Finding what a path or parameter names, or saying that there is no such thing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import Connection

from domain.areas import Area
from domain.markets import Market
from edge.problems import NoSuchThing
from ledger_service.access.roles import NotYours
from ledger_service.overview import queries
from ledger_service.overview.queries import ProgramView
from ledger_service.record.spans import NEVER, MtuSpan
from ledger_service.registry import queries as registry
from ledger_service.registry.errors import NotRegistered
from ledger_service.settlement.queries import PeriodState, SettlementState

_Item = TypeVar("_Item")


def market_named(connection: Connection, name: str) -> Market:
    """A market by its code (which may contain `/`) or its 0x id. Raises NoSuchThing."""
    if name.startswith("0x"):
        for market in registry.markets(connection):
            if name == market.market_hex:
                return market
    try:
        return registry.market(connection, name)
    except NotRegistered as error:
        raise NoSuchThing(what="market") from error


def own_place(connection: Connection, account: str) -> MtuSpan:
    """The MTUs in which a participant takes part: what its point shows of others before or after is not its own."""
    party = registry.participant_of(connection, account)
    return NEVER if party is None else registry.place_of(connection, party)


def area_named(connection: Connection, name: str) -> Area:
    """An area by its code. Raises NoSuchThing."""
    try:
        return registry.area(connection, name)
    except NotRegistered as error:
        raise NoSuchThing(what="area") from error


def program_named(connection: Connection, *, market: str, session: int) -> ProgramView:
    """The program of a session, by its market's code and its gate. Raises NoSuchThing."""
    found = queries.program(connection, market=market, session=session)
    if found is None:
        raise NoSuchThing(what="program")
    return found


def the_one(found: Sequence[_Item], what: str) -> _Item:
    """The one item of a list of public things. Raises NoSuchThing."""
    if not found:
        raise NoSuchThing(what=what)
    return found[0]


def own_one(found: Sequence[_Item], what: str) -> _Item:
    """The one item of a list of one's own things. Raises NotYours."""
    if not found:
        raise NotYours(what=what)
    return found[0]


def settlement_state(state: PeriodState, *, revision: int) -> SettlementState:
    """Where a revision of a period's settlement stands."""
    if revision < state.settled:
        return "final" if state.is_final else "settled"
    return "signed" if state.signed_sequence is not None and revision == state.proposal_revision else "proposed"
