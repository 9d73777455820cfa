"""Values nobody means, put into every path and query parameter of every route."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import cycle, islice
from urllib.parse import quote

from fastapi.routing import APIRoute

from edge.policy import api_routes, methods_of, policy_of, query_names
from tests.effort import examples
from tests.unit.wallet_api.routes import REQUIRED, filled, path_names
from tests.unit.wallet_api.test_policy import PARTY_OF
from tests.unit.wallet_api.world import World


def _cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


VALUES = (
    "",
    "%00",
    "a%00b",
    "%FF%FE",
    "%ED%A0%80",
    "%E2%80%AE",
    "%0A",
    "1%0A",
    "%D9%A1",
    "-1",
    "-0",
    "1.0",
    "1e9",
    "NaN",
    "null",
    "true",
    str(2**31),
    str(2**32 - 1),
    str(2**32),
    str(2**63 - 1),
    str(2**63),
    str(10**30),
    "9" * 5_000,
    quote("' OR 1=1 --", safe=""),
    "..%2F..%2Fetc%2Fpasswd",
    "0x" + "00" * 20,
    "0x" + "ff" * 32,
    "a" * 101,
    "2016-06-02T00:00:00Z",
    "2016-02-31T00:00:00Z",
    "0001-01-01T00:00:00%2B14:00",
    "9999-12-31T23:59:59-14:00",
    _cursor(f'[{2**63 - 1},"{"ff" * 16}"]'),
    _cursor(f"[{2**63 - 1},{2**31 - 1}]"),
    _cursor(f"[{2**63 - 1}]"),
    _cursor(f'[{2**32 - 1},"zz"]'),
    _cursor('["zz",1]'),
    _cursor('["zz"]'),
    _cursor("\x00"),
)
"""Percent-encoded: control characters, bytes that are no text, digits of other scripts, numbers at and beyond each
bound, and cursors of the right form that no page gave."""


DRAWN = min(examples(13), len(VALUES))
"""Values for each place of each route, taken in turn: every value comes to many routes, in a campaign to all."""


def urls(route: APIRoute, values: Iterator[str]) -> Iterator[str]:
    """The route's address with the next hostile values in each of its places in turn."""
    names = query_names(route)
    required = {name: value for name, value in REQUIRED.items() if name in names}
    plain = "&".join(f"{name}={value}" for name, value in required.items())
    for place in path_names(route):
        for value in islice(values, DRAWN):
            yield f"{filled(route.path, **{place: value})}?{plain}"
    for name in names:
        others = "".join(f"&{other}={given}" for other, given in required.items() if other != name)
        for value in islice(values, DRAWN):
            yield f"{filled(route.path)}?{name}={value}{others}"


def broken_by(world: World) -> tuple[list[tuple[str, str, int]], int]:
    """Every request that was answered by a failure of the service or without a problem, and how many were made."""
    wrong, made, values = [], 0, cycle(VALUES)
    for route in api_routes(world.app):
        roles = sorted(policy_of(route).roles)
        parties = [PARTY_OF[role] for role in roles] or [None]
        for method in methods_of(route):
            for url in urls(route, values):
                body = {"content": b"{}"} if method == "POST" else {}
                kind = {"Content-Type": "application/json"} if method == "POST" else {}
                headers = world.headers(parties[made % len(parties)]) | kind
                answer = world.client.request(method, url, headers=headers, **body)  # type: ignore[arg-type]
                problem = answer.headers.get("content-type") == "application/problem+json"
                made += 1
                if answer.status_code >= 500 or (answer.status_code >= 400) != problem:
                    wrong.append((method, url[:120], answer.status_code))
    return wrong, made
