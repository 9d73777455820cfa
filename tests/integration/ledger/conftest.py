"""A record on each database, and a small community registered in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ledger_service.record import Record
from tests.integration.ledger.town import Resident, Town


@pytest.fixture
def record(record_url: str) -> Iterator[Record]:
    """An open record."""
    opened = Record.open(record_url)
    yield opened
    opened.close()


@pytest.fixture
def make_town(record: Record) -> Callable[..., Town]:
    """Registers an area with a market, a retailer and households."""
    return lambda households=3, **changes: Town(record, households=households, **changes)


@pytest.fixture
def town(record: Record) -> Town:
    """Three households and a retailer, a program open for tomorrow."""
    town = Town(record, households=3)
    town.open_session()
    return town


@pytest.fixture
def first_mtu(town: Town) -> int:
    return town.session.first_mtu


@pytest.fixture
def resident(town: Town) -> Resident:
    return town.residents[0]
