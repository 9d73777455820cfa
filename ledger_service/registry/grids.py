"""An area's grid model in the registry: how it is kept, and who stands in it."""

from __future__ import annotations

import json

from domain.areas import Area
from domain.parties import Participant
from domain.units import check_range
from ledger_service.registry.errors import Malformed


def grid_model_text(area: Area) -> str:
    """The grid model as the registry's view keeps it."""
    return json.dumps(area.grid_model.value, sort_keys=True)


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
