"""Spans of time that lists are filtered by: MTUs of delivery, and entries of the journal by when they were recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, and_, select, true

from domain.mtu import MTU_END, mtu_start
from ledger_service.record.tables import journal_entry

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class MtuSpan:
    """MTUs from `first` to before `end`; what spans everything filters nothing."""

    first: int = 0
    end: int = MTU_END

    def __contains__(self, mtu: int) -> bool:
        return self.first <= mtu < self.end

    def within(self, other: MtuSpan) -> MtuSpan:
        """What both span."""
        return MtuSpan(max(self.first, other.first), min(self.end, other.end))

    @property
    def is_everything(self) -> bool:
        """Whether it leaves nothing out."""
        return self.first <= 0 and self.end >= MTU_END

    def holds(self, column: ColumnElement[int]) -> ColumnElement[bool]:
        """Whether a MTU lies in it."""
        return true() if self.is_everything else and_(column >= self.first, column < self.end)

    def meets(self, first_mtu: ColumnElement[int], count: ColumnElement[int]) -> ColumnElement[bool]:
        """Whether a run of MTUs shares one with it."""
        return true() if self.is_everything else and_(first_mtu < self.end, first_mtu + count > self.first)


ALWAYS = MtuSpan()
"""Every MTU."""

NEVER = MtuSpan(0, 0)
"""No MTU."""


@dataclass(frozen=True, slots=True)
class SequenceSpan:
    """Entries of the journal from `first` to before `end`; None: all that come."""

    first: int = 0
    end: int | None = None

    def holds(self, column: ColumnElement[int]) -> ColumnElement[bool]:
        """Whether an entry lies in it."""
        begun = true() if self.first <= 0 else column >= self.first
        return begun if self.end is None else and_(begun, column < self.end)


WHENEVER = SequenceSpan()
"""Every entry."""


def recorded_in(connection: Connection, span: MtuSpan) -> SequenceSpan:
    """The entries that were recorded within these MTUs of market time: times never go back along the journal."""
    if span.is_everything:
        return WHENEVER
    first, end = (_first_recorded(connection, mtu_start(mtu)) for mtu in (span.first, span.end))
    if first is None:
        return SequenceSpan(end=0)
    return SequenceSpan(first=first, end=end)


def _first_recorded(connection: Connection, seconds: int) -> int | None:
    c = journal_entry.c
    query = select(c.sequence).where(c.recorded_at >= seconds).order_by(c.recorded_at, c.sequence).limit(1)
    return connection.execute(query).scalar()


@dataclass(frozen=True, slots=True)
class Recorded(Generic[_Item]):
    """What a fact says, and the market time at which it was recorded, in unix seconds."""

    item: _Item
    recorded_at: int


def with_time(query: Select[Any], sequence: ColumnElement[int]) -> Select[Any]:
    """The same rows, each with `recorded_at` of the entry that it names.

    An outer join, though each names one: so no database begins with the journal and reads all of it.
    """
    return query.add_columns(journal_entry.c.recorded_at).outerjoin(journal_entry, journal_entry.c.sequence == sequence)
