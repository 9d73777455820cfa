"""AC power flow of net schedules: one power-grid-model batch per program, and what it finds beyond the limits.

Values leave here as whole numbers (1e-6 of nominal voltage or of rated loading), and limits are compared on those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import power_grid_model as _pgm
from numpy.typing import NDArray
from power_grid_model.errors import PowerGridError  # type: ignore[attr-defined]  # re-exported without saying so

from domain.errors import DominoesError
from domain.units import MTUS_PER_HOUR
from grid.model import MICRO, NANO, GridModel

pgm: Any = _pgm
"""power-grid-model is only partly typed."""

SOURCE_SHORT_CIRCUIT_VA = 1e16
"""The source holds its voltage: an ideal upper grid, as the planning data assume."""

ERROR_TOLERANCE = 1e-9
"""Convergence of the Newton-Raphson power flow, in pu."""

LOADING_LIMIT_MICRO = MICRO
"""Branches may be loaded up to their thermal limit or rated power, not beyond."""

POWER_FLOW_THREADS = 1
"""Threads of one batch: one, since the service has other work for the other cores; the result does not depend on it."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class PowerFlowFailed(DominoesError):
    """The power flow rejects the grid model itself (no schedule has a solution)."""

    code = "power-flow-failed"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the power flow cannot be calculated ({reason}); check the grid model")


@dataclass(frozen=True, slots=True)
class Violation:
    """One limit broken in one MTU (index into the program).

    `kind` is bus, line, transformer or grid; `quantity` undervoltage, overvoltage, loading or no_solution;
    `value_micro` and `limit_micro` in 1e-6 pu of voltage or 1e-6 of rated loading (both 0 where there is no solution).
    """

    mtu: int
    kind: str
    code: str
    quantity: str
    value_micro: int
    limit_micro: int


@dataclass(frozen=True, slots=True)
class Flow:
    """State of the grid per MTU: voltages in pu (MTU × bus), loadings as a fraction (MTU × lines then transformers)."""

    voltage_pu: Floats
    loading: Floats
    solved: NDArray[np.bool_]

    @property
    def voltage_micro(self) -> Ints:
        """Voltages in 1e-6 pu; 0 where there is no solution."""
        return _micro(self.voltage_pu, self.solved)

    @property
    def loading_micro(self) -> Ints:
        """Loadings in 1e-6 of the rating; 0 where there is no solution."""
        return _micro(self.loading, self.solved)


def _micro(values: Floats, solved: NDArray[np.bool_]) -> Ints:
    whole: Ints = np.rint(np.where(solved[:, None], values, 0.0) * MICRO).astype(np.int64)
    return whole


class PowerFlow:
    """The power-flow model of one grid, built once and run for many schedules."""

    def __init__(self, grid: GridModel) -> None:
        self.grid = grid
        buses = {bus.code: index for index, bus in enumerate(grid.buses)}
        self.point_bus = np.array([buses[point.bus] for point in grid.points], dtype=np.int64)
        self._loaded_buses, self._load_of_point = np.unique(self.point_bus, return_inverse=True)
        self.branch_codes = (*(line.code for line in grid.lines), *(trafo.code for trafo in grid.transformers))
        self.lowest_micro = np.array([bus.lowest_micro_pu for bus in grid.buses], dtype=np.int64)
        self.highest_micro = np.array([bus.highest_micro_pu for bus in grid.buses], dtype=np.int64)
        first_load = len(grid.buses) + len(self.branch_codes) + 1
        self._load_ids = np.arange(first_load, first_load + len(self._loaded_buses), dtype=np.int32)
        try:
            self._model: Any = pgm.PowerGridModel(
                _input_data(grid, buses, self._loaded_buses, self._load_ids), system_frequency=grid.frequency_hz
            )
        except PowerGridError as error:
            raise PowerFlowFailed(reason=str(error)) from error

    def run(self, net_wh: Ints) -> Flow:
        """The state under net schedules (MTU × point, Wh of one MTU, + = import). Raises PowerFlowFailed."""
        return self.run_watts(net_wh * MTUS_PER_HOUR)

    def run_watts(self, net_w: NDArray[Any]) -> Flow:
        """The state under net powers (scenario × point, W, + = import). Raises PowerFlowFailed."""
        scenarios = len(net_w)
        update = pgm.initialize_array(
            pgm.DatasetType.update, pgm.ComponentType.sym_load, (scenarios, len(self._load_ids))
        )
        update["id"] = self._load_ids
        update["p_specified"] = self._per_bus(net_w)
        tan_phi = self.grid.import_tan_phi_permille / 1000
        update["q_specified"] = self._per_bus(np.maximum(net_w, 0)) * tan_phi
        try:
            output = self._model.calculate_power_flow(
                update_data={pgm.ComponentType.sym_load: update},
                error_tolerance=ERROR_TOLERANCE,
                threading=POWER_FLOW_THREADS if POWER_FLOW_THREADS > 1 else -1,
                output_component_types={
                    pgm.ComponentType.node: ["u_pu"],
                    pgm.ComponentType.line: ["loading"],
                    pgm.ComponentType.transformer: ["loading"],
                },
                continue_on_batch_error=True,
            )
        except PowerGridError as error:
            raise PowerFlowFailed(reason=str(error)) from error
        solved = np.ones(scenarios, dtype=np.bool_)
        failure = self._model.batch_error
        if failure is not None:
            solved[failure.failed_scenarios] = False
        loadings = [output[kind]["loading"] for kind in (pgm.ComponentType.line, pgm.ComponentType.transformer)]
        return Flow(output[pgm.ComponentType.node]["u_pu"], np.concatenate(loadings, axis=1), solved)

    def _per_bus(self, per_point: NDArray[Any]) -> Floats:
        summed = np.zeros((len(self._loaded_buses), len(per_point)))
        np.add.at(summed, self._load_of_point, per_point.T)
        return summed.T

    def violations(self, flow: Flow) -> list[Violation]:
        """Every limit that a state breaks, by MTU, then buses, lines, transformers in the model's order."""
        voltage, loading = flow.voltage_micro, flow.loading_micro
        buses = [bus.code for bus in self.grid.buses]
        unsolved = np.flatnonzero(~flow.solved).tolist()
        found = [Violation(mtu, "grid", self.grid.code, "no_solution", 0, 0) for mtu in unsolved]
        solved = flow.solved[:, None]
        for name, broken, limits in (
            ("undervoltage", solved & (voltage < self.lowest_micro), self.lowest_micro),
            ("overvoltage", solved & (voltage > self.highest_micro), self.highest_micro),
        ):
            for mtu, bus in np.argwhere(broken).tolist():
                found.append(Violation(mtu, "bus", buses[bus], name, int(voltage[mtu, bus]), int(limits[bus])))
        for mtu, branch in np.argwhere(solved & (loading > LOADING_LIMIT_MICRO)).tolist():
            kind = "line" if branch < len(self.grid.lines) else "transformer"
            value = int(loading[mtu, branch])
            found.append(Violation(mtu, kind, self.branch_codes[branch], "loading", value, LOADING_LIMIT_MICRO))
        return sorted(found, key=lambda violation: violation.mtu)


def _input_data(grid: GridModel, buses: dict[str, int], loaded: Ints, load_ids: Any) -> dict[Any, Any]:
    """The grid as power-grid-model arrays: ids are buses, then lines, transformers, the source, the loads."""

    def table(kind: Any, columns: dict[str, Any], size: int) -> Any:
        array = pgm.initialize_array(pgm.DatasetType.input, kind, size)
        for name, values in columns.items():
            array[name] = values
        return array

    kinds, count = pgm.ComponentType, len(buses)
    lines, source_id = len(grid.lines), len(buses) + len(grid.lines) + len(grid.transformers)
    return {
        kinds.node: table(
            kinds.node, {"id": np.arange(count), "u_rated": [bus.nominal_v for bus in grid.buses]}, count
        ),
        kinds.line: table(kinds.line, {"id": np.arange(count, count + lines), **_line_columns(grid, buses)}, lines),
        kinds.transformer: table(
            kinds.transformer,
            {"id": np.arange(count + lines, source_id), **_transformer_columns(grid, buses)},
            len(grid.transformers),
        ),
        kinds.source: table(
            kinds.source,
            {
                "id": source_id,
                "node": buses[grid.source_bus],
                "status": 1,
                "u_ref": grid.source_micro_pu / MICRO,
                "sk": SOURCE_SHORT_CIRCUIT_VA,
            },
            1,
        ),
        kinds.sym_load: table(
            kinds.sym_load,
            {"id": load_ids, "node": loaded, "status": 1, "type": 0, "p_specified": 0.0, "q_specified": 0.0},
            len(loaded),
        ),
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
        "tap_min": -99,
        "tap_max": 99,
        "tap_size": [trafo.tap_size_v for trafo in trafos],
        "tap_nom": 0,
    }
