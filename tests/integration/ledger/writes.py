"""Writes of one test: what they return, how they are refused, and what they ask of the chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domain.errors import DominoesError
from ledger_service.record import Record, Transaction
from tests.journal import content_of

Write = Callable[[Transaction], Any]


def refused(record: Record, error: type[DominoesError], write: Write) -> Any:
    """The refusal of a write, which must leave nothing."""
    head = record.head()
    with pytest.raises(error) as refusal, record.begin() as tx:
        write(tx)
    assert type(refusal.value) is error
    assert record.head() == head
    return refusal.value


def written(record: Record, write: Write) -> Any:
    """What a write returns."""
    with record.begin() as tx:
        return write(tx)


def request(record: Record, key: str) -> dict[str, Any]:
    """The request to the chain of this key, which must be there."""
    with record.begin() as tx:
        found = tx.find(f"chain:{key}")
    assert found is not None
    return content_of(found)
