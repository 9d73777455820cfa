"""The guard of write transactions sees what it is there for."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.facts import MtuUnread
from domain.hashing import keccak
from domain.merkle import merkle_root
from ledger_service.record import Cursor, Record, follow
from tests.guards import HASHED_BYTES_MAX, HASHES_MAX, SlowInTransaction

pytestmark = pytest.mark.unit


@pytest.fixture
def record(tmp_path: Path) -> Record:
    opened = Record.open(f"sqlite:///{tmp_path}/record.db")
    with opened.begin() as tx:
        tx.append(MtuUnread(area="A", period=1, mtu=1))
        merkle_root([b"\x00" * 32, b"\x01" * 32])  # a test's own transaction is free
    return opened


def test_guard__slow_call_in_a_transaction__fails_and_undoes_it(record: Record) -> None:
    (batch,) = follow(record, Cursor("reader"), [MtuUnread])

    with pytest.raises(SlowInTransaction, match="merkle_root"), batch.begin() as tx:
        tx.append(MtuUnread(area="A", period=1, mtu=2))
        merkle_root([b"\x00" * 32, b"\x01" * 32])

    assert record.head().sequence == 1


def test_guard__hash_of_many_items_in_a_transaction__fails(record: Record) -> None:
    (batch,) = follow(record, Cursor("reader"), [MtuUnread])

    with pytest.raises(SlowInTransaction, match="hashes for 0 facts"), batch.begin():
        for number in range(HASHES_MAX + 1):
            keccak(number.to_bytes(8, "big"))


def test_guard__hash_of_a_large_text_in_a_transaction__fails(record: Record) -> None:
    (batch,) = follow(record, Cursor("reader"), [MtuUnread])

    with pytest.raises(SlowInTransaction, match="large text"), batch.begin():
        keccak(bytes(HASHED_BYTES_MAX + 1))


def test_guard__same_work_before_the_transaction__passes(record: Record) -> None:
    (batch,) = follow(record, Cursor("reader"), [MtuUnread])
    root = merkle_root([b"\x00" * 32, b"\x01" * 32])

    with batch.begin() as tx:
        tx.append(MtuUnread(area="A", period=1, mtu=int.from_bytes(root[:4], "big") % 1_000))

    assert record.head().sequence == 2
