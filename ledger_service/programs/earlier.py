"""What the sessions of an area with earlier gates left a program: trades that stand, envelopes, nominations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from domain.facts.programs import (
    EarlierPosition,
    MtuCleared,
    PointEnvelope,
    SetpointsIssued,
    cleared_key,
    over_keys,
    setpoints_key,
)
from domain.markets import Market
from domain.mtu import MtuRange
from domain.words import OrderWord, Side
from grid.envelope import Envelope
from ledger_service.market import queries as markets
from ledger_service.market.queries import Session
from ledger_service.record.keys import find_entries
from ledger_service.registry import queries as registry
from ledger_service.trading import queries as trading
from ledger_service.trading.queries import BookOrder


@dataclass(frozen=True, slots=True)
class PointTrade:
    """Energy that a point bought (+) or sold (−) in an MTU, in Wh."""

    mtu: int
    point: str
    net_wh: int


def earlier_sessions(connection: Connection, session: Session) -> list[tuple[Market, Session]]:
    """The area's sessions with earlier gates that hold some of its MTUs, in all its markets, by gate."""
    found = markets.sessions_over(connection, area=session.area, first_mtu=session.first_mtu, count=session.count)
    return [(registry.market(connection, item.market), item) for item in found if item.session < session.session]


def earlier_positions(
    connection: Connection, earlier: Sequence[tuple[Market, Session]], *, mtus: MtuRange
) -> tuple[EarlierPosition, ...] | None:
    """Points with a position or an envelope, by MTU and point; None while one of these sessions is not over."""
    ends = [over_keys(market=item.market, session=item.session) for _, item in earlier]
    over = find_entries(connection, [key for keys in ends for key in keys])
    if any(over.keys().isdisjoint(keys) for keys in ends):
        return None
    trades: list[PointTrade] = []
    caps: list[PointEnvelope] = []
    for market, session in earlier:
        trades += _trades(connection, market, session)
        key = setpoints_key(market=session.market, session=session.session)
        for entry in find_entries(connection, [key]).values():
            caps += entry.as_a(SetpointsIssued).envelopes
    return positions_left(trades, caps, mtus=mtus)


def positions_left(
    trades: Iterable[PointTrade], caps: Iterable[PointEnvelope], *, mtus: MtuRange
) -> tuple[EarlierPosition, ...]:
    """What trades and caps of sessions with earlier gates leave, by MTU and point: net energies, the tightest caps."""
    net_wh: dict[tuple[int, str], int] = {}
    envelopes: dict[tuple[int, str], Envelope] = {}
    for trade in trades:
        at = (trade.mtu, trade.point)
        net_wh[at] = net_wh.get(at, 0) + trade.net_wh
    for item in caps:
        at, envelope = (item.mtu, item.point), Envelope(item.import_cap_wh, item.export_cap_wh)
        envelopes[at] = envelope.within(envelopes.get(at, Envelope()))
    result = []
    for mtu, point in sorted({at for at, wh in net_wh.items() if wh} | envelopes.keys()):
        if mtu not in mtus:
            continue
        envelope = envelopes.get((mtu, point), Envelope())
        net = net_wh.get((mtu, point), 0)
        result.append(EarlierPosition(point, mtu, net, envelope.import_wh, envelope.export_wh))
    return tuple(result)


def _trades(connection: Connection, market: Market, session: Session) -> Iterator[PointTrade]:
    """What was traded at points in a session."""
    orders = trading.book_orders(connection, market=market.market, session=session.session)
    keys = [cleared_key(market=session.market, session=session.session, mtu=mtu) for mtu in session.mtus]
    for entry in find_entries(connection, keys).values():
        yield from trades_at_points(entry.as_a(MtuCleared), orders, lot_wh=market.lot_wh)


def trades_at_points(cleared: MtuCleared, orders: Iterable[BookOrder], *, lot_wh: int) -> Iterator[PointTrade]:
    """What was traded at points in an MTU of a session whose book held these orders."""
    point_of = {(order.mtu, int.from_bytes(order.tag, "big")): order.point for order in orders}
    for word in map(OrderWord.unpack, cleared.words):
        point = point_of.get((cleared.mtu, word.tag))
        if point is not None:
            sign = 1 if word.side is Side.BID else -1
            yield PointTrade(cleared.mtu, point, sign * word.accepted_lots * lot_wh)
