"""The calendar stage: one period per local day, and a session of it for each gate of each market.

The period of day D is declared when the local day D−1 begins (at once where that has passed). Its sessions are opened
once the chain has the period; one whose gate has passed by then is not opened, as nobody could trade in it.
"""

from __future__ import annotations

from datetime import date, time, timedelta

from sqlalchemy import Connection

from contracts.bindings import Calendar
from contracts.bindings import Market as MarketContract
from domain.areas import Area
from domain.facts import Happened, PeriodDeclared, SessionOpened, Subject
from domain.markets import Market
from domain.mtu import MtuRange, local_date, local_day, local_instant, local_midnight, mtu_start
from domain.periods import Period
from domain.roles import ChainRole
from ledger_service.market import queries
from ledger_service.market.queries import declared_key, opened_key
from ledger_service.market.views import CHAIN_FACTS, declared, fold, is_awaited
from ledger_service.outbox import happened, request
from ledger_service.record import Cursor, Record, Transaction, follow
from ledger_service.registry import queries as registry
from ledger_service.registry.operations import created_key

INCLUSION_CURSOR = "calendar"
"""Name of the cursor over the chain's inclusions."""

OVERDUE_MARGIN_S = 900
"""Market seconds before the end of an undeclared period from which others may be expected to declare it."""


def gate_times(*, market: Market, area: Area, day: date) -> tuple[int, ...]:
    """Market times of the gates of delivery day `day`: the market's local gate times on the day before."""
    eve = day - timedelta(days=1)
    clocks = (time.fromisoformat(gate) for gate in market.gates_local)
    return tuple(local_instant(day=eve, clock=clock, zone=area.zone_info) for clock in clocks)


def gate_time(*, market: Market, area: Area, day: date) -> int:
    """Market time of the first gate of delivery day `day`."""
    return gate_times(market=market, area=area, day=day)[0]


def day_of(*, area: Area, seconds: int) -> date:
    """The local day that contains a time."""
    return local_date(seconds, area.zone_info)


def _next_mtus(last: Period | None, day: MtuRange, *, now: int) -> MtuRange:
    """The MTUs of the period after `last`, in the local day in which it begins: to the end of that day.

    Once anyone may declare it, or soon, it is as long as the one before: then it is the same, whoever comes first.
    """
    if last is None:
        return day
    if now >= mtu_start(last.end_mtu + last.count) - OVERDUE_MARGIN_S:
        return MtuRange(first=last.end_mtu, count=last.count)
    return MtuRange(first=last.end_mtu, count=day.first + day.count - last.end_mtu)


class CalendarStage:
    """Declares periods and opens sessions. Each step is one transaction, and is found done after a restart.

    `first_day` is the first delivery day of an area without periods (the first day that can still be traded where
    None), `last_day` the last one to declare (no end where None).
    """

    name = "calendar"

    def __init__(self, record: Record, *, first_day: date | None = None, last_day: date | None = None) -> None:
        self._record, self._first_day, self._last_day = record, first_day, last_day
        self._cursor = Cursor(INCLUSION_CURSOR)

    def run(self, now: int) -> bool:
        """Take inclusions in, declare what is due, open what is declared."""
        noted = self._note_inclusions()
        with self._record.read() as connection:
            due = [area.area for area in registry.areas(connection) if self._is_due(connection, area, now)]
        for code in due:
            with self._record.begin() as tx:
                area = registry.area(tx.connection, code)
                self._open_sessions(tx, area, now)
                if self._may_declare(tx.connection, area, now):
                    self._declare(tx, area, now)
        return noted or bool(due)

    def _note_inclusions(self) -> bool:
        noted = False
        for batch in follow(self._record, self._cursor, CHAIN_FACTS):
            awaited = [entry for entry in batch.entries if is_awaited(entry.fact)]
            if not awaited:
                continue
            with batch.begin() as tx:
                for fact in happened(awaited):
                    self._follow_declared(tx, fact)
                fold(tx.connection, awaited)
            noted = True
        return noted

    def _follow_declared(self, tx: Transaction, fact: Happened) -> None:
        """Record a period that anyone declared before it was declared here."""
        for period in declared(tx.connection, fact):
            last = queries.last_period(tx.connection, area=period.area)
            if period.number > (0 if last is None else last.number):
                followed = PeriodDeclared(period.area, period.number, period.first_mtu, period.count)
                entry = tx.append(followed)
                fold(tx.connection, [entry])

    def _is_due(self, connection: Connection, area: Area, now: int) -> bool:
        return self._may_declare(connection, area, now) or bool(self._sessions_due(connection, area, now))

    def _may_declare(self, connection: Connection, area: Area, now: int) -> bool:
        markets = registry.markets(connection, area=area.area)
        # A market takes part from the next declared period on, so all of them must be on chain before the first.
        if not markets or not all(queries.is_included(connection, created_key(item.market)) for item in markets):
            return False
        day = self._next_day(connection, area, markets, now)
        if self._last_day is not None and day > self._last_day:
            return False
        return now >= local_midnight(day=day - timedelta(days=1), zone=area.zone_info)

    def _next_day(self, connection: Connection, area: Area, markets: list[Market], now: int) -> date:
        last = queries.last_period(connection, area=area.area)
        if last is not None:
            return day_of(area=area, seconds=mtu_start(last.end_mtu))
        if self._first_day is not None:
            return self._first_day
        day = day_of(area=area, seconds=now) + timedelta(days=1)
        while any(now >= gate_time(market=market, area=area, day=day) for market in markets):
            day += timedelta(days=1)
        return day

    def _declare(self, tx: Transaction, area: Area, now: int) -> None:
        markets = registry.markets(tx.connection, area=area.area)
        day = self._next_day(tx.connection, area, markets, now)
        last = queries.last_period(tx.connection, area=area.area)
        mtus = _next_mtus(last, local_day(day=day, zone=area.zone_info), now=now)
        number = 1 if last is None else last.number + 1
        fact = PeriodDeclared(area=area.area, period=number, first_mtu=mtus.first, count=mtus.count)
        entry = tx.append(fact)
        fold(tx.connection, [entry])
        call = Calendar.declare_period(area=area.area_id, first_mtu=mtus.first, count=mtus.count)
        about = Subject(area=area.area, period=number, first_mtu=mtus.first, count=mtus.count)
        request(tx, call, key=declared_key(area.area, number), role=ChainRole.OPERATOR, about=about)

    def _sessions_due(self, connection: Connection, area: Area, now: int) -> list[tuple[Market, Period, int]]:
        """(market, period, gate) of the last period's sessions that can be opened: nothing else can still be traded."""
        period = queries.last_period(connection, area=area.area)
        if period is None or not queries.is_included(connection, declared_key(area.area, period.number)):
            return []
        day = day_of(area=area, seconds=mtu_start(period.first_mtu))
        due = []
        for market in registry.markets(connection, area=area.area):
            for gate in gate_times(market=market, area=area, day=day):
                if now < gate and queries.session(connection, market=market.market, session=gate) is None:
                    due.append((market, period, gate))
        return due

    def _open_sessions(self, tx: Transaction, area: Area, now: int) -> None:
        for market, period, gate in self._sessions_due(tx.connection, area, now):
            fact = SessionOpened(
                market=market.market,
                area=area.area,
                session=gate,
                period=period.number,
                first_mtu=period.first_mtu,
                count=period.count,
            )
            entry = tx.append(fact)
            fold(tx.connection, [entry])
            call = MarketContract.open_session(
                market=market.market_id,
                session=gate,
                period=period.number,
                first_mtu=period.first_mtu,
                count=period.count,
            )
            about = Subject(
                area=area.area,
                market=market.market,
                period=period.number,
                session=gate,
                first_mtu=period.first_mtu,
                count=period.count,
            )
            key = opened_key(market=market.market, session=gate)
            request(tx, call, key=key, role=ChainRole.OPERATOR, about=about)
