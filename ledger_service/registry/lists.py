"""Lists of the registry in parts, each by its natural key."""

from __future__ import annotations

from sqlalchemy import Connection, or_, select

from domain.areas import Area
from domain.markets import Market
from domain.parties import Meter, OrderKey, Participant
from domain.terms import Agreement, EndedTerm, Tariff, TermEnd
from ledger_service.record.paging import WHOLE, Slice, sliced
from ledger_service.record.spans import ALWAYS, WHENEVER, MtuSpan, Recorded, SequenceSpan, with_time
from ledger_service.registry.queries import area_from_row, noun_from_row
from ledger_service.registry.tables import (
    registry_agreement,
    registry_area,
    registry_end,
    registry_key,
    registry_market,
    registry_meter,
    registry_participant,
    registry_tariff,
)


def areas(connection: Connection, *, within: SequenceSpan = WHENEVER, part: Slice = WHOLE) -> list[Recorded[Area]]:
    """Areas recorded within a span of the journal, by code."""
    table = registry_area
    query = with_time(select(table).where(within.holds(table.c.sequence)), table.c.sequence)
    rows = connection.execute(sliced(query, table.c.area, part=part))
    return [Recorded(area_from_row(row), row.recorded_at) for row in rows]


def markets(
    connection: Connection, *, area: str | None = None, within: SequenceSpan = WHENEVER, part: Slice = WHOLE
) -> list[Recorded[Market]]:
    """Markets of an area, or all, recorded within a span of the journal, by code."""
    table = registry_market
    query = with_time(select(table).where(within.holds(table.c.sequence)), table.c.sequence)
    if area is not None:
        query = query.where(table.c.area == area)
    rows = connection.execute(sliced(query, table.c.market, part=part))
    return [Recorded(noun_from_row(Market, row), row.recorded_at) for row in rows]


def participants(
    connection: Connection, *, area: str | None = None, within: SequenceSpan = WHENEVER, part: Slice = WHOLE
) -> list[Recorded[Participant]]:
    """Parties of an area, or all, recorded within a span of the journal, by id."""
    table = registry_participant
    query = with_time(select(table).where(within.holds(table.c.sequence)), table.c.sequence)
    if area is not None:
        query = query.where(table.c.area == area)
    rows = connection.execute(sliced(query, table.c.participant, part=part))
    return [Recorded(noun_from_row(Participant, row), row.recorded_at) for row in rows]


def meters(
    connection: Connection, *, area: str | None = None, begins: MtuSpan = ALWAYS, part: Slice = WHOLE
) -> list[Meter]:
    """Meter keys that begin within a span, of an area or all, by meter and beginning."""
    table = registry_meter
    query = select(table).where(begins.holds(table.c.valid_from_mtu))
    if area is not None:
        query = query.where(table.c.area == area)
    rows = connection.execute(sliced(query, table.c.meter, table.c.valid_from_mtu, part=part))
    return [noun_from_row(Meter, row) for row in rows]


def agreements(connection: Connection, *, begins: MtuSpan = ALWAYS, part: Slice = WHOLE) -> list[Agreement]:
    """Agreement versions that begin within a span, by agreement and version."""
    table = registry_agreement
    query = select(table).where(begins.holds(table.c.valid_from_mtu))
    rows = connection.execute(sliced(query, table.c.agreement, table.c.version, part=part))
    return [noun_from_row(Agreement, row) for row in rows]


def tariffs(connection: Connection, *, begins: MtuSpan = ALWAYS, part: Slice = WHOLE) -> list[Tariff]:
    """Tariff versions that begin within a span, by tariff and version."""
    table = registry_tariff
    query = select(table).where(begins.holds(table.c.valid_from_mtu))
    rows = connection.execute(sliced(query, table.c.tariff, table.c.version, part=part))
    return [noun_from_row(Tariff, row) for row in rows]


def ends(
    connection: Connection, *, area: str | None = None, begins: MtuSpan = ALWAYS, part: Slice = WHOLE
) -> list[TermEnd]:
    """Ends of terms that take effect within a span, of an area or all, by what ends and its name."""
    table = registry_end
    query = select(table).where(begins.holds(table.c.end_mtu))
    if area is not None:
        query = query.where(table.c.area == area)
    rows = connection.execute(sliced(query, table.c.term, table.c.name, part=part))
    return [noun_from_row(TermEnd, row) for row in rows]


def order_keys(
    connection: Connection, *, account: str, begins: MtuSpan = ALWAYS, part: Slice = WHOLE
) -> list[OrderKey]:
    """An account's order keys that begin within a span, by beginning."""
    table = registry_key
    query = select(table).where(table.c.account == account, begins.holds(table.c.valid_from_mtu))
    rows = connection.execute(sliced(query, table.c.valid_from_mtu, table.c.order_key, part=part))
    return [noun_from_row(OrderKey, row) for row in rows]


def customers(
    connection: Connection, *, retailer: str, mtu: int, begins: MtuSpan = ALWAYS, part: Slice = WHOLE
) -> list[Agreement]:
    """Per account, by account, the retailer's newest agreement that is in force at an MTU or begins later.

    Of these, those that begin within a span.

    An agreement is in force until the account's next one begins, whoever that is with, or until it ends.
    """
    mine, other = registry_agreement.alias("mine"), registry_agreement.alias("other")
    ended = select(registry_end.c.name).where(
        registry_end.c.term == EndedTerm.AGREEMENT,
        registry_end.c.name == mine.c.agreement,
        or_(registry_end.c.end_mtu <= mtu, registry_end.c.end_mtu <= mine.c.valid_from_mtu),
    )
    replaced = (
        select(other.c.agreement)
        .where(
            other.c.account == mine.c.account,
            other.c.valid_from_mtu <= mtu,
            other.c.valid_from_mtu > mine.c.valid_from_mtu,
        )
        .exists()
    )
    newer = (
        select(other.c.agreement)
        .where(
            other.c.account == mine.c.account,
            other.c.retailer == retailer,
            other.c.valid_from_mtu > mine.c.valid_from_mtu,
        )
        .exists()
    )
    query = select(mine).where(
        mine.c.retailer == retailer, ~replaced, ~newer, ~ended.exists(), begins.holds(mine.c.valid_from_mtu)
    )
    return [noun_from_row(Agreement, row) for row in connection.execute(sliced(query, mine.c.account, part=part))]
