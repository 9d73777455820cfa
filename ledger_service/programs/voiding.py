"""The void stage: what was not done by its deadline is given up on chain, so that every MTU ends."""

from __future__ import annotations

from contracts.bindings import Market as MarketContract
from domain.markets import Market
from domain.mtu import MtuRange, mtu_start
from domain.periods import Period
from ledger_service.market import queries as markets
from ledger_service.market.queries import Program
from ledger_service.outbox import request
from ledger_service.programs.position import position_key
from ledger_service.record import Record, Transaction
from ledger_service.registry import queries as registry


class VoidStage:
    """Voids MTUs that were not cleared by gate + clear_seconds, or that started without ever being opened."""

    name = "void"

    def __init__(self, record: Record) -> None:
        self._record = record
        self._done: set[tuple[str, int]] = set()

    def run(self, now: int) -> bool:
        """Ask the chain to void what is due; what is asked for once is not asked again."""
        asked = False
        for market, period, program in self._due(now):
            with self._record.begin() as tx:
                asked |= _void_program(tx, market, period, program)
            self._done.add((market.market, period.number))
        return asked

    def _due(self, now: int) -> list[tuple[Market, Period, Program | None]]:
        due: list[tuple[Market, Period, Program | None]] = []
        with self._record.read() as connection:
            for market in registry.markets(connection):
                opened = {item.period: item for item in markets.programs(connection, market=market.market)}
                for period in markets.periods(connection, area=market.area):
                    program = opened.get(period.number)
                    known = (market.market, period.number) in self._done
                    if not known and _is_over(market, period, program, now=now):
                        due.append((market, period, program))
        return due


def _is_over(market: Market, period: Period, program: Program | None, *, now: int) -> bool:
    """Whether nothing of the period can be cleared any more (a day's MTUs are voided together)."""
    if program is None:
        return now >= mtu_start(period.end_mtu - 1)
    return now > program.gate + market.clear_seconds


def _void_program(tx: Transaction, market: Market, period: Period, program: Program | None) -> bool:
    """One request per unbroken run of MTUs without a position; True where a new one was made."""
    tx.preload(position_key(market=market.market, mtu=mtu) for mtu in period.mtus)
    open_mtus = [mtu for mtu in period.mtus if tx.find(position_key(market=market.market, mtu=mtu)) is None]
    asked = False
    for run in _runs(list(map(int, open_mtus))):
        number = 0 if program is None else program.program
        if program is None:
            number = _last_before(tx, market=market.market, first_mtu=run.first)
        call = MarketContract.void_mtus(
            market=market.market_id, period=period.number, program=number, first_mtu=run.first, count=run.count
        )
        entry = request(tx, call, key=f"voidMtus:{market.market}:{run.first}:{run.count}", role="operator")
        asked |= not entry.repeated
    return asked


def _last_before(tx: Transaction, *, market: str, first_mtu: int) -> int:
    earlier = [item.program for item in markets.programs(tx.connection, market=market) if item.first_mtu <= first_mtu]
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
