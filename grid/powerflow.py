"""AC power flow of net schedules: one power-grid-model batch per program, and what it finds beyond the limits.

Values leave here as whole numbers (1e-6 of nominal voltage or of rated loading), and limits are compared on those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from power_grid_model.errors import PowerGridError  # type: ignore[attr-defined]  # re-exported without saying so

from domain.errors import DominoesError
from domain.units import MTUS_PER_HOUR
from grid.limits import LOADING_LIMIT_MICRO, LimitValue, branch_limits, bus_limits, no_solution
from grid.model import MICRO, GridModel
from grid.network import grid_arrays, pgm

ERROR_TOLERANCE = 1e-9
"""Convergence of the Newton-Raphson power flow, in pu."""

POWER_FLOW_THREADS = 1
"""Threads of one batch: one, since the service has other work for the other cores; the result does not depend on it."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class GridUnsolvable(DominoesError):
    """The power flow has no solution of this grid even while nothing flows: no schedule could ever be validated."""

    code = "grid-unsolvable"
    remedy = "Check sources, impedances and tap positions of the grid model: it has no solution even without load."

    def __init__(self, *, grid: str, reason: str) -> None:
        self.grid, self.reason = grid, reason
        super().__init__(f"the power flow of grid {grid} cannot be calculated ({reason}); correct the grid model")


@dataclass(frozen=True, slots=True)
class GridStates:
    """The grid under several schedules: voltages in pu (schedule × bus), loadings as fractions of the rating
    (schedule × lines, then transformers), and whether the power flow has a solution."""

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

    def part(self, rows: slice) -> GridStates:
        """The states of some of the schedules."""
        return GridStates(self.voltage_pu[rows], self.loading[rows], self.solved[rows])

    def replace(self, rows: list[int], other: GridStates) -> None:
        """Put other states in the place of these rows."""
        self.voltage_pu[rows], self.loading[rows], self.solved[rows] = other.voltage_pu, other.loading, other.solved


def _micro(values: Floats, solved: NDArray[np.bool_]) -> Ints:
    whole: Ints = np.rint(np.where(solved[:, None], values, 0.0) * MICRO).astype(np.int64)
    return whole


class PowerFlow:
    """The power-flow model of one grid, built once and run for many schedules.

    Raises GridUnsolvable where the grid has no finite state while nothing flows: so whoever holds one can solve it.
    """

    def __init__(self, grid: GridModel) -> None:
        self.grid = grid
        buses = {bus.code: index for index, bus in enumerate(grid.buses)}
        self.point_bus = np.array([buses[point.bus] for point in grid.points], dtype=np.int64)
        self.branch_codes = (*(line.code for line in grid.lines), *(trafo.code for trafo in grid.transformers))
        self.bus_limits, self.branch_limits = tuple(bus_limits(grid)), tuple(branch_limits(grid))
        self._lowest_micro = np.array([lowest.limit_micro for _, lowest in self.bus_limits], dtype=np.int64)
        self._highest_micro = np.array([highest.limit_micro for highest, _ in self.bus_limits], dtype=np.int64)
        self._loaded_buses, self._load_of_point = np.unique(self.point_bus, return_inverse=True)
        arrays, self._load_ids = grid_arrays(grid, self._loaded_buses)
        try:
            self._model: Any = pgm.PowerGridModel(arrays, system_frequency=grid.frequency_hz)
            unloaded = self.run(np.zeros((1, len(grid.points)), dtype=np.int64))
        except PowerGridError as error:
            raise GridUnsolvable(grid=grid.code, reason=str(error)) from error
        if not unloaded.solved[0]:
            raise GridUnsolvable(grid=grid.code, reason="no solution while nothing flows")

    def run(self, net_wh: Ints) -> GridStates:
        """The states under net schedules (schedule × point, Wh of one MTU, + = import)."""
        return self.run_watts(net_wh * MTUS_PER_HOUR)

    def run_watts(self, net_w: NDArray[Any]) -> GridStates:
        """The states under net powers (schedule × point, W, + = import). A value that is not finite is no solution."""
        count = len(net_w)
        update = pgm.initialize_array(pgm.DatasetType.update, pgm.ComponentType.sym_load, (count, len(self._load_ids)))
        update["id"] = self._load_ids
        update["p_specified"] = self._per_bus(net_w)
        update["q_specified"] = self._per_bus(np.maximum(net_w, 0)) * (self.grid.import_tan_phi_permille / 1000)
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
        voltage_pu = output[pgm.ComponentType.node]["u_pu"]
        # What a grid has none of is not in the output.
        kinds = [kind for kind in (pgm.ComponentType.line, pgm.ComponentType.transformer) if kind in output]
        loading = np.concatenate([np.zeros((count, 0)), *(output[kind]["loading"] for kind in kinds)], axis=1)
        solved = np.isfinite(voltage_pu).all(axis=1) & np.isfinite(loading).all(axis=1)
        failure = self._model.batch_error
        if failure is not None:
            solved[failure.failed_scenarios] = False
        return GridStates(voltage_pu, loading, solved)

    def no_states(self) -> GridStates:
        """The states under no schedule at all."""
        shape = (0, len(self.grid.buses)), (0, len(self.branch_codes))
        return GridStates(np.zeros(shape[0]), np.zeros(shape[1]), np.zeros(0, dtype=np.bool_))

    def _per_bus(self, per_point: NDArray[Any]) -> Floats:
        summed = np.zeros((len(self._loaded_buses), len(per_point)))
        np.add.at(summed, self._load_of_point, per_point.T)
        return summed.T

    def broken_limits(self, states: GridStates) -> dict[int, list[LimitValue]]:
        """The limits that states break, by the number of the schedule; a schedule that breaks none has no entry.

        Lowest voltages first, then highest, then lines and transformers, each in the model's order.
        """
        broken: dict[int, list[LimitValue]] = {}
        for at in np.flatnonzero(~states.solved).tolist():
            broken[at] = [no_solution(self.grid)]
        solved = states.solved[:, None]
        voltage, loading = states.voltage_micro, states.loading_micro
        for at, bus in np.argwhere(solved & (voltage < self._lowest_micro)).tolist():
            broken.setdefault(at, []).append(LimitValue(self.bus_limits[bus][1], int(voltage[at, bus])))
        for at, bus in np.argwhere(solved & (voltage > self._highest_micro)).tolist():
            broken.setdefault(at, []).append(LimitValue(self.bus_limits[bus][0], int(voltage[at, bus])))
        for at, branch in np.argwhere(solved & (loading > LOADING_LIMIT_MICRO)).tolist():
            broken.setdefault(at, []).append(LimitValue(self.branch_limits[branch], int(loading[at, branch])))
        return dict(sorted(broken.items()))
