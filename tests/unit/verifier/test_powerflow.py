"""The power flow that the verifier computes: the same states as the service, and reports that tell others are found."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearing.program import MtuBook
from clearing.validation import validate_program
from grid import powerflow
from tests.grids import document, street
from tests.unit.verifier.small_day import Erased
from tests.unit.verifier.test_small_day import messages
from verifier import powerflow as recomputed
from verifier.command import main
from verifier.powerflow import PowerFlow, check_states, flow_wh
from verifier.report import ProgramReport, ReportedMtu
from verifier.verdict import USAGE, WRONG, Report
from verifier.verify import verify

pytestmark = pytest.mark.unit

POINTS = ("p1", "p2", "p3")
GRID = street(POINTS)
FIRST = 1_900_000

SCHEDULES_WH = np.array([[500, -2_000, -21_000, 20_000], [0, -700, -21_000, 18_000], [90, 0, -21_000, 19_000]])
"""By point and MTU: two quiet ones, more sun and more load than the transformer carries."""


@pytest.fixture(scope="module")
def program() -> tuple[list[ReportedMtu], dict[int, dict[str, int]]]:
    """What is reported of a program without orders, and what flows under its caps."""
    validated = validate_program(
        books=[MtuBook.from_orders([]) for _ in range(4)],
        schedules_wh=SCHEDULES_WH,
        power_flow=powerflow.PowerFlow(GRID),
        first_mtu=FIRST,
        lot_wh=10,
    )
    report = ProgramReport.read(validated.report)
    flows = {}
    for at, mtu in enumerate(validated.results):
        caps = {point: (cap.import_wh, cap.export_wh) for point, cap in mtu.envelopes.items()}
        flows[mtu.mtu] = {
            code: flow_wh(int(SCHEDULES_WH[point, at]), 0, caps.get(point, (None, None)))
            for point, code in enumerate(POINTS)
        }
    return list(report.mtus), flows


def found(told: list[ReportedMtu], flows: dict[int, dict[str, int]]) -> list[str]:
    """The findings on what is told."""
    report = Report(anchored=False, chain_asked=False)
    check_states(report, PowerFlow(), document(GRID), told, flows)
    return [item.field or item.found for item in report.findings]


def test_states__any_flows__are_those_of_the_service() -> None:
    flows_wh = np.random.default_rng(5).integers(-20_000, 20_000, (40, len(POINTS)))
    service = powerflow.PowerFlow(GRID).run(flows_wh)

    states = PowerFlow().states(document(GRID), [dict(zip(POINTS, row, strict=True)) for row in flows_wh.tolist()])

    assert [list(state.voltage_micro.values()) for state in states if state] == service.voltage_micro.tolist()
    assert [list(state.loading_micro.values()) for state in states if state] == service.loading_micro.tolist()


def test_states__no_solution__is_none() -> None:
    (state,) = PowerFlow().states(document(GRID), [dict.fromkeys(POINTS, 10**8)])

    assert state is None


def test_check_states__as_validated__finds_nothing(
    program: tuple[list[ReportedMtu], dict[int, dict[str, int]]],
) -> None:
    told, flows = program

    assert found(told, flows) == []
    assert [item.capped_points > 0 for item in told] == [False, False, True, True]


CHANGES: dict[str, Callable[[ReportedMtu], dict[str, Any]]] = {
    "voltage_lowest_micro_pu": lambda told: {"voltage_lowest_micro_pu": told.voltage_lowest_micro_pu + 100},
    "voltage_highest_micro_pu": lambda told: {"voltage_highest_micro_pu": told.voltage_highest_micro_pu - 100},
    "voltage of voltage_lowest_bus": lambda told: {"voltage_lowest_bus": told.voltage_highest_bus},
    "voltage of voltage_highest_bus": lambda told: {"voltage_highest_bus": told.voltage_lowest_bus},
    "loading_permille": lambda told: {"loading_permille": told.loading_permille - 2},
    "loading of loading_element": lambda told: {
        "loading_element": "cable" if told.loading_element == "trafo" else "trafo"
    },
}


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("name", CHANGES)
def test_check_states__told_otherwise__is_found(
    name: str, at: int, program: tuple[list[ReportedMtu], dict[int, dict[str, int]]]
) -> None:
    told, flows = program
    other = dataclasses.replace(told[at], **CHANGES[name](told[at]))

    assert name in found([*told[:at], other, *told[at + 1 :]], flows)


def test_check_states__more_flows_than_the_caps_let__is_found(
    program: tuple[list[ReportedMtu], dict[int, dict[str, int]]],
) -> None:
    told, flows = program

    assert found(told, flows | {FIRST + 2: dict.fromkeys(POINTS, -21_000)})


def test_verify__report_that_nobody_computed__is_found_with_the_grid_alone() -> None:
    day = Erased().run()

    without, computed = (verify(day.auditor(), power_flow=flow) for flow in (None, PowerFlow()))

    assert messages(without) == ""
    assert (computed.exit_code, computed.totals.power_flows) == (WRONG, 0)


def test_verify__bundle_that_opens_no_schedules__says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name, data in Erased().run().public().items():
        (tmp_path / name).write_bytes(data)

    main([str(tmp_path), "--grid"])

    assert "only an auditor's bundle opens the schedules it needs" in capsys.readouterr().out


def test_main__no_solver_installed__one_line_and_exit_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def lacking(name: str) -> Any:
        if name == "power_grid_model":
            raise ImportError(f"No module named {name!r}")
        return import_module(name)

    monkeypatch.setattr(recomputed, "import_module", lacking)

    assert main([str(tmp_path), "--grid", "--json"]) == USAGE
    assert "power-grid-model" in json.loads(capsys.readouterr().err)["error"]
