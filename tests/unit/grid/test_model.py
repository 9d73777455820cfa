"""The grid model's JSON and hash."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grid.model import BadGrid, GridModel, Point

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
