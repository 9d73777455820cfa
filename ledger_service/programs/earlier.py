"""What the markets of an area with earlier gates left a program: trades that stand, envelopes, nominations."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from domain.facts.programs import (
    EarlierPosition,
    MtuCleared,
    MtuVoided,
    SetpointsIssued,
    position_key,
    setpoints_key,
)
from domain.markets import Market
from domain.words import OrderWord, Side
from grid.envelope import Envelope
from ledger_service.market import queries as markets
from ledger_service.market.queries import Program
from ledger_service.record.journal import find_entries
from ledger_service.registry import queries as registry
from ledger_service.trading import queries as trading


def earlier_programs(connection: Connection, program: Program) -> list[tuple[Market, Program]]:
    """The programs of the same period in the area's markets with earlier gates, by gate."""
    own = registry.market(connection, program.market)
    found = []
    for market in registry.markets(connection, area=own.area):
        if market.gate_local < own.gate_local:
            opened = markets.programs(connection, market=market.market)
            found += [(market, item) for item in opened if item.period == program.period]
    return sorted(found, key=lambda item: item[1].gate)


def earlier_positions(
    connection: Connection, earlier: Sequence[tuple[Market, Program]]
) -> tuple[EarlierPosition, ...] | None:
    """Points with a position or an envelope, by MTU and point; None while one of these programs is still undecided."""
    net_wh: dict[tuple[int, str], int] = {}
    envelopes: dict[tuple[int, str], Envelope] = {}
    for market, program in earlier:
        cleared = _cleared(connection, program)
        if cleared is None:
            return None
        _add_trades(net_wh, connection, market, program, cleared)
        for entry in find_entries(connection, [setpoints_key(market=program.market, program=program.program)]):
            for item in entry.as_a(SetpointsIssued).envelopes:
                at, envelope = (item.mtu, item.point), Envelope(item.import_cap_wh, item.export_cap_wh)
                envelopes[at] = envelope.within(envelopes.get(at, Envelope()))
    result = []
    for mtu, point in sorted({at for at, wh in net_wh.items() if wh} | envelopes.keys()):
        envelope = envelopes.get((mtu, point), Envelope())
        net = net_wh.get((mtu, point), 0)
        result.append(EarlierPosition(point, mtu, net, envelope.import_wh, envelope.export_wh))
    return tuple(result)


def _cleared(connection: Connection, program: Program) -> list[MtuCleared] | None:
    """The MTUs that were cleared; None while one is neither cleared nor void."""
    keys = [position_key(market=program.market, mtu=mtu) for mtu in program.mtus]
    facts = [entry.fact for entry in find_entries(connection, keys)]
    if sum(isinstance(fact, MtuCleared | MtuVoided) for fact in facts) < len(keys):
        return None
    return [fact for fact in facts if isinstance(fact, MtuCleared)]


def _add_trades(
    net_wh: dict[tuple[int, str], int],
    connection: Connection,
    market: Market,
    program: Program,
    cleared: Sequence[MtuCleared],
) -> None:
    orders = trading.book_orders(connection, market=market.market, first_mtu=program.first_mtu, count=program.count)
    point_of = {(order.mtu, int.from_bytes(order.tag, "big")): order.point for order in orders}
    for fact in cleared:
        for word in map(OrderWord.unpack, fact.words):
            point = point_of.get((fact.mtu, word.tag))
            if point is not None:
                sign = 1 if word.side is Side.BID else -1
                at = (fact.mtu, point)
                net_wh[at] = net_wh.get(at, 0) + sign * word.accepted_lots * market.lot_wh
