"""Hostile parameters against PostgreSQL, which takes fewer values than SQLite: NUL in text, numbers of 64 bits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Postgres
from tests.unit.wallet_api.crowd import crowd
from tests.unit.wallet_api.hostile import broken_by
from tests.unit.wallet_api.world import World, open_world

pytestmark = [pytest.mark.integration, pytest.mark.host]


@pytest.fixture
def crowded(postgres: Postgres, tmp_path: Path) -> Iterator[World]:
    """A crowded market whose record is on PostgreSQL."""
    for world in open_world(tmp_path, record_url=postgres.create("crowded")):
        crowd(world)
        yield world


def test_parameters__hostile_values_on_every_route__never_a_failure(crowded: World) -> None:
    wrong, _ = broken_by(crowded)

    assert wrong == []
