"""The void stage: what was not done by its deadline is given up on chain, so that every MTU ends."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from contracts.bindings import Call
from contracts.bindings import Market as MarketContract
from domain.facts import Subject, position_key, requested_key
from domain.markets import Market
from domain.mtu import MtuRange, mtu_start
from domain.periods import Period
from domain.roles import ChainRole
from ledger_service.market import queries as markets
from ledger_service.market.queries import Program
from ledger_service.outbox import request
from ledger_service.record import Record
from ledger_service.record.keys import find_entries
from ledger_service.registry import queries as registry


@dataclass(frozen=True, slots=True)
class _Over:
    """A period of a market in which nothing can be cleared any more; `program` None where none was opened."""

    market: Market
    period: Period
    program: Program | None

    def voiding(self, connection: Connection) -> dict[str, tuple[Call, Subject]]:
        """One call per unbroken run of MTUs without a position, and its subject, by the key of its request.

        Those asked for already are left out.
        """
        market, period = self.market, self.period
        keys = {position_key(market=market.market, mtu=mtu): int(mtu) for mtu in period.mtus}
        found = find_entries(connection, keys)
        calls = {}
        for run in _runs([mtu for key, mtu in keys.items() if key not in found]):
            if self.program is None:
                number = _last_before(connection, market=market.market, first_mtu=run.first)
            else:
                number = self.program.program
            call = MarketContract.void_mtus(
                market=market.market_id, period=period.number, program=number, first_mtu=run.first, count=run.count
            )
            about = Subject(
                area=market.area,
                market=market.market,
                period=period.number,
                program=number,
                first_mtu=run.first,
                count=run.count,
            )
            calls[f"voidMtus:{market.market}:{run.first}:{run.count}"] = call, about
        asked = find_entries(connection, map(requested_key, calls))
        return {key: call for key, call in calls.items() if requested_key(key) not in asked}


class VoidStage:
    """Voids MTUs that were not cleared by gate + clear_seconds, or that started without ever being opened."""

    name = "void"

    def __init__(self, record: Record) -> None:
        self._record = record
        self._done: set[tuple[str, int]] = set()

    def run(self, now: int) -> bool:
        """Ask the chain to void what is due; what is asked for once is not asked again."""
        with self._record.read() as connection:
            over = self._over(connection, now)
            wanted = [due for due in over if due.voiding(connection)]
        asked = False
        for due in wanted:
            with self._record.begin() as tx:
                calls = due.voiding(tx.connection)  # once more: an MTU may have ended since
                for key, (call, about) in calls.items():
                    request(tx, call, key=key, role=ChainRole.OPERATOR, about=about)
            asked |= bool(calls)
        self._done.update((due.market.market, due.period.number) for due in over)
        return asked

    def _over(self, connection: Connection, now: int) -> list[_Over]:
        over = []
        for market in registry.markets(connection):
            opened = {item.period: item for item in markets.programs(connection, market=market.market)}
            for period in markets.periods(connection, area=market.area):
                program = opened.get(period.number)
                known = (market.market, period.number) in self._done
                if not known and _is_over(market, period, program, now=now):
                    over.append(_Over(market=market, period=period, program=program))
        return over


def _is_over(market: Market, period: Period, program: Program | None, *, now: int) -> bool:
    """Whether nothing of the period can be cleared any more (a day's MTUs are voided together)."""
    if program is None:
        return now >= mtu_start(period.end_mtu - 1)
    return now > program.gate + market.clear_seconds


def _last_before(connection: Connection, *, market: str, first_mtu: int) -> int:
    earlier = [item.program for item in markets.programs(connection, market=market) if item.first_mtu <= first_mtu]
    return max(earlier, default=0)


def _runs(mtus: list[int]) -> list[MtuRange]:
    """Ascending MTUs as unbroken ranges."""
    runs: list[MtuRange] = []
    for mtu in mtus:
        if runs and mtu == runs[-1].first + runs[-1].count:
            runs[-1] = MtuRange(first=runs[-1].first, count=runs[-1].count + 1)
        else:
            runs.append(MtuRange(first=mtu, count=1))
    return runs
