"""The metering stage: follows what the chain says of attestations, and marks Unread what nobody attested in time."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from contracts.bindings import Readings, read_events
from contracts.bindings.readings import ReadingsPassedOver, ReadingsUnread
from domain.facts import (
    HAPPENED,
    ChainFailed,
    ChainIncluded,
    ChainObserved,
    ChainRequested,
    Happened,
    MtuUnread,
    Subject,
    requested_key,
)
from domain.hashing import text_id
from domain.mtu import mtu_of
from domain.periods import Period
from domain.roles import ChainRole
from ledger_service.metering.queries import next_revisions, periods
from ledger_service.metering.tables import metering_pending
from ledger_service.metering.views import fold_failed, fold_included, fold_unread, note_pending
from ledger_service.outbox import asks, request
from ledger_service.record import Cursor, Entry, Record, Transaction, follow
from ledger_service.record.keys import find_entries
from ledger_service.registry import queries as registered

CURSOR = "metering"

UNREAD_PER_TRANSACTION = 1_000
"""Most MTUs marked Unread by one transaction; the contract takes up to 3,200."""

UNREAD_RETRY_S = 60
"""Market seconds after which a refused mark is asked for again; the n-th time n² as many."""

_KINDS = (*HAPPENED, ChainFailed)


class MeteringStage:
    """Asks for `markUnread` after the deadline and records `mtu.unread` once the chain has it."""

    name = "metering"

    def __init__(self, record: Record) -> None:
        self._record = record
        self._cursor = Cursor(CURSOR)
        self._resolved: dict[str, int] = {}  # first MTU per area that may still lack an attestation and a mark

    def run(self, now: int) -> bool:
        """Fold the chain's answers; then ask for what is overdue at market time `now`."""
        if self._fold():
            return True
        with self._record.read() as connection:
            overdue = [
                _Overdue(area.area, period.number, first, count, period.time_from(first + count) + area.attest_seconds)
                for area in registered.areas(connection)
                for period in periods(connection, area=area.area)
                if now > period.declared_at + area.attest_seconds
                for first, count in self._overdue(connection, area.area, period, now - area.attest_seconds)
            ]
            due = [key for run in overdue if (key := _next_mark(connection, run, now=now)) is not None]
        if not due:
            return False
        with self._record.begin() as tx:
            asked = [_mark(tx, key) for key in due]
        return any(asked)

    def _overdue(self, connection: Connection, area: str, period: Period, before: int) -> list[tuple[int, int]]:
        """(first MTU, count) of runs of the period that ended by `before` and have neither attestation nor mark."""
        first = max(period.first_mtu, self._resolved.get(area, 0))
        end = min(period.end_mtu, mtu_of(max(before - 1, 0)))
        if first >= end:
            return []
        table = metering_pending
        asked = {
            mtu
            for row in connection.execute(select(table).where(table.c.area == area))
            for mtu in range(row.first_mtu, row.first_mtu + row.count)
        }
        known = next_revisions(connection, area=area, first_mtu=first, count=end - first)
        missing = [mtu for mtu in range(first, end) if mtu not in known and mtu not in asked]
        if not missing and not asked:
            self._resolved[area] = end
        return _runs(missing)

    def _fold(self) -> bool:
        folded = False
        for batch in follow(self._record, self._cursor, _KINDS):
            relevant = [entry for entry in batch.entries if _concerns_readings(entry)]
            if not relevant:
                continue
            with batch.begin() as tx:
                for entry in relevant:
                    match entry.fact:
                        case ChainFailed() as fact:
                            fold_failed(tx.connection, fact)
                            self._resolved.clear()
                        case ChainIncluded() as fact:
                            fold_included(tx.connection, fact)
                            _record_marks(tx, fact)
                        case ChainObserved() as fact:
                            _record_marks(tx, fact)
            folded = True
        return folded


def _runs(mtus: list[int]) -> list[tuple[int, int]]:
    """Consecutive numbers as (first, count), at most UNREAD_PER_TRANSACTION each."""
    runs: list[tuple[int, int]] = []
    for mtu in mtus:
        if runs and mtu == runs[-1][0] + runs[-1][1] and runs[-1][1] < UNREAD_PER_TRANSACTION:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((mtu, 1))
    return runs


@dataclass(frozen=True, slots=True)
class _Overdue:
    """A run of MTUs without attestation and mark; the last of them was due at market time `deadline`."""

    area: str
    period: int
    first_mtu: int
    count: int
    deadline: int


@dataclass(frozen=True, slots=True)
class _Mark:
    """A mark to ask for, and the key of the request."""

    run: _Overdue
    key: str


def _next_mark(connection: Connection, run: _Overdue, *, now: int) -> _Mark | None:
    """The mark to ask for now; under the next number, and some time after the chain refused the one before."""
    attempt = 1
    while find_entries(connection, [requested_key(_key(run, attempt))]):
        attempt += 1
    if attempt > 1 and now < run.deadline + UNREAD_RETRY_S * (attempt - 1) ** 2:
        return None
    return _Mark(run=run, key=_key(run, attempt))


def _mark(tx: Transaction, mark: _Mark) -> bool:
    run = mark.run
    call = Readings.mark_unread(area=text_id(run.area), period=run.period, first_mtu=run.first_mtu, count=run.count)
    about = Subject(area=run.area, period=run.period, first_mtu=run.first_mtu, count=run.count)
    entry = request(tx, call, key=mark.key, role=ChainRole.OPERATOR, about=about)
    if entry.repeated:
        return False
    note_pending(tx.connection, entry.as_a(ChainRequested))
    return True


def _key(run: _Overdue, attempt: int) -> str:
    return f"unread:{run.area}:{run.period}:{run.first_mtu}:{run.count}:{attempt}"


def _concerns_readings(entry: Entry) -> bool:
    """Whether the chain answered one of our requests about readings, or marked an MTU for somebody else."""
    fact = entry.fact
    if isinstance(fact, ChainIncluded | ChainFailed) and (
        asks(fact, Readings.attest_many) or asks(fact, Readings.mark_unread)
    ):
        return True
    return isinstance(fact, HAPPENED) and bool(_marked(fact))


def _marked(fact: Happened) -> list[tuple[bytes, int]]:
    """Area id and MTU of what a transaction marked Unread, or found marked by somebody else."""
    marked = [(event.area, event.mtu) for event in read_events(fact.events, ReadingsUnread)]
    found = [(event.area, event.mtu) for event in read_events(fact.events, ReadingsPassedOver) if event.unread]
    return marked + found


def _record_marks(tx: Transaction, fact: Happened) -> None:
    marked = _marked(fact)
    if marked:
        by_id = {area.area_id: area.area for area in registered.areas(tx.connection)}
        for area_id, mtu in marked:
            if area_id in by_id:  # or it is of another service, on the same contracts
                _unread(tx, area=by_id[area_id], mtu=mtu)


def _unread(tx: Transaction, *, area: str, mtu: int) -> None:
    period = next((item for item in periods(tx.connection, area=area) if mtu in item), None)
    if period is None:
        return
    fact = MtuUnread(area=area, period=period.number, mtu=mtu)
    entry = tx.append(fact)
    fold_unread(tx.connection, fact, entry.sequence)
