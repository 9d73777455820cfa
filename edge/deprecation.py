"""Routes and parameters that will go: they say so in the document, and in every answer to whoever still uses them.

    _: Annotated[None, deprecated(since=date(2027, 3, 1), ends=date(2028, 3, 1), instead="GET /v1/trades")]

in the signature of a route deprecates the route; with `parameter="tariff"` only that parameter of its query.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs
from weakref import WeakKeyDictionary

from fastapi import Depends
from fastapi.routing import APIRoute

NOTICE = timedelta(days=365)
"""How long something that will go is still there at least (docs/api.md, Versions)."""

_KNOWN: WeakKeyDictionary[Any, tuple[Deprecated, ...]] = WeakKeyDictionary()
"""What each endpoint declares, looked up once."""


@dataclass(frozen=True)
class Deprecated:
    """What will go: since when it should not be used any more, when it ends, and what takes its place."""

    since: date
    ends: date
    instead: str
    parameter: str | None = None
    """The one parameter of the query that will go; None: the whole route."""

    async def __call__(self) -> None:
        """Nothing: as a dependency of its route it is found there."""

    def is_used(self, scope: MutableMapping[str, Any]) -> bool:
        """Whether a request to the route uses it."""
        return self.parameter is None or self.parameter in parse_qs(
            scope["query_string"].decode("latin-1"), keep_blank_values=True
        )

    def headers(self) -> list[tuple[bytes, bytes]]:
        """`Deprecation` (RFC 9745, a date of RFC 9651) and `Sunset` (RFC 8594, an HTTP date)."""
        since, ends = (datetime.combine(day, time(0), UTC) for day in (self.since, self.ends))
        return [
            (b"deprecation", f"@{int(since.timestamp())}".encode("ascii")),
            (b"sunset", format_datetime(ends, usegmt=True).encode("ascii")),
        ]

    def notice(self) -> str:
        """The same for people."""
        return f"Deprecated since {self.since.isoformat()}, ends {self.ends.isoformat()}; use {self.instead}."


def deprecated(*, since: date, ends: date, instead: str, parameter: str | None = None) -> Any:
    """Declare that a route, or one parameter of it, will go. Raises ValueError for less than a year's notice."""
    if ends - since < NOTICE:
        raise ValueError(f"from {since} to {ends} is less than a year; whoever uses it needs that long to change")
    return Depends(Deprecated(since=since, ends=ends, instead=instead, parameter=parameter))


def deprecations_of(route: APIRoute) -> tuple[Deprecated, ...]:
    """What a route declares that will go."""
    if route.endpoint not in _KNOWN:
        found = [one.call for one in route.dependant.dependencies]
        _KNOWN[route.endpoint] = tuple(call for call in found if isinstance(call, Deprecated))
    return _KNOWN[route.endpoint]


def deprecation_headers(scope: MutableMapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer to a request that uses something that will go: of what ends first."""
    route = scope.get("route")
    if not isinstance(route, APIRoute):
        return []
    used = [one for one in deprecations_of(route) if one.is_used(scope)]
    return min(used, key=lambda one: one.ends).headers() if used else []


HEADERS: dict[str, dict[str, Any]] = {
    "Deprecation": {
        "description": "Since when this should not be used any more, RFC 9745",
        "schema": {"type": "string", "pattern": "^@[0-9]+$"},
    },
    "Sunset": {"description": "When this ends, RFC 8594", "schema": {"type": "string"}},
}
"""As the document describes them."""


def mark(operation: dict[str, Any], *, route: APIRoute) -> None:
    """Say in the document what of an operation will go."""
    for one in deprecations_of(route):
        marked = operation
        if one.parameter is not None:
            marked = next(item for item in operation["parameters"] if item.get("name") == one.parameter)
        marked["deprecated"] = True
        marked["description"] = f"{marked.get('description', '')}\n\n{one.notice()}".strip()
        for status, answer in operation["responses"].items():
            if status.startswith("2"):
                answer["headers"] = answer.get("headers", {}) | HEADERS
