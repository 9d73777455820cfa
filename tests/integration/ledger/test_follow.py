"""Following the journal: batches found without the write lock, a cursor that moves with what is written."""

from __future__ import annotations

import pytest

from domain.facts import MtuUnread, PeriodDeclared
from ledger_service.record import Cursor, CursorTaken, Record, follow

pytestmark = pytest.mark.integration

KINDS = [MtuUnread]


def unread(number: int) -> MtuUnread:
    """A fact that is followed."""
    return MtuUnread(area="A", period=1, mtu=number)


def other(number: int) -> PeriodDeclared:
    """A fact that is not."""
    return PeriodDeclared(area="A", period=number, first_mtu=0, count=96)


def add(record: Record, *numbers: int) -> None:
    with record.begin() as tx:
        for number in numbers:
            tx.append(unread(number))


def numbers_of(record: Record, cursor: Cursor, *, limit: int = 100) -> list[list[int]]:
    """The payloads of each batch, dealt with one by one."""
    found = []
    for batch in follow(record, cursor, KINDS, limit=limit):
        found.append([entry.as_a(MtuUnread).mtu for entry in batch.entries])
        with batch.begin():
            pass
    return found


def test_follow__new_entries__come_once_in_batches_of_their_kind(record: Record) -> None:
    add(record, 1, 2, 3)
    with record.begin() as tx:
        tx.append(other(9))
    cursor = Cursor("reader")

    assert numbers_of(record, cursor, limit=2) == [[1, 2], [3]]
    assert numbers_of(record, cursor) == []
    add(record, 4)
    assert numbers_of(record, cursor) == [[4]]


def test_follow__after_a_restart__goes_on_where_the_record_says(record: Record) -> None:
    add(record, 1, 2)
    numbers_of(record, Cursor("reader"), limit=1)
    add(record, 3)

    assert numbers_of(record, Cursor("reader")) == [[3]]
    assert numbers_of(record, Cursor("another reader")) == [[1, 2, 3]]


def test_follow__batch_passed_over__is_seen_again_only_after_a_restart(record: Record) -> None:
    add(record, 1)
    cursor = Cursor("reader")

    assert [len(batch.entries) for batch in follow(record, cursor, KINDS)] == [1]
    assert list(follow(record, cursor, KINDS)) == []
    assert [len(batch.entries) for batch in follow(record, Cursor("reader"), KINDS)] == [1]


def test_follow__work_fails__the_same_batch_comes_again(record: Record) -> None:
    add(record, 1)
    cursor = Cursor("reader")

    with pytest.raises(ZeroDivisionError):
        for batch in follow(record, cursor, KINDS):
            with batch.begin() as tx:
                tx.append(other(1))
                raise ZeroDivisionError

    assert record.head().sequence == 1
    assert numbers_of(record, cursor) == [[1]]


def test_batch__another_process_dealt_with_it_meanwhile__is_refused_and_undone(record: Record) -> None:
    add(record, 1)
    batches = follow(record, Cursor("reader"), KINDS)
    mine = next(batches)
    numbers_of(record, Cursor("reader"))

    with pytest.raises(CursorTaken) as caught, mine.begin() as tx:
        tx.append(other(1))

    assert (caught.value.at, caught.value.expected) == (1, 0)
    assert record.head().sequence == 1


def test_follow__commit_of_which_nobody_heard__is_not_done_twice(record: Record) -> None:
    add(record, 1)
    cursor = Cursor("reader")
    (batch,) = follow(record, cursor, KINDS)
    with batch.begin():
        pass
    cursor.recorded = cursor.seen = 0  # as where the connection was lost while it committed

    assert numbers_of(record, cursor) == []
