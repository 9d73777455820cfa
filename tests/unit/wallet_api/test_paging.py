"""Pages: a list walked one item at a time gives what it gives at once, and only cursors that were given are taken."""

from __future__ import annotations

import base64

import pytest

from edge.policy import api_routes, query_names
from tests.unit.wallet_api.crowd import HOLDER
from tests.unit.wallet_api.routes import filled
from tests.unit.wallet_api.world import FIRST_MTU, World

pytestmark = pytest.mark.unit

LISTS: dict[str, tuple[str | None, str]] = {
    "/v1/areas": (None, ""),
    "/v1/markets": (None, ""),
    "/v1/markets/{market:path}/programs": (None, ""),
    "/v1/markets/{market:path}/prices": (None, ""),
    "/v1/markets/{market:path}/mtus": (None, f"&from={FIRST_MTU}&to={FIRST_MTU + 5}"),
    "/v1/attestations": ("attester north", f"&area=DE-LV1&from={FIRST_MTU}&to={FIRST_MTU + 5}"),
    "/v1/keys": (HOLDER, ""),
    "/v1/mandates": (HOLDER, ""),
    "/v1/areas/{area:path}/periods": (None, ""),
    "/v1/orders": (HOLDER, ""),
    "/v1/schedules": (HOLDER, ""),
    "/v1/deposits": (HOLDER, ""),
    "/v1/trades": (HOLDER, f"&from={FIRST_MTU}"),
    "/v1/readings": (HOLDER, ""),
    "/v1/set-points": (HOLDER, "&from=0"),
    "/v1/statements": (HOLDER, ""),
    "/v1/accesses": (HOLDER, ""),
    "/v1/postings": (HOLDER, ""),
    "/v1/redemptions": (HOLDER, ""),
    "/v1/participants": ("registry office", ""),
    "/v1/meters": ("registry office", ""),
    "/v1/agreements": ("registry office", ""),
    "/v1/tariffs": ("registry office", ""),
    "/v1/ends": ("registry office", ""),
    "/v1/guarantees": ("retailer 1", ""),
    "/v1/successors": ("registry office", ""),
    "/v1/retailer/customers": ("retailer 1", ""),
    "/v1/retailer/settlements": ("retailer 1", "&period=1"),
    "/v1/dso/programs": ("grid operator", "&state=any"),
    "/v1/dso/verdicts": ("grid operator", ""),
    "/v1/attester/settlements": ("attester north", ""),
    "/v1/journal": ("market operator", ""),
}
"""Every list in pages: who reads it here, and what it is asked for besides."""

CALLS = "/v1/chain/calls"
"""A list that is empty here: its service signs every call itself."""

HOSTILE_CURSORS = (
    "x",
    "\x00",
    "",
    "{}",
    "[]",
    "[null]",
    "[null,null]",
    "[1,2,3]",
    "[-1]",
    "[-1,-1]",
    "[true]",
    f"[{2**63}]",
    f"[{2**63},0]",
    f'[{2**63},"{"aa" * 16}"]',
    '[1.5,"a"]',
    '["\\u0000"]',
    '["\\u0000","\\u0000"]',
    f'["{"a" * 250}"]',
    "1",
    "[" * 40,
)


def cursor(text: str) -> str:
    """A value of `after` as a Link header would give it."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_lists__every_route_in_pages__is_walked_here(world: World) -> None:
    assert {route.path for route in api_routes(world.app) if "after" in query_names(route)} == {
        *LISTS,
        CALLS,
    }


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("path", LISTS)
def test_list__walked_in_pages__is_the_whole_list(crowded: World, path: str, limit: int) -> None:
    name, query = LISTS[path]
    path = filled(path)
    whole = crowded.get(name, f"{path}?limit=500{query}")
    assert "link" not in whole.headers

    walked, url, sizes = [], f"{path}?limit={limit}{query}", []
    while url:
        answer = crowded.get(name, url)
        assert answer.status_code == 200
        items = answer.json()["items"]
        walked += items
        sizes.append(len(items))
        url = answer.headers.get("link", "").partition(">")[0].removeprefix("<")

    assert len(walked) > 1
    assert walked == whole.json()["items"]
    assert set(sizes[:-1]) <= {limit}
    assert 1 <= sizes[-1] <= limit


def test_journal__page_that_ends_with_the_last_entry__no_link(market: World) -> None:
    last = market.services.record.head().sequence

    assert "link" not in market.get("market operator", "/v1/journal", limit=last).headers
    assert "link" in market.get("market operator", "/v1/journal", limit=last - 1).headers


@pytest.mark.parametrize("path", LISTS)
def test_cursor__none_that_was_given__refused(crowded: World, path: str) -> None:
    name, query = LISTS[path]

    for text in HOSTILE_CURSORS:
        answer = crowded.get(name, f"{filled(path)}?after={cursor(text)}{query}")
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/bad-cursor"), text


@pytest.mark.parametrize("path", LISTS)
def test_list__newest_first__the_same_turned_round(crowded: World, path: str) -> None:
    name, query = LISTS[path]
    whole = crowded.get(name, f"{filled(path)}?limit=500{query}").json()["items"]

    url, walked = f"{filled(path)}?limit=2&order=desc{query}", []
    while url:
        answer = crowded.get(name, url)
        walked += answer.json()["items"]
        url = answer.headers.get("link", "").partition(">")[0].removeprefix("<")

    assert walked == whole[::-1]
