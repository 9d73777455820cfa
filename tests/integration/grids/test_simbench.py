"""Real grids: read in a process of its own, equal to pandapower, and bound only where PV is raised."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandapower
import pytest
import simbench

from clearing.program import MtuBook
from clearing.validation import validate_program
from grid.model import GridModel
from grid.powerflow import PowerFlow
from scripts.community.grids import PV_PERMILLE_HIGHEST, Community, load_community
from scripts.community.simbench_reader import _code, _grid, _Household, _households, _Network, _points

pytestmark = pytest.mark.integration

CODE = "1-LV-semiurb4--2-sw"
SUNNY_DAY = date(2016, 6, 21)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("grids")


@pytest.fixture(scope="module")
def community(cache: Path) -> Community:
    return load_community(grid_code=CODE, cache=cache)


def net_wh(community: Community) -> np.ndarray:
    profile = community.day_profile(SUNNY_DAY)
    return profile.load_wh - profile.generation_wh


def test_load_community__simbench_grid__households_and_profiles(community: Community, cache: Path) -> None:
    profile = community.day_profile(SUNNY_DAY)

    assert len(community.grid.points) >= 40
    assert profile.load_wh.min() >= 0
    assert profile.generation_wh.min() >= 0
    assert profile.load_wh.sum() > 0 < profile.generation_wh.sum()
    limits_wh = np.array([[point.import_w // 4, point.export_w // 4] for point in community.grid.points])
    assert (profile.load_wh.max(axis=1) <= limits_wh[:, 0]).all()
    assert (profile.generation_wh.max(axis=1) <= limits_wh[:, 1]).all()
    assert load_community(grid_code=CODE, cache=cache).grid == community.grid


TRAFO_LOADING_DIFFERENCE = 3e-5
"""Parts of the rating by which transformer loadings may differ: the two place the no-load current differently."""

STATES = ((1.0, 1), (-1.0, 2), (0.2, 3))
"""(mean power of all points together over the transformer's rating, + = import; seed of their differences)."""


@lru_cache(maxsize=1)
def converted(code: str) -> tuple[Any, _Network, list[_Household], GridModel]:
    """A simbench net, and our model of it."""
    net = simbench.get_simbench_net(code)
    # pandapower 3 ignores the tap position of a transformer whose tap changer has no type; simbench states none
    net.trafo["tap_changer_type"] = "Ratio"
    network = _Network(net)
    households = _households(network)
    return net, network, households, _grid(code, network, _points(network, households)[0])


def pandapower_state(code: str, flows_wh: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voltages (bus) and loadings of lines and transformers, in the order of our model, of one MTU's net schedules."""
    source, network, households, grid = converted(code)
    net = deepcopy(source)
    for kind in ("load", "sgen", "storage"):
        table = getattr(net, kind)
        table.drop(table.index, inplace=True)
    reactive_wh = np.maximum(flows_wh, 0) * grid.import_tan_phi_permille / 1000
    buses_of = [household.bus for household in households]
    pandapower.create_loads(net, buses_of, p_mw=flows_wh * 4e-6, q_mvar=reactive_wh * 4e-6)
    pandapower.runpp(net, tolerance_mva=1e-10, trafo_model="pi", trafo_loading="power", numba=False)
    buses = {network.bus_code(int(bus)): int(bus) for bus in net.bus.index if network.root(int(bus)) == int(bus)}
    lines = {_code(name): index for index, name in net.line.name.items()}
    trafos = {_code(name): index for index, name in net.trafo.name.items()}
    return (
        np.array([net.res_bus.vm_pu[buses[bus.code]] for bus in grid.buses]),
        np.array([net.res_line.loading_percent[lines[line.code]] / 100 for line in grid.lines]),
        np.array([net.res_trafo.loading_percent[trafos[trafo.code]] / 100 for trafo in grid.transformers]),
    )


def in_campaigns(code: str) -> Any:
    """Another grid like those of a usual run: reading one takes longer than comparing it."""
    return pytest.param(code, marks=pytest.mark.campaign)


@pytest.mark.parametrize(
    "code",
    [
        in_campaigns("1-LV-rural1--2-sw"),
        "1-LV-rural2--1-no_sw",
        in_campaigns("1-LV-rural3--2-sw"),
        in_campaigns("1-LV-semiurb5--0-no_sw"),
        "1-LV-urban6--2-sw",
        CODE,  # last: the next tests use it too
    ],
)
def test_power_flow__every_low_voltage_grid__equals_pandapower(code: str) -> None:
    grid = converted(code)[-1]
    power_flow, points = PowerFlow(grid), len(grid.points)
    mean_wh = sum(trafo.rated_va for trafo in grid.transformers) / points / 4

    for level, seed in STATES:
        flows_wh = (np.random.default_rng(seed).uniform(0.2, 1.6, points) * level * mean_wh).astype(np.int64)
        state = power_flow.run(flows_wh[None, :])
        voltage_pu, lines, trafos = pandapower_state(code, flows_wh)

        assert np.abs(state.voltage_pu[0] - voltage_pu).max() < 1e-6
        assert np.abs(state.loading[0, : len(lines)] - lines).max() < 1e-5
        assert np.abs(state.loading[0, len(lines) :] - trafos).max() < TRAFO_LOADING_DIFFERENCE


@pytest.mark.parametrize("pv_permille", [1_000, 3_000])
def test_power_flow__real_day_and_night__equals_pandapower(cache: Path, pv_permille: int) -> None:
    community = load_community(grid_code=CODE, cache=cache, pv_permille=pv_permille)
    flows = net_wh(community).T[[4, 52, 80]]
    state = PowerFlow(community.grid).run(flows)

    for at, flow in enumerate(flows):
        voltage_pu, lines, trafos = pandapower_state(CODE, flow)
        assert np.abs(state.voltage_pu[at] - voltage_pu).max() < 1e-6
        assert np.abs(state.loading[at, : len(lines)] - lines).max() < 1e-5
        assert np.abs(state.loading[at, len(lines) :] - trafos).max() < TRAFO_LOADING_DIFFERENCE


def test_validate_program__far_beyond_any_solution__no_mtu_is_given_up(cache: Path) -> None:
    community = load_community(grid_code=CODE, cache=cache, pv_permille=PV_PERMILLE_HIGHEST)
    mtus = community.day_profile(SUNNY_DAY).mtus
    schedules = net_wh(community)

    result = validate_program(
        books=[MtuBook.from_orders([]) for _ in mtus],
        schedules_wh=schedules,
        power_flow=PowerFlow(community.grid),
        first_mtu=mtus.first,
        lot_wh=10,
    )

    entries = result.report["mtus"]
    assert any(found["quantity"] == "no_solution" for entry in entries for found in entry["findings"])
    assert not any(entry["given_up"] for entry in entries)
    assert all(entry["binding"] for entry in entries if entry["capped_points"])
    assert 980 < max(entry["loading_permille"] for entry in entries) <= 1_000


@pytest.mark.parametrize(("pv_permille", "binds"), [(1_000, False), (3_000, True)])
def test_validate_program__real_day__binds_only_with_raised_pv(cache: Path, pv_permille: int, binds: bool) -> None:
    community = load_community(grid_code=CODE, cache=cache, pv_permille=pv_permille)
    schedules = net_wh(community)
    mtus = community.day_profile(SUNNY_DAY).mtus

    result = validate_program(
        books=[MtuBook.from_orders([]) for _ in mtus],
        schedules_wh=schedules,
        power_flow=PowerFlow(community.grid),
        first_mtu=mtus.first,
        lot_wh=10,
    )

    assert bool(result.envelopes) == binds
    capped = schedules.copy()
    for point, envelopes in result.envelopes.items():
        for mtu, envelope in envelopes.items():
            capped[point, mtu - mtus.first] = -(envelope.export_wh or 0)
    power_flow = PowerFlow(community.grid)
    assert power_flow.broken_limits(power_flow.run(capped.T)) == {}
