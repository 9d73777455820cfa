"""The grid model's JSON and hash."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from grid.checks import BadGrid
from grid.model import Bus, GridModel, Line, Point, Transformer

pytestmark = pytest.mark.unit


def test_from_json__what_to_json_wrote__same_model_and_hash(street: GridModel) -> None:
    again = GridModel.from_json(street.to_json())

    assert again == street
    assert again.grid_model_hash == street.grid_model_hash


def test_grid_model_hash__one_limit_changed__differs(street: GridModel) -> None:
    weaker = replace(street, lines=(replace(street.lines[0], limit_ma=139_999),))

    assert weaker.grid_model_hash != street.grid_model_hash


def test_grid_model__point_at_unknown_bus__is_refused(street: GridModel) -> None:
    with pytest.raises(BadGrid) as caught:
        replace(street, points=(Point("P", "nowhere", 1, 1),))

    assert caught.value.element == "P"


def test_grid_model__two_points_of_one_code__is_refused(street: GridModel) -> None:
    with pytest.raises(BadGrid):
        replace(street, points=(street.points[0], street.points[0]))


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"schema":"other"}', b'{"schema":"dominoes-grid-1"}'])
def test_from_json__not_a_grid__is_refused(text: bytes) -> None:
    with pytest.raises(BadGrid):
        GridModel.from_json(text)


def with_line(**changes: Any) -> Callable[[GridModel], GridModel]:
    return lambda street: replace(street, lines=(replace(street.lines[0], **changes),))


def with_transformer(**changes: Any) -> Callable[[GridModel], GridModel]:
    return lambda street: replace(street, transformers=(replace(street.transformers[0], **changes),))


def with_bus(**changes: Any) -> Callable[[GridModel], GridModel]:
    return lambda street: replace(street, buses=(*street.buses[:2], replace(street.buses[2], **changes)))


IMPOSSIBLE: dict[str, tuple[Callable[[GridModel], GridModel], str, str]] = {
    "a bus on no voltage": (with_bus(nominal_v=0), "far", "nominal_v"),
    "a band upside down": (with_bus(lowest_micro_pu=1_200_000), "far", "highest_micro_pu"),
    "a line without impedance": (with_line(resistance_nohm=0, reactance_nohm=0), "cable", "impedance"),
    "a line that may carry nothing": (with_line(limit_ma=0), "cable", "limit_ma"),
    "a line of negative resistance": (with_line(resistance_nohm=-1), "cable", "resistance_nohm"),
    "a line in a ring of its own": (with_line(to_bus="near"), "cable", "both ends"),
    "a line between two voltages": (with_line(from_bus="mv"), "cable", "nominal voltage"),
    "an open line to the last bus": (with_line(to_closed=False), "far", "source"),
    "a number that is text": (with_line(limit_ma="140000"), "cable", "limit_ma"),
    "a number with a fraction": (with_line(limit_ma=1.5), "cable", "limit_ma"),
    "a number no float can hold": (with_line(capacitance_pf=10**400), "cable", "capacitance_pf"),
    "a transformer without rating": (with_transformer(rated_va=0), "trafo", "rated_va"),
    "a transformer that loses all": (with_transformer(copper_loss_mw=10**9), "trafo", "copper_loss_mw"),
    "a tap below ground": (with_transformer(tap_position=-99, tap_size_v=300), "trafo", "tap"),
    "a clock of thirteen hours": (with_transformer(clock=13), "trafo", "clock"),
    "a tap beyond all steps": (with_transformer(tap_position=-200), "trafo", "tap_position"),
    "a negative rating": (with_transformer(rated_va=-1), "trafo", "rated_va"),
    "a name with a space behind": (with_bus(code="far "), "far ", "written as it is read"),
    "a name of nothing to see": (with_bus(code="\u200b"), "\u200b", "written as it is read"),
    "a name in full-width letters": (with_bus(code="ｆar"), "ｆar", "written as it is read"),
    "a name that differs by a space": (with_bus(code="ne ar"), "ne ar", "near"),
    "a name that differs by case": (with_bus(code="NEAR"), "NEAR", "near"),
    "no branch at all": (
        lambda street: replace(street, lines=(), transformers=(), buses=street.buses[:1], points=()),
        "street",
        "neither",
    ),
    "a connection beyond a gigawatt": (
        lambda street: replace(street, points=(Point("P", "far", 10**9 + 1, 0),)),
        "P",
        "import_w",
    ),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_grid_model__no_grid_can_be_so__is_refused_with_element_and_reason(street: GridModel, name: str) -> None:
    change, element, named = IMPOSSIBLE[name]

    with pytest.raises(BadGrid) as caught:
        change(street)

    assert caught.value.element == element and named in caught.value.reason


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"buses": 3}, "buses: is 3"),
        ({"buses": [7]}, "Bus: is 7"),
        ({"points": None}, "points: is None"),
        ({"source_bus": ...}, "GridModel street: source_bus is missing"),
        ({"lines": [{"code": "cable"}]}, "Line cable: from_bus is missing"),
        ({"points": [{"code": "P", "bus": "far", "import_w": 1, "export_w": 1, "phase": 2}]}, "Point P: phase is no"),
        ({"frequency": 50}, "GridModel street: frequency is no member"),
        ({"schema": ...}, "schema"),
    ],
)
def test_from_document__member_missing_or_of_no_use__refused_by_its_name(
    street: GridModel, change: dict[str, Any], named: str
) -> None:
    document = json.loads(street.to_json()) | change

    with pytest.raises(BadGrid) as caught:
        GridModel.from_document({name: value for name, value in document.items() if value is not ...})

    assert named in str(caught.value)


def test_grid_model__open_line_in_a_ring__is_a_grid(street: GridModel) -> None:
    ring = Line("ring", "far", "near", 400_000_000, 160_000_000, 0, 140_000, to_closed=False)

    assert replace(street, lines=(*street.lines, ring)).lines[1] == ring


def test_grid_model__two_transformers_in_line__reach_every_bus(street: GridModel) -> None:
    upper = Transformer("upper", "hv", "mv", 110_000, 20_000, 40_000_000, 120_000, 200_000_000, 1_000, 20_000_000, 5)

    buses, transformers = (Bus("hv", 110_000), *street.buses), (upper, *street.transformers)
    deep = replace(street, source_bus="hv", buses=buses, transformers=transformers)

    assert deep.source_bus == "hv"
