"""The routes of the application as its tests walk them: their parameters, and paths with something in each place."""

from __future__ import annotations

from fastapi.routing import APIRoute

PLACES = {
    "code": "not-found",
    "shape": "Cancel",
    "order_id": "0x" + "01" * 16,
    "mandate": "0x" + "02" * 16,
    "market": "DE-LV1/DA",
    "area": "DE-LV1",
    "session": "1",
    "period": "1",
    "revision": "0",
    "call": "1",
    "mtu": "1627584",
    "valid_from_mtu": "1627584",
    "sequence": "1",
    "position": "0",
    "version": "1",
    "ref": "0x" + "0c" * 32,
    "account": "0x" + "0a" * 20,
    "order_key": "0x" + "0b" * 20,
    "participant": "nobody",
    "meter": "M9",
    "agreement": "none",
    "tariff": "none",
    "term": "agreement",
    "name": "none",
}
"""A value that gets past validation for each name in a path."""

REQUIRED = {"period": "1", "area": "DE-LV1"}
"""The same for parameters that a route can't do without."""


def path_names(route: APIRoute) -> list[str]:
    """The names in a route's path."""
    return [field.alias for field in route.dependant.path_params]


def filled(path: str, **places: str) -> str:
    """A route's path with something in each place: the given values, else ones that get past validation."""
    for name, value in (PLACES | places).items():
        path = path.replace(f"{{{name}:path}}", value).replace(f"{{{name}}}", value)
    return path
