"""A day on a real chain for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.settlement.day_on_chain import World, started


@pytest.fixture
def world(tmp_path: Path, record_url: str) -> Iterator[World]:
    """A record, a node, the contracts, and a day to live through."""
    with started(tmp_path, record_url) as made:
        yield made
