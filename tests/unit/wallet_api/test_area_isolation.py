"""Two areas in one service never see each other: every route of a role bound to an area, tried on the other one."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.routing import APIRoute

from domain.hashing import text_id, to_hex
from edge.policy import Allow, api_routes, methods_of, policy_of, query_names
from ledger_service.access.roles import Role
from tests.unit.wallet_api.crowd import schedule
from tests.unit.wallet_api.routes import REQUIRED, filled
from tests.unit.wallet_api.test_duties import anchor
from tests.unit.wallet_api.world import (
    AREA,
    FIRST_MTU,
    GATE,
    MARKET,
    NEIGHBOURS,
    OTHER_AREA,
    OTHER_MARKET,
    World,
    address,
    household,
    meter,
    party,
)

pytestmark = pytest.mark.unit

OUTSIDERS = {"neighbour": Role.PROSUMER, "retailer next door": Role.RETAILER, **NEIGHBOURS}
"""Who is bound to the other area, by name."""

INSIDERS = ("household 1", "household 2", "household 3", "retailer 1", "retailer 2")

SHARED = {"/v1/session", "/v1/tariffs"}
"""What tells each party of itself, or everybody the same."""


@pytest.fixture
def areas(crowded: World) -> World:
    """One area in which everything has happened, and a household and a retailer of another."""
    for body in (
        household("neighbour", "DE-LV2-P1", area=OTHER_AREA, valid_from_mtu=FIRST_MTU),
        party("retailer next door", "retailer", area=OTHER_AREA, valid_from_mtu=FIRST_MTU),
    ):
        assert crowded.post("registry office", "/v1/participants", body).status_code == 201
    tariff = crowded.tariff_body("retailer next door", area=OTHER_AREA, valid_from_mtu=FIRST_MTU)
    assert crowded.post("registry office", "/v1/tariffs", tariff).status_code == 201
    agreement = _agreement(crowded, "neighbour", "retailer next door")
    assert crowded.post("registry office", "/v1/agreements", agreement).status_code == 201
    assert crowded.post("neighbour", "/v1/keys", crowded.key_body("neighbour", "DE-LV2-P1")).status_code == 201
    anchor(crowded)
    return crowded


def _agreement(world: World, account: str, retailer: str, **members: Any) -> dict[str, Any]:
    base = {"agreement": f"agreement of {account}", "valid_from_mtu": FIRST_MTU}
    return world.agreement_body(account, retailer, **base | members)


def bound_routes(world: World, method: str) -> list[tuple[APIRoute, frozenset[Role]]]:
    """Routes of this method that a role bound to an area may use."""
    found = []
    for route in api_routes(world.app):
        policy = policy_of(route)
        if isinstance(policy, Allow) and method in methods_of(route) and route.path not in SHARED:
            roles = policy.roles & set(OUTSIDERS.values())
            if roles:
                found.append((route, frozenset(roles)))
    return found


def traces(content: bytes) -> list[str]:
    """What an answer tells of the first area: its code, its points and meters, its parties and their accounts."""
    names = {AREA, *INSIDERS, *map(address, INSIDERS), to_hex(text_id(AREA)), to_hex(text_id(MARKET))}
    return sorted(name for name in names if name.encode() in content)


def test_reads__of_every_area_bound_role__show_nothing_of_the_other_area(areas: World) -> None:
    leaks, tried = [], 0
    for route, roles in bound_routes(areas, "GET"):
        query = {name: value for name, value in REQUIRED.items() if name in query_names(route)}
        query |= {name: str(FIRST_MTU) for name in ("first_mtu", "mtu") if name in query_names(route)}
        for name in (name for name, role in OUTSIDERS.items() if role in roles):
            answer = areas.get(name, filled(route.path), **query)
            tried += 1
            if answer.status_code == 200:
                leaks += [(route.path, name, trace) for trace in traces(answer.content)]
            else:
                assert answer.status_code in (403, 404), (route.path, name, answer.text)

    assert leaks == []
    assert tried > 30


def test_reads__the_same_of_ones_own_area__are_answered(areas: World) -> None:
    answered = [
        areas.get("attester next door", "/v1/attester/registry", area=OTHER_AREA),
        areas.get("attester next door", "/v1/attester/terms", area=OTHER_AREA),
        areas.get("grid operator next door", "/v1/dso/programs"),
        areas.get("neighbour", "/v1/orders"),
        areas.get("retailer next door", "/v1/retailer/customers"),
    ]

    assert [answer.status_code for answer in answered] == [200] * len(answered)
    assert b"neighbour" in answered[-1].content or address("neighbour").encode() in answered[-1].content


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_decisions__of_the_other_areas_organisations__are_refused(areas: World, name: str) -> None:
    head = areas.head()
    for route, roles in bound_routes(areas, "POST"):
        if OUTSIDERS[name] in roles:
            body = {"area": AREA, "period": 1, "attestations": [], "messages": [], "signature": "0x" + "11" * 65}
            names = {"reason"} if route.path.endswith("refusal") else set()
            wanted = {key: body[key] for key in ("signature",)} | dict.fromkeys(names, "because")
            sent = body if route.path == "/v1/attestations" else wanted
            if route.path == "/v1/attestations":
                sent = {key: item for key, item in body.items() if key != "signature"}
            answer = areas.post(name, filled(route.path), sent)
            assert answer.status_code in (400, 403, 404, 409, 422), (route.path, answer.text)
            assert areas.head() == head, route.path


def test_orders__signed_for_the_other_areas_market__are_refused(areas: World) -> None:
    head = areas.head()

    order = areas.post("neighbour", "/v1/orders", areas.order_body("neighbour"))
    cancel = {
        "market": to_hex(text_id(MARKET)),
        "session": GATE,
        "mtu": FIRST_MTU,
        "orderId": f"0x{16:032x}",
        "revision": 1,
    }
    signed = {"cancel": cancel, "signature": areas.sign("device of neighbour", "Cancel", cancel)}
    withdrawn = areas.post("neighbour", "/v1/orders/cancellations", signed)
    nominated = areas.post("neighbour", "/v1/schedules", schedule(areas, "neighbour", "DE-LV1-P1"))

    assert [answer.status_code for answer in (order, withdrawn, nominated)] == [403, 404, 403]
    assert areas.head() == head


def test_agreement__with_a_retailer_of_the_other_area__is_refused(areas: World) -> None:
    crossed = _agreement(areas, "neighbour", "retailer 1", agreement="crossed")

    answer = areas.post("registry office", "/v1/agreements", crossed)

    assert answer.status_code == 422 and "area" in answer.json()["detail"]


def test_meter__at_a_point_of_the_other_area__is_refused(areas: World) -> None:
    body = meter("M9", "DE-LV1-P1", "0x" + "01" * 32, area=OTHER_AREA, valid_from_mtu=FIRST_MTU + 900)

    answer = areas.post("registry office", "/v1/meters", body)

    assert answer.status_code == 404


def test_public_lists__of_each_area__hold_its_own(areas: World) -> None:
    own = areas.get(None, f"/v1/markets/{MARKET}/programs").json()["items"]
    other = areas.get(None, f"/v1/markets/{OTHER_MARKET}/programs").json()["items"]

    assert {item["area"] for item in own} == {AREA} and other == []
    assert areas.get(None, f"/v1/areas/{OTHER_AREA}/periods").json()["items"] == []
