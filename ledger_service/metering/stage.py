"""The metering stage: follows what the chain says of attestations, and marks Unread what nobody attested in time."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from contracts.bindings import Readings
from domain.hashing import text_id, to_hex
from domain.mtu import mtu_end, mtu_of
from domain.periods import Period
from ledger_service.metering.queries import next_revisions, periods
from ledger_service.metering.tables import metering_pending
from ledger_service.metering.views import UNREAD_KEY, fold_failed, fold_unread, note_pending, settle_pending
from ledger_service.outbox import request
from ledger_service.record import Entry, Record, Transaction
from ledger_service.registry import queries as registered

CURSOR = "metering"

ENTRIES_PER_RUN = 1_000
"""Facts read in one write transaction, so that others get their turn."""

UNREAD_PER_TRANSACTION = 1_000
"""Most MTUs marked Unread by one transaction; the contract takes up to 3,200."""

UNREAD_RETRY_S = 60
"""Market seconds after which a refused mark is asked for again; the n-th time n² as many."""

_KINDS = ("chain.included", "chain.failed")


class MeteringStage:
    """Asks for `markUnread` after the deadline and records `mtu.unread` once the chain has it."""

    name = "metering"

    def __init__(self, record: Record) -> None:
        self._record = record
        self._resolved: dict[str, int] = {}  # first MTU per area that may still lack an attestation and a mark

    def run(self, now: int) -> bool:
        """Fold the chain's answers; then ask for what is overdue at market time `now`."""
        if self._fold():
            return True
        with self._record.read() as connection:
            overdue = [
                _Overdue(area.area, period.number, first, count, mtu_end(first + count - 1) + area.attest_seconds)
                for area in registered.areas(connection)
                for period in periods(connection, area=area.area)
                for first, count in self._overdue(connection, area.area, period, now - area.attest_seconds)
            ]
        if not overdue:
            return False
        fresh = False
        with self._record.begin() as tx:
            for run in overdue:
                fresh |= _mark(tx, run, now=now)
        return fresh

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
        with self._record.begin() as tx:
            entries = tx.entries(after=tx.cursor(CURSOR), kinds=_KINDS, limit=ENTRIES_PER_RUN)
            for entry in entries:
                if entry.kind == "chain.failed":
                    fold_failed(tx.connection, entry.content()["key"])
                    self._resolved.clear()
                else:
                    _included(tx, entry)
            if entries:
                tx.advance(CURSOR, entries[-1].sequence)
        return bool(entries)


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


def _mark(tx: Transaction, run: _Overdue, *, now: int) -> bool:
    """Ask for a mark; again, under the next number, some time after the chain refused it."""
    attempt = 1
    while tx.find(f"chain:{_key(run, attempt)}") is not None:
        attempt += 1
    if attempt > 1 and now < run.deadline + UNREAD_RETRY_S * (attempt - 1) ** 2:
        return False
    key = _key(run, attempt)
    call = Readings.mark_unread(area=text_id(run.area), period=run.period, first_mtu=run.first_mtu, count=run.count)
    request(tx, call, key=key, role="operator")
    note_pending(tx.connection, key)
    return True


def _key(run: _Overdue, attempt: int) -> str:
    return f"{UNREAD_KEY}{run.area}:{run.period}:{run.first_mtu}:{run.count}:{attempt}"


def _included(tx: Transaction, entry: Entry) -> None:
    payload = entry.content()
    marks = [
        event["args"]
        for event in payload["events"]
        if event["contract"] == "Readings" and event["event"] == "ReadingsUnread"
    ]
    if marks:
        by_id = {to_hex(area.area_id): area.area for area in registered.areas(tx.connection)}
        for args in marks:
            _unread(tx, area=by_id[args["area"]], mtu=int(args["mtu"]))
    settle_pending(tx.connection, payload["key"])


def _unread(tx: Transaction, *, area: str, mtu: int) -> None:
    period = next((item for item in periods(tx.connection, area=area) if mtu in item), None)
    if period is None:
        return
    fact = {"area": area, "period": period.number, "mtu": mtu}
    entry = tx.append("mtu.unread", fact, key=f"mtu.unread:{area}:{mtu}")
    fold_unread(tx.connection, entry)
