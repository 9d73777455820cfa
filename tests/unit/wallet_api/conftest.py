"""The world of API tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.wallet_api.world import World, open_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty market with its organisations."""
    yield from open_world(tmp_path)


@pytest.fixture
def market(world: World) -> World:
    """A market with an area, two households, two retailers, a tariff and agreements."""
    world.populate()
    return world


@pytest.fixture
def trading(world: World) -> World:
    """A market whose first program is open, with order keys and guarantees."""
    world.open_market()
    return world
