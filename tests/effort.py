"""How much a test run draws: as much as stays quick, or many times that in a campaign (`make campaign`)."""

from __future__ import annotations

import os

EFFORT = int(os.environ.get("TEST_EFFORT", "1"))
"""Times the usual number of examples, changed fields and days."""


def examples(usual: int) -> int:
    """How many to draw where a usual run draws `usual`."""
    return usual * EFFORT
