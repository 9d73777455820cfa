"""The power flow of a program, computed once more from the grid model: voltages and loadings under its caps.

Needs numpy and power-grid-model beside what the rest of the verifier needs; `--grid` asks for it. Sources:
docs/protocol.md section 3 ("Report"), docs/evidence.md section 3 ("program").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from verifier.form import Json
from verifier.report import ReportedMtu
from verifier.verdict import Report, Unusable

MTUS_PER_HOUR = 4
MICRO, NANO, PICO = 1_000_000, 10**9, 10**12

SOURCE_SHORT_CIRCUIT_VA = 1e16
"""The source holds its voltage (protocol.md section 3, "Report")."""

TAP_HIGHEST = 99
ERROR_TOLERANCE = 1e-9

VOLTAGE_DIFFERENCE_MICRO, LOADING_DIFFERENCE_MICRO = 2, 20
"""By how much two versions of a solver may differ, each rounded to its last place."""


@dataclass(frozen=True, slots=True)
class GridState:
    """The grid in one MTU: voltages by bus and loadings by line or transformer, 1e-6 of nominal and of the rating."""

    voltage_micro: dict[str, int]
    loading_micro: dict[str, int]


class PowerFlow:
    """Computes states of grids. Raises Unusable where what it needs is not installed."""

    def __init__(self) -> None:
        try:
            self._np: Any = import_module("numpy")
            self._pgm: Any = import_module("power_grid_model")
        except ImportError as error:
            reason = f"--grid needs numpy and power-grid-model ({error}); install both beside the verifier"
            raise Unusable(reason) from error

    def states(self, grid: Json, net_wh: Sequence[dict[str, int]]) -> list[GridState | None]:
        """The state under each set of net energies of an MTU by point, + = import; None where there is no solution.

        Raises KeyError and ValueError for a grid model that is none.
        """
        np, pgm = self._np, self._pgm
        place = {bus["code"]: at for at, bus in enumerate(grid["buses"])}
        branches = [item["code"] for item in (*grid["lines"], *grid["transformers"])]
        loads = np.arange(len(place)) + len(place) + len(branches) + 1  # one at each bus
        active = np.zeros((len(net_wh), len(place)))
        drawn = np.zeros((len(net_wh), len(place)))
        for row, flows in enumerate(net_wh):
            for point in grid["points"]:
                watts = flows[point["code"]] * MTUS_PER_HOUR
                active[row, place[point["bus"]]] += watts
                drawn[row, place[point["bus"]]] += max(watts, 0)
        update = pgm.initialize_array("update", "sym_load", active.shape)
        update["id"], update["p_specified"] = loads, active
        update["q_specified"] = drawn * grid["import_tan_phi_permille"] / 1_000
        try:
            model = pgm.PowerGridModel(self._arrays(grid, place, loads), system_frequency=grid["frequency_hz"])
            output = model.calculate_power_flow(
                update_data={"sym_load": update}, error_tolerance=ERROR_TOLERANCE, continue_on_batch_error=True
            )
        except pgm.errors.PowerGridError as error:
            raise ValueError(f"the grid model has no power flow: {error}") from error
        failed = set() if model.batch_error is None else set(model.batch_error.failed_scenarios.tolist())
        kinds = [kind for kind in ("line", "transformer") if kind in output]
        loading = np.concatenate([np.zeros((len(net_wh), 0)), *(output[kind]["loading"] for kind in kinds)], axis=1)
        return [
            None if at in failed else self._state(place, branches, output["node"]["u_pu"][at], loading[at])
            for at in range(len(net_wh))
        ]

    def _state(self, place: dict[str, int], branches: list[str], voltage: Any, loading: Any) -> GridState | None:
        np = self._np
        if not (np.isfinite(voltage).all() and np.isfinite(loading).all()):
            return None
        volts, loads = (np.rint(values * MICRO).astype(int).tolist() for values in (voltage, loading))
        return GridState(dict(zip(place, volts, strict=True)), dict(zip(branches, loads, strict=True)))

    def _arrays(self, grid: Json, place: dict[str, int], loads: Any) -> dict[str, Any]:
        """The model's arrays: ids count buses, lines, transformers, the source, loads."""
        lines, trafos = grid["lines"], grid["transformers"]
        first_line, first_trafo = len(place), len(place) + len(lines)
        columns: dict[str, tuple[int, dict[str, Any]]] = {
            "node": (len(place), {"id": range(len(place)), "u_rated": [bus["nominal_v"] for bus in grid["buses"]]}),
            "line": (len(lines), {"id": range(first_line, first_trafo), **_lines(lines, place)}),
            "transformer": (
                len(trafos),
                {"id": range(first_trafo, first_trafo + len(trafos)), **_transformers(trafos, place)},
            ),
            "source": (1, _source(grid, place, first_trafo + len(trafos))),
            "sym_load": (
                len(loads),
                {"id": loads, "node": range(len(place)), "status": 1, "type": 0, "p_specified": 0, "q_specified": 0},
            ),
        }
        arrays = {}
        for kind, (count, values) in columns.items():
            arrays[kind] = self._pgm.initialize_array("input", kind, count)
            for name, column in values.items():
                arrays[kind][name] = column
        return arrays


def _source(grid: Json, place: dict[str, int], number: int) -> dict[str, Any]:
    held = grid["source_micro_pu"] / MICRO
    return {"id": number, "node": place[grid["source_bus"]], "status": 1, "u_ref": held, "sk": SOURCE_SHORT_CIRCUIT_VA}


def _lines(lines: Sequence[Json], place: dict[str, int]) -> dict[str, Any]:
    return {
        "from_node": [place[line["from_bus"]] for line in lines],
        "to_node": [place[line["to_bus"]] for line in lines],
        "from_status": [line["from_closed"] for line in lines],
        "to_status": [line["to_closed"] for line in lines],
        "r1": [line["resistance_nohm"] / NANO for line in lines],
        "x1": [line["reactance_nohm"] / NANO for line in lines],
        "c1": [line["capacitance_pf"] / PICO for line in lines],
        "tan1": 0,
        "i_n": [line["limit_ma"] / 1_000 for line in lines],
    }


def _transformers(trafos: Sequence[Json], place: dict[str, int]) -> dict[str, Any]:
    """The upper side is the one that is tapped."""
    return {
        "from_node": [place[item["upper_bus"]] for item in trafos],
        "to_node": [place[item["lower_bus"]] for item in trafos],
        "from_status": 1,
        "to_status": 1,
        "u1": [item["upper_v"] for item in trafos],
        "u2": [item["lower_v"] for item in trafos],
        "sn": [item["rated_va"] for item in trafos],
        "uk": [item["short_circuit_micro"] / MICRO for item in trafos],
        "pk": [item["copper_loss_mw"] / 1_000 for item in trafos],
        "i0": [item["no_load_micro"] / MICRO for item in trafos],
        "p0": [item["iron_loss_mw"] / 1_000 for item in trafos],
        "winding_from": 2,
        "winding_to": 1,
        "clock": [item["clock"] for item in trafos],
        "tap_side": 0,
        "tap_pos": [item["tap_position"] for item in trafos],
        "tap_min": -TAP_HIGHEST,
        "tap_max": TAP_HIGHEST,
        "tap_size": [item["tap_size_v"] for item in trafos],
        "tap_nom": 0,
    }


def flow_wh(scheduled_wh: int, sold_wh: int, caps: tuple[int | None, int | None]) -> int:
    """What flows at a point, + = import: its schedule, at least what it sold, within its caps of import and export."""
    net_wh = min(scheduled_wh, -sold_wh) if sold_wh > 0 else scheduled_wh
    most, least = caps
    net_wh = net_wh if most is None else min(net_wh, most)
    return net_wh if least is None else max(net_wh, -least)


def check_states(
    report: Report,
    power_flow: PowerFlow,
    grid_model: Json,
    told: Sequence[ReportedMtu],
    net_wh: Mapping[int, dict[str, int]],
) -> None:
    """The states that are reported of MTUs are those under what flows, Wh by MTU and point."""
    states = dict(zip(net_wh, power_flow.states(grid_model, list(net_wh.values())), strict=True))
    for item in told:
        if item.mtu in states:
            with report.part(f"power flow of MTU {item.mtu}"):
                _check_state(report, item, states[item.mtu])
    report.totals.power_flows += len(states)


def _check_state(report: Report, told: ReportedMtu, state: GridState | None) -> None:
    """What is reported of an MTU is the state of its grid, under caps that hold every limit unless it was given up."""
    if state is None:
        report.none("power flow without a solution", [] if told.given_up else [f"MTU {told.mtu}"])
        return
    volts, loads = state.voltage_micro, state.loading_micro
    low, high = told.voltage_lowest_micro_pu, told.voltage_highest_micro_pu
    compared = (
        ("voltage_lowest_micro_pu", low, min(volts.values())),
        ("voltage of voltage_lowest_bus", low, volts[told.voltage_lowest_bus]),
        ("voltage_highest_micro_pu", high, max(volts.values())),
        ("voltage of voltage_highest_bus", high, volts[told.voltage_highest_bus]),
    )
    for name, reported, found in compared:
        if abs(reported - found) > VOLTAGE_DIFFERENCE_MICRO:
            report.fail(reported, name=name, source="the power flow gives", expected=found)
    loaded = (("loading_permille", max(loads.values())), ("loading of loading_element", loads[told.loading_element]))
    for name, found in loaded:
        lowest, highest = _permille(found - LOADING_DIFFERENCE_MICRO), _permille(found + LOADING_DIFFERENCE_MICRO)
        if not lowest <= told.loading_permille <= highest:
            report.fail(told.loading_permille, name=name, source="the power flow gives", expected=highest)


def _permille(loading_micro: int) -> int:
    """Rounded up, as reports tell it."""
    return -(-loading_micro // 1_000)
