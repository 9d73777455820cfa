"""The worlds of API tests: each is made once, and every test works in a copy of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.wallet_api.crowd import crowd
from tests.unit.wallet_api.world import World, open_world

_opened = contextmanager(open_world)


def _template(folder: Path, prepare: Callable[[World], None]) -> Path:
    with _opened(folder) as made:
        prepare(made)
    return folder


@pytest.fixture(scope="session")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty market."""
    return _template(tmp_path_factory.mktemp("empty"), lambda made: None)


@pytest.fixture(scope="session")
def market_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market with its parties."""
    return _template(tmp_path_factory.mktemp("market"), World.populate)


@pytest.fixture(scope="session")
def trading_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market that trades."""
    return _template(tmp_path_factory.mktemp("trading"), World.open_market)


@pytest.fixture(scope="session")
def crowded_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market in which every list has several items."""
    return _template(tmp_path_factory.mktemp("crowded"), crowd)


@pytest.fixture
def world(tmp_path: Path, empty_folder: Path) -> Iterator[World]:
    """An empty market with its organisations."""
    yield from open_world(tmp_path, template=empty_folder)


@pytest.fixture
def market(tmp_path: Path, market_folder: Path) -> Iterator[World]:
    """A market with an area, two households, two retailers, a tariff and agreements."""
    yield from open_world(tmp_path, template=market_folder)


@pytest.fixture
def trading(tmp_path: Path, trading_folder: Path) -> Iterator[World]:
    """A market whose first program is open, with order keys and guarantees."""
    yield from open_world(tmp_path, template=trading_folder)


@pytest.fixture
def crowded(tmp_path: Path, crowded_folder: Path) -> Iterator[World]:
    """A market in which every list has several items."""
    yield from open_world(tmp_path, template=crowded_folder)
