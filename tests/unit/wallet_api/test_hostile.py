"""Hostile parameters on every route: a problem or an answer, never a failure of the service."""

from __future__ import annotations

import pytest

from tests.unit.wallet_api.hostile import DRAWN, broken_by
from tests.unit.wallet_api.world import World

pytestmark = pytest.mark.unit


def test_parameters__hostile_values_on_every_route__never_a_failure(crowded: World) -> None:
    wrong, made = broken_by(crowded)

    assert wrong == []
    assert made > 50 * DRAWN
