"""Reads one simbench grid and its year of profiles and writes them as plain files: run as a short-lived process.

`python -m scripts.community.simbench_reader CODE FOLDER` ends with 0, or with 1 and one JSON line
`{"error": …, "detail": …}` on standard output. simbench, pandapower and pandas (0.7 GB while reading) are imported
nowhere else in the product.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from grid.model import (
    MICRO,
    NANO,
    VOLTAGE_HIGHEST_MICRO,
    VOLTAGE_LOWEST_MICRO,
    Bus,
    GridModel,
    Line,
    Point,
    Transformer,
)

HEADROOM_PERCENT = 150
"""Connection power over the sum of ratings: room for the difference between a profile's peak and a real one."""

MWH_PER_MW_MTU = 250_000_000
"""mWh (thousandths of a Wh) in one MTU at one MW."""


class ReaderFailed(Exception):
    """Reading went wrong for a reason the caller can name: `error` is unknown-grid or missing-profile."""

    def __init__(self, error: str, detail: str) -> None:
        self.error, self.detail = error, detail
        super().__init__(detail)


def _code(name: object) -> str:
    return str(name).strip().replace(" ", "-")


def _scaled(value: float, scale: float) -> int:
    return round(float(value) * scale)


class _Network:
    """A pandapower net with its closed bus-bus switches merged and its open branch ends noted."""

    def __init__(self, net: Any) -> None:
        self.net = net
        self._parent = {int(bus): int(bus) for bus in net.bus.index}
        self.open_ends: set[tuple[str, int, int]] = set()
        for switch in net.switch.itertuples():
            if switch.et == "b" and switch.closed:
                self._parent[self.root(int(switch.bus))] = self.root(int(switch.element))
            elif switch.et in ("l", "t") and not switch.closed:
                self.open_ends.add((switch.et, int(switch.element), int(switch.bus)))
        self.energised = self._reachable()

    def root(self, bus: int) -> int:
        while self._parent[bus] != bus:
            bus = self._parent[bus]
        return bus

    def bus_code(self, bus: int) -> str:
        return _code(self.net.bus.name[self.root(int(bus))])

    def _branches(self) -> list[tuple[int, int]]:
        net, pairs = self.net, []
        for kind, table, ends in (("l", net.line, ("from_bus", "to_bus")), ("t", net.trafo, ("hv_bus", "lv_bus"))):
            for index, branch in table.iterrows():
                first, last = int(branch[ends[0]]), int(branch[ends[1]])
                opened = {(kind, int(index), first), (kind, int(index), last)} & self.open_ends
                if branch.in_service and not opened:
                    pairs.append((self.root(first), self.root(last)))
        return pairs

    def _reachable(self) -> set[int]:
        neighbours: dict[int, set[int]] = defaultdict(set)
        for first, last in self._branches():
            neighbours[first].add(last)
            neighbours[last].add(first)
        todo = [self.root(int(self.net.ext_grid.bus.iloc[0]))]
        seen = set(todo)
        while todo:
            fresh = neighbours[todo.pop()] - seen
            seen |= fresh
            todo.extend(fresh)
        return seen

    def supplied(self, bus: int) -> bool:
        return self.root(int(bus)) in self.energised


def _limit_micro(value: float, fallback: int) -> int:
    return fallback if value != value else _scaled(value, MICRO)  # NaN differs from itself


def _buses(network: _Network) -> list[Bus]:
    table = network.net.bus
    return [
        Bus(
            code=_code(bus["name"]),
            nominal_v=_scaled(bus.vn_kv, 1000),
            lowest_micro_pu=_limit_micro(bus.get("min_vm_pu", np.nan), VOLTAGE_LOWEST_MICRO),
            highest_micro_pu=_limit_micro(bus.get("max_vm_pu", np.nan), VOLTAGE_HIGHEST_MICRO),
        )
        for index, bus in table.iterrows()
        if network.root(int(index)) == int(index) and network.supplied(int(index))
    ]


def _lines(network: _Network) -> list[Line]:
    lines = []
    for index, line in network.net.line.iterrows():
        first, last, parallel = int(line.from_bus), int(line.to_bus), int(line.parallel)
        if not line.in_service or not network.supplied(first) or not network.supplied(last):
            continue
        lines.append(
            Line(
                code=_code(line["name"]),
                from_bus=network.bus_code(first),
                to_bus=network.bus_code(last),
                resistance_nohm=_scaled(line.r_ohm_per_km * line.length_km / parallel, NANO),
                reactance_nohm=_scaled(line.x_ohm_per_km * line.length_km / parallel, NANO),
                capacitance_pf=_scaled(line.c_nf_per_km * line.length_km * parallel, 1000),
                limit_ma=_scaled(line.max_i_ka * line.df * parallel, MICRO),
                from_closed=("l", int(index), first) not in network.open_ends,
                to_closed=("l", int(index), last) not in network.open_ends,
            )
        )
    return lines


def _transformers(network: _Network) -> list[Transformer]:
    trafos = []
    for index, trafo in network.net.trafo.iterrows():
        ends = (int(trafo.hv_bus), int(trafo.lv_bus))
        if not trafo.in_service or any(("t", int(index), bus) in network.open_ends for bus in ends):
            continue
        steps = trafo.tap_pos - trafo.tap_neutral
        trafos.append(
            Transformer(
                code=_code(trafo["name"]),
                upper_bus=network.bus_code(ends[0]),
                lower_bus=network.bus_code(ends[1]),
                upper_v=_scaled(trafo.vn_hv_kv, 1000),
                lower_v=_scaled(trafo.vn_lv_kv, 1000),
                rated_va=_scaled(trafo.sn_mva * trafo.parallel, MICRO),
                short_circuit_micro=_scaled(trafo.vk_percent / 100, MICRO),
                copper_loss_mw=_scaled(trafo.vkr_percent / 100 * trafo.sn_mva * trafo.parallel, MICRO * 1000),
                no_load_micro=_scaled(trafo.i0_percent / 100, MICRO),
                iron_loss_mw=_scaled(trafo.pfe_kw * trafo.parallel, MICRO),
                clock=_scaled(trafo.shift_degree / 30, 1) % 12,
                tap_position=0 if steps != steps else int(steps),
                tap_size_v=_scaled(trafo.vn_hv_kv * trafo.tap_step_percent / 100, 1000),
            )
        )
    return trafos


class _Household:
    """A load with the generators and storage given to it, by row number of their tables."""

    def __init__(self, code: str, bus: int, load: int | None) -> None:
        self.code, self.bus, self.load = code, bus, load
        self.generators: list[int] = []
        self.storages: list[int] = []


def _households(network: _Network) -> list[_Household]:
    """One household per load; each generator and storage goes to a load of its bus, in turn.

    A storage whose profile names a load profile (Storage_PV5_H0-A) goes to such a load. A generator or storage at a
    bus without a load is a point of its own.
    """
    net = network.net
    at_bus: dict[int, list[_Household]] = defaultdict(list)
    households = []
    for index, load in net.load.iterrows():
        if load.in_service and network.supplied(load.bus):
            household = _Household(_code(load["name"]), int(load.bus), int(index))
            households.append(household)
            at_bus[network.root(household.bus)].append(household)
    for table, attribute in ((net.storage, "storages"), (net.sgen, "generators")):
        for index, unit in table.iterrows():
            if not unit.in_service or not network.supplied(unit.bus):
                continue
            here = at_bus[network.root(int(unit.bus))]
            wanted = [
                h for h in here if h.load is not None and str(unit.profile).endswith(str(net.load.profile[h.load]))
            ]
            if attribute == "generators":  # beside its storage, where there is one
                wanted = [h for h in here if h.storages]
            if not here:
                here.append(_Household(_code(unit["name"]), int(unit.bus), None))
                households.append(here[0])
            chosen = min(wanted or here, key=lambda household: len(getattr(household, attribute)))
            getattr(chosen, attribute).append(int(index))
    return households


def _points(network: _Network, households: list[_Household]) -> tuple[list[Point], list[int]]:
    """Points without export, and the export power of each at PV factor 1, which scales with the factor (W)."""
    net, points, scaled_w = network.net, [], []
    for household in households:
        loads = 0.0 if household.load is None else float(net.load.sn_mva[household.load])
        stored = float(net.storage.sn_mva[household.storages].sum())
        generated = float(net.sgen.sn_mva[household.generators].sum())
        watts = [_scaled(mva, MICRO) * HEADROOM_PERCENT // 100 for mva in (loads + stored, generated + stored)]
        points.append(Point(household.code, network.bus_code(household.bus), watts[0], 0))
        scaled_w.append(watts[1])
    return points, scaled_w


def _profiles(simbench: Any, net: Any, households: list[_Household]) -> dict[str, Any]:
    """Energy per MTU (rows) and point in mWh: load (with charging), and generation at PV factor 1 (with discharging).

    The storages of simbench are PV systems with a battery: their one profile is the output of both together.
    """
    try:
        absolute = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
        power = {kind: table.to_numpy() for (kind, quantity), table in absolute.items() if quantity == "p_mw"}
        columns = {kind: {int(i): at for at, i in enumerate(getattr(net, kind).index)} for kind in power}
        load = np.zeros((len(power["load"]), len(households)))
        generation = np.zeros_like(load)
        for at, household in enumerate(households):
            if household.load is not None:
                load[:, at] += power["load"][:, columns["load"][household.load]]
            for unit in household.generators:
                generation[:, at] += power["sgen"][:, columns["sgen"][unit]]
            for unit in household.storages:
                drawn = power["storage"][:, columns["storage"][unit]]
                load[:, at] += np.maximum(drawn, 0)
                generation[:, at] += np.maximum(-drawn, 0)
    except (KeyError, ValueError) as error:
        raise ReaderFailed("missing-profile", str(error)) from error
    if not (np.isfinite(load).all() and np.isfinite(generation).all()):
        raise ReaderFailed("missing-profile", "a profile has gaps")
    # some profiles fall below zero by less than 0.1 W, which is rounding of the source
    return {
        name: np.rint(np.maximum(table, 0) * MWH_PER_MW_MTU).astype(np.int32)
        for name, table in (("load", load), ("generation", generation))
    }


def _grid(code: str, network: _Network, points: list[Point]) -> GridModel:
    """The supplied part of a net. Transformers are pi models, loaded by apparent power over rating (S / Sn), as
    power-grid-model has them; tap changers are ratio changers, which all of simbench's are."""
    net = network.net
    return GridModel(
        code=code,
        source_bus=network.bus_code(net.ext_grid.bus.iloc[0]),
        source_micro_pu=_scaled(net.ext_grid.vm_pu.iloc[0], MICRO),
        buses=tuple(_buses(network)),
        lines=tuple(_lines(network)),
        transformers=tuple(_transformers(network)),
        points=tuple(points),
        frequency_hz=_scaled(net.f_hz, 1),
    )


def read(code: str, folder: Path) -> None:
    """Write `community.json` and one `.npy` per profile table to an existing folder. Raises ReaderFailed."""
    import simbench

    if code not in simbench.collect_all_simbench_codes() or not code.startswith("1-LV-"):
        raise ReaderFailed("unknown-grid", code)
    net = simbench.get_simbench_net(code)
    network = _Network(net)
    households = _households(network)
    points, scaled_w = _points(network, households)
    grid = _grid(code, network, points)
    for name, table in _profiles(simbench, net, households).items():
        np.save(folder / f"{name}.npy", table)
    body = {"grid": json.loads(grid.to_json()), "scaled_export_w": scaled_w}
    (folder / "community.json").write_text(json.dumps(body))


def main(arguments: list[str]) -> int:
    """Entry point of the process: code and folder as arguments."""
    try:
        read(arguments[0], Path(arguments[1]))
    except ReaderFailed as failure:
        print(json.dumps({"error": failure.error, "detail": failure.detail}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
