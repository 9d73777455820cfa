"""A grid model as the arrays of power-grid-model: the one place that knows its columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import power_grid_model as _pgm
from numpy.typing import NDArray

from grid.model import MICRO, NANO, GridModel

pgm: Any = _pgm
"""power-grid-model is only partly typed."""

SOURCE_SHORT_CIRCUIT_VA = 1e16
"""The source holds its voltage: an ideal upper grid, as the planning data assume."""

TAP_HIGHEST = 99
"""No tap position is refused for its number: the model states where the tap stands, not how far it can go."""


def grid_arrays(grid: GridModel, loaded_buses: NDArray[np.int64]) -> tuple[dict[Any, Any], NDArray[np.int32]]:
    """The input arrays, and the ids of the loads, one at each of `loaded_buses` (indices of buses, ascending).

    Ids are those of buses, then lines, transformers, the source, the loads.
    """
    buses = {bus.code: index for index, bus in enumerate(grid.buses)}
    count, lines, trafos = len(buses), len(grid.lines), len(grid.transformers)
    source_id = count + lines + trafos
    load_ids = np.arange(source_id + 1, source_id + 1 + len(loaded_buses), dtype=np.int32)
    kinds = pgm.ComponentType
    node = {"id": np.arange(count), "u_rated": [bus.nominal_v for bus in grid.buses]}
    line = {"id": np.arange(count, count + lines), **_line_columns(grid, buses)}
    trafo = {"id": np.arange(count + lines, source_id), **_transformer_columns(grid, buses)}
    load = {"id": load_ids, "node": loaded_buses, "status": 1, "type": 0, "p_specified": 0.0, "q_specified": 0.0}
    arrays = {
        kinds.node: _array(kinds.node, node, count),
        kinds.line: _array(kinds.line, line, lines),
        kinds.transformer: _array(kinds.transformer, trafo, trafos),
        kinds.source: _array(kinds.source, {"id": source_id, **_source_columns(grid, buses)}, 1),
        kinds.sym_load: _array(kinds.sym_load, load, len(loaded_buses)),
    }
    return arrays, load_ids


def _array(kind: Any, columns: dict[str, Any], size: int) -> Any:
    array = pgm.initialize_array(pgm.DatasetType.input, kind, size)
    for name, values in columns.items():
        array[name] = values
    return array


def _source_columns(grid: GridModel, buses: dict[str, int]) -> dict[str, Any]:
    return {
        "node": buses[grid.source_bus],
        "status": 1,
        "u_ref": grid.source_micro_pu / MICRO,
        "sk": SOURCE_SHORT_CIRCUIT_VA,
    }


def _line_columns(grid: GridModel, buses: dict[str, int]) -> dict[str, Any]:
    return {
        "from_node": [buses[line.from_bus] for line in grid.lines],
        "to_node": [buses[line.to_bus] for line in grid.lines],
        "from_status": [line.from_closed for line in grid.lines],
        "to_status": [line.to_closed for line in grid.lines],
        "r1": [line.resistance_nohm / NANO for line in grid.lines],
        "x1": [line.reactance_nohm / NANO for line in grid.lines],
        "c1": [line.capacitance_pf * 1e-12 for line in grid.lines],
        "tan1": 0.0,
        "i_n": [line.limit_ma / 1000 for line in grid.lines],
    }


def _transformer_columns(grid: GridModel, buses: dict[str, int]) -> dict[str, Any]:
    trafos = grid.transformers
    return {
        "from_node": [buses[trafo.upper_bus] for trafo in trafos],
        "to_node": [buses[trafo.lower_bus] for trafo in trafos],
        "from_status": 1,
        "to_status": 1,
        "u1": [trafo.upper_v for trafo in trafos],
        "u2": [trafo.lower_v for trafo in trafos],
        "sn": [trafo.rated_va for trafo in trafos],
        "uk": [trafo.short_circuit_micro / MICRO for trafo in trafos],
        "pk": [trafo.copper_loss_mw / 1000 for trafo in trafos],
        "i0": [trafo.no_load_micro / MICRO for trafo in trafos],
        "p0": [trafo.iron_loss_mw / 1000 for trafo in trafos],
        "winding_from": 2,
        "winding_to": 1,
        "clock": [trafo.clock for trafo in trafos],
        "tap_side": 0,
        "tap_pos": [trafo.tap_position for trafo in trafos],
        "tap_min": -TAP_HIGHEST,
        "tap_max": TAP_HIGHEST,
        "tap_size": [trafo.tap_size_v for trafo in trafos],
        "tap_nom": 0,
    }
