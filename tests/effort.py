"""How much a test run draws: as much as stays quick, or many times that in a campaign (`make campaign`)."""

from __future__ import annotations

import os

from hypothesis import settings

EFFORT = int(os.environ.get("TEST_EFFORT", "1"))
"""Times the usual number of examples, changed fields and days."""


def examples(usual: int) -> int:
    """How many to draw where a usual run draws `usual`."""
    return usual * EFFORT


def draw_the_same() -> None:
    """In a usual run properties draw the same values everywhere, so what passed passes again; campaigns draw anew."""
    settings.register_profile("usual", derandomize=EFFORT == 1)
    settings.load_profile("usual")
