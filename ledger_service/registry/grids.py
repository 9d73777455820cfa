"""Grid models at the door: what no power flow can solve, and who stands outside the grid, is refused there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.areas import Area
from domain.parties import Participant
from domain.units import check_range
from grid.model import GridModel
from grid.powerflow import PowerFlow
from ledger_service.registry.errors import Malformed


def solvable_grid(document: Mapping[str, Any]) -> PowerFlow:
    """The power flow of a grid model, solved once without load: done before the write transaction.

    Raises BadGrid, GridUnsolvable.
    """
    return PowerFlow(GridModel.from_document(document))


def check_grid(area: Area, power_flow: PowerFlow) -> None:
    """The area's model is the one that was solved. Raises Malformed."""
    if power_flow.grid.grid_model_hash != area.grid_model_hash:
        expected = "the hash of grid_model, written with all its members"
        raise Malformed(field="grid_model_hash", value=area.grid_model_hash.hex(), expected=expected)


def check_connection(area: Area, participant: Participant) -> None:
    """A household stands at a point of its area's grid, with no more power than is agreed there.

    Raises Malformed, OutOfRange.
    """
    points = {point["code"]: point for point in area.grid_model["points"]}
    point = points.get(participant.point)
    if point is None:
        raise Malformed(
            field="point", value=participant.point, expected=f"a connection point of the grid of {area.area}"
        )
    for field, agreed in (("connection_import_w", point["import_w"]), ("connection_export_w", point["export_w"])):
        check_range(field=field, value=getattr(participant, field), lowest=0, highest=agreed)
