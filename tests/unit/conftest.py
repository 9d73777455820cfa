"""A street small enough to reckon by hand: 50 kVA transformer, two houses near it, one at the end of a long cable."""

from __future__ import annotations

import pytest

from grid.model import Bus, GridModel, Line, Point, Transformer


@pytest.fixture
def street() -> GridModel:
    """Points 0 and 1 at the near bus, 2 at the far bus."""
    return GridModel(
        code="street",
        source_bus="mv",
        source_micro_pu=1_025_000,
        buses=(Bus("mv", 20_000), Bus("near", 400), Bus("far", 400)),
        lines=(Line("cable", "near", "far", 400_000_000, 160_000_000, 250_000, 140_000),),
        transformers=(Transformer("trafo", "mv", "near", 20_000, 400, 50_000, 60_000, 600_000, 3_000, 200_000, 5),),
        points=tuple(Point(f"P{n}", bus, 30_000, 60_000) for n, bus in enumerate(("near", "near", "far"))),
    )
