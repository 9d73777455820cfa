"""Whatever numbers somebody writes into a grid model: it is refused with a reason, or the power flow can solve it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.program import MtuBook
from clearing.validation import validate_program
from domain.errors import DominoesError
from grid.checks import BadGrid
from grid.model import SCHEMA, GridModel
from grid.powerflow import GridUnsolvable, PowerFlow

pytestmark = pytest.mark.property

BUSES = ("mv", "a", "b", "c")
bus = st.sampled_from(BUSES)


def around(likely: int) -> st.SearchStrategy[int]:
    """Mostly near a value that grids have, sometimes anything."""
    return st.integers(likely // 2, likely * 2) | st.sampled_from((0, 1, -1, 10**12, 2**53))


def records(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Up to four of a kind, each with a code of its own, or nearly always."""
    return st.lists(st.fixed_dictionaries({"code": st.text("xyz", min_size=1, max_size=3), **members}), max_size=4)


lines = records(
    from_bus=bus,
    to_bus=bus,
    resistance_nohm=around(200_000_000),
    reactance_nohm=around(80_000_000),
    capacitance_pf=around(200_000),
    limit_ma=around(140_000),
    from_closed=st.just(True) | st.booleans(),
    to_closed=st.just(True) | st.booleans(),
)
transformers = records(
    upper_bus=st.just("mv") | bus,
    lower_bus=st.just("a") | bus,
    upper_v=around(20_000),
    lower_v=around(400),
    rated_va=around(100_000),
    short_circuit_micro=around(60_000),
    copper_loss_mw=around(600_000),
    no_load_micro=around(3_000),
    iron_loss_mw=around(200_000),
    clock=st.just(5) | st.integers(-1, 12),
    tap_position=st.integers(-3, 3),
    tap_size_v=around(500),
)
points = records(bus=bus, import_w=around(20_000), export_w=around(20_000))
sparse = st.sampled_from(BUSES[:2]).map(lambda last: BUSES[: BUSES.index(last) + 1]) | st.just(BUSES)


def document(buses: tuple[str, ...], source_micro_pu: int, parts: tuple[list[dict[str, Any]], ...]) -> bytes:
    """The drawn grid as its JSON."""
    return json.dumps(
        {
            "schema": SCHEMA,
            "code": "drawn",
            "source_bus": "mv",
            "source_micro_pu": source_micro_pu,
            "buses": [{"code": code, "nominal_v": 20_000 if code == "mv" else 400} for code in buses],
            "lines": parts[0],
            "transformers": parts[1],
            "points": parts[2],
        }
    ).encode()


@given(sparse, around(1_025_000), st.tuples(lines, transformers, points))
@settings(max_examples=300, deadline=None)
def test_grid__any_numbers__is_refused_with_a_reason_or_carries_a_program(
    buses: tuple[str, ...], source_micro_pu: int, parts: tuple[list[dict[str, Any]], ...]
) -> None:
    try:
        power_flow = PowerFlow(GridModel.from_json(document(buses, source_micro_pu, parts)))
    except (BadGrid, GridUnsolvable) as refused:
        assert isinstance(refused, DominoesError) and str(refused)
        return

    grid = power_flow.grid
    states = power_flow.run(np.zeros((1, len(grid.points)), dtype=np.int64))
    assert states.solved.all() and np.isfinite(states.voltage_pu).all() and np.isfinite(states.loading).all()
    result = validate_program(
        books=[MtuBook.from_orders([])],
        schedules_wh=np.array([[point.import_w // 8] for point in grid.points], dtype=np.int64).reshape(-1, 1),
        power_flow=power_flow,
        first_mtu=0,
        lot_wh=10,
    )
    assert result.report["count"] == 1
