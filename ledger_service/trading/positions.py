"""What the accounts of one area have in the books and trades of the MTUs that a session still trades.

All that is kept of an MTU goes at once when no session trades it any more, so what a gate costs is what it closes.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field

from domain.words import OrderWord, Side
from ledger_service.market.queries import Session
from ledger_service.trading.queries import BookOrder, Schedule

SessionKey = tuple[str, int]
"""A market's code and a gate."""


@dataclass(slots=True)
class Usage:
    """A holder's live orders of one book: energy per side, and the limits of each side in ascending order."""

    bid_wh: int = 0
    ask_wh: int = 0
    bid_limits: list[int] = field(default_factory=list)
    ask_limits: list[int] = field(default_factory=list)

    def limits(self, side: Side) -> list[int]:
        """The limits of one side, nEUR/Wh, ascending."""
        return self.bid_limits if side is Side.BID else self.ask_limits

    def add(self, order: BookOrder, *, lot_wh: int) -> None:
        """Take an order in."""
        self._change(order.side, order.quantity_lots * lot_wh)
        insort(self.limits(order.side), order.limit_neur_per_wh)

    def remove(self, order: BookOrder, *, lot_wh: int) -> None:
        """Take an order out that was taken in."""
        self._change(order.side, -order.quantity_lots * lot_wh)
        limits = self.limits(order.side)
        del limits[bisect_left(limits, order.limit_neur_per_wh)]

    def _change(self, side: Side, energy_wh: int) -> None:
        if side is Side.BID:
            self.bid_wh += energy_wh
        else:
            self.ask_wh += energy_wh


@dataclass(slots=True)
class MtuPositions:
    """One MTU, which so many open `sessions` trade."""

    sessions: int = 0
    # live orders of books that are open or not yet decided, by account
    usage: dict[str, dict[SessionKey, Usage]] = field(default_factory=dict)
    # accounts by tag, of closed books that are not yet decided
    awaited: dict[SessionKey, dict[bytes, str]] = field(default_factory=dict)
    net_wh: dict[str, int] = field(default_factory=dict)  # + = bought, in books that are decided
    nominated: set[SessionKey] = field(default_factory=set)  # sessions over it with nominations

    def drop_usage(self, account: str, key: SessionKey) -> None:
        """An account has no live order in a book any more."""
        books = self.usage.get(account, {})
        books.pop(key, None)
        if not books:
            self.usage.pop(account, None)


@dataclass(slots=True)
class Nominations:
    """The points nominated for a session, and how many of its MTUs a session still trades."""

    points: set[str] = field(default_factory=set)
    mtus: int = 0


@dataclass(slots=True)
class AreaPositions:
    """One area. Not thread-safe."""

    mtus: dict[int, MtuPositions] = field(default_factory=dict)
    nominations: dict[SessionKey, Nominations] = field(default_factory=dict)
    # by point, then by gate and market, the last gate first
    schedules: dict[str, dict[tuple[int, str], Schedule]] = field(default_factory=dict)
    awaiting: dict[SessionKey, set[int]] = field(default_factory=dict)  # MTUs with orders in books not yet decided

    def open(self, session: Session) -> None:
        """A session trades its MTUs."""
        for mtu in session.mtus:
            self.mtus.setdefault(mtu, MtuPositions()).sessions += 1

    def close(self, session: Session) -> None:
        """A session trades them no more."""
        for mtu in session.mtus:
            self.mtus[mtu].sessions -= 1
            if not self.mtus[mtu].sessions:
                self._forget(mtu)

    def _forget(self, mtu: int) -> None:
        gone = self.mtus.pop(mtu)
        for key in gone.awaited:
            self._waits_no_more(key, mtu)
        for key in gone.nominated:
            nominations = self.nominations[key]
            nominations.mtus -= 1
            if not nominations.mtus:
                self._forget_schedules(key)

    def _forget_schedules(self, key: SessionKey) -> None:
        market, gate = key
        for point in self.nominations.pop(key).points:
            del self.schedules[point][gate, market]
            if not self.schedules[point]:
                del self.schedules[point]

    # ---- orders

    def add(self, order: BookOrder, *, lot_wh: int) -> None:
        """A live order is in a book that is open, or not yet decided."""
        mtu = self.mtus.get(order.mtu)
        if mtu is not None:
            books = mtu.usage.setdefault(order.account, {})
            books.setdefault((order.market, order.session), Usage()).add(order, lot_wh=lot_wh)

    def rename(self, account: str, successor: str) -> None:
        """What an account has is its successor's, which has nothing yet."""
        for positions in self.mtus.values():
            if account in positions.usage:
                positions.usage[successor] = positions.usage.pop(account)
            if account in positions.net_wh:
                positions.net_wh[successor] = positions.net_wh.pop(account)
            for tags in positions.awaited.values():
                tags.update((tag, successor) for tag, holder in tags.items() if holder == account)

    def remove(self, order: BookOrder, *, lot_wh: int) -> None:
        """A live order is withdrawn, or another revision takes its place."""
        mtu = self.mtus.get(order.mtu)
        if mtu is None:
            return
        key = (order.market, order.session)
        usage = mtu.usage[order.account][key]
        usage.remove(order, lot_wh=lot_wh)
        if usage == Usage():
            mtu.drop_usage(order.account, key)

    def await_result(self, order: BookOrder) -> None:
        """Remember whose an order of a closed book is until that is decided."""
        mtu = self.mtus.get(order.mtu)
        if mtu is not None:
            key = (order.market, order.session)
            mtu.awaited.setdefault(key, {})[order.tag] = order.account
            self.awaiting.setdefault(key, set()).add(order.mtu)

    def decide(self, key: SessionKey, mtu: int, words: Iterable[OrderWord], *, lot_wh: int) -> None:
        """A closed book was cleared with these words, or ended with none: its orders have become positions."""
        positions = self.mtus.get(mtu)
        if positions is None:
            return
        accounts = positions.awaited.pop(key, {})
        self._waits_no_more(key, mtu)
        for word in words:
            account = accounts.get(word.tag.to_bytes(16, "big"))
            if account is not None and word.accepted_lots:
                energy_wh = word.accepted_lots * lot_wh * (1 if word.side is Side.BID else -1)
                positions.net_wh[account] = positions.net_wh.get(account, 0) + energy_wh
        for account in set(accounts.values()):
            positions.drop_usage(account, key)

    def end(self, key: SessionKey) -> None:
        """A session is over: what was not cleared until now traded nothing."""
        for mtu in list(self.awaiting.get(key, ())):
            self.decide(key, mtu, (), lot_wh=0)

    def _waits_no_more(self, key: SessionKey, mtu: int) -> None:
        waiting = self.awaiting.get(key, set())
        waiting.discard(mtu)
        if not waiting:
            self.awaiting.pop(key, None)

    def usage_of(self, *, account: str, key: SessionKey, mtu: int) -> Usage | None:
        """An account's live orders in one book."""
        positions = self.mtus.get(mtu)
        return None if positions is None else positions.usage.get(account, {}).get(key)

    def energy_wh(self, *, account: str, mtu: int, side: Side) -> int:
        """What an account may come to buy (or sell) in an MTU over all markets of the area, at most.

        Its orders of that side in books that are open or not yet decided, and what it has bought (sold) net in others.
        """
        positions = self.mtus.get(mtu)
        if positions is None:
            return 0
        found, net_wh = positions.usage.get(account, {}).values(), positions.net_wh.get(account, 0)
        if side is Side.BID:
            return sum(usage.bid_wh for usage in found) + net_wh
        return sum(usage.ask_wh for usage in found) - net_wh

    # ---- nominations

    def nominate(self, schedule: Schedule) -> None:
        """Keep a schedule while a session trades one of its MTUs."""
        key = (schedule.market, schedule.session)
        if key not in self.nominations:
            traded = [self.mtus[mtu] for mtu in schedule.mtus if mtu in self.mtus]
            if not traded:
                return
            self.nominations[key] = Nominations(mtus=len(traded))
            for mtu in traded:
                mtu.nominated.add(key)
        self.nominations[key].points.add(schedule.point)
        gates = self.schedules.get(schedule.point, {}) | {(schedule.session, schedule.market): schedule}
        self.schedules[schedule.point] = dict(sorted(gates.items(), reverse=True))

    def export_wh(self, *, gate: int, point: str, mtu: int) -> int:
        """Export nominated for an MTU at a gate, else at the last one before it; 0 without a nomination."""
        for (other, _), schedule in self.schedules.get(point, {}).items():
            at = mtu - schedule.first_mtu
            if other <= gate and 0 <= at < len(schedule.net_wh):
                return max(-schedule.net_wh[at], 0)
        return 0

    def schedule_of(self, *, key: SessionKey, point: str) -> Schedule | None:
        """The schedule nominated for a point in a session."""
        market, gate = key
        return self.schedules.get(point, {}).get((gate, market))
