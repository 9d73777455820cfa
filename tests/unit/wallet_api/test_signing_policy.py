"""The DSO's signing policy: published by the DSO alone, in versions, before it decides on anything; read by anybody."""

from __future__ import annotations

from typing import Any

import pytest

from domain.members import noun_json
from domain.mtu import mtu_of
from tests.terms import signed_policy
from tests.unit.wallet_api.world import AREA, FIRST_MTU, MARKET, OTHER_AREA, TERMS_DOMAIN, World, key_named

pytestmark = pytest.mark.unit

LATER = FIRST_MTU + 96


def policy(by: str = "grid operator", **members: Any) -> dict[str, Any]:
    """The body of a version that a named key signed."""
    base = {"area": AREA, "markets": (MARKET,), "valid_from_mtu": LATER}
    return noun_json(signed_policy(key_named(by), domain=TERMS_DOMAIN, **base | members))


def test_publish__next_versions__are_in_force_from_their_first_mtu_on(market: World) -> None:
    bodies = [policy(), policy(version=2, valid_from_mtu=LATER + 96, loading_highest_permille=800)]

    answers = [market.post("grid operator", "/v1/dso/policies", body) for body in bodies]
    again = market.post("grid operator", "/v1/dso/policies", bodies[0])

    assert [answer.status_code for answer in (*answers, again)] == [201, 201, 200]
    at = f"/v1/areas/{AREA}/signing-policy"
    in_force = [market.get(None, at, mtu=mtu).json()["version"] for mtu in (LATER, LATER + 95, LATER + 96)]
    assert in_force == [1, 1, 2]
    assert market.get(None, at, mtu=LATER - 1).status_code == 404
    second = market.get(None, f"/v1/areas/{AREA}/signing-policies/2").json()
    assert second["loading_highest_permille"] == 800 and second["policy_hash"].startswith("0x")
    assert market.get(None, f"/v1/areas/{AREA}/signing-policies/3").status_code == 404


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "signed by the operator": ({"by": "market operator"}, "term-not-signed"),
    "another area's": ({"area": OTHER_AREA}, "not-found"),
    "already begun": ({"valid_from_mtu": mtu_of(0)}, "already-begun"),
    "second before the first": ({"version": 2}, "version-out-of-order"),
    "market of nobody": ({"markets": (f"{AREA}/XX",)}, "not-registered"),
    "markets not ascending": ({"markets": (MARKET, MARKET)}, "malformed"),
    "an empty band": ({"voltage_lowest_micro_pu": 1_100_001}, "malformed"),
}
"""What is published, and why it is refused."""


@pytest.mark.parametrize("name", REFUSED)
def test_publish__not_in_order__refused(market: World, name: str) -> None:
    members, problem = REFUSED[name]
    before = market.head()

    answer = market.post("grid operator", "/v1/dso/policies", policy(**members))

    assert answer.json()["type"] == f"/problems/{problem}", answer.text
    assert market.head() == before


def test_publish__changed_after_it_was_signed__refused(market: World) -> None:
    body = policy() | {"loading_highest_permille": 2_000}

    assert market.post("grid operator", "/v1/dso/policies", body).json()["type"] == "/problems/term-not-signed"
