"""Grids of the tests: a street that carries any household of theirs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from grid.model import Bus, GridModel, Line, Point, Transformer


def street(points: Iterable[str], *, connection_w: int = 100_000) -> GridModel:
    """A 250 kVA transformer and one cable, with these connection points at its end."""
    return GridModel(
        code="street",
        source_bus="mv",
        source_micro_pu=1_025_000,
        buses=(Bus("mv", 20_000), Bus("near", 400), Bus("far", 400)),
        lines=(Line("cable", "near", "far", 100_000_000, 40_000_000, 250_000, 400_000),),
        transformers=(Transformer("trafo", "mv", "near", 20_000, 400, 250_000, 60_000, 2_500_000, 3_000, 200_000, 5),),
        points=tuple(Point(code, "far", connection_w, connection_w) for code in points),
    )


def document(grid: GridModel) -> dict[str, Any]:
    """A grid as the API and the journal hold it."""
    written: dict[str, Any] = json.loads(grid.to_json())
    return written
