"""Every route that households and retailers use, tried by each of them on what belongs to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domain.hashing import canonical_json, text_id, to_hex
from edge.policy import Allow, api_routes, methods_of, policy_of, query_names
from ledger_service.access.roles import Role
from tests.unit.wallet_api.crowd import HOLDER, POINT, leaving, redemption, schedule
from tests.unit.wallet_api.routes import REQUIRED, filled
from tests.unit.wallet_api.test_duties import anchor
from tests.unit.wallet_api.world import (
    AREA_BODY,
    FIRST_MTU,
    GATE,
    MARKET,
    World,
    address,
    mandate_message,
    mandate_tag,
)

pytestmark = pytest.mark.unit

ROLE_OF = {f"household {number}": Role.PROSUMER for number in (1, 2, 3)} | {
    f"retailer {number}": Role.RETAILER for number in (1, 2)
}
CUSTOMERS = {"retailer 1": ("household 1", "household 3"), "retailer 2": ("household 2",)}
ORDER_ID = f"0x{16:032x}"
"""An order of the holder's that nobody else has the like of."""

FREE_REF = f"0x{99:064x}"
"""A reference that nobody has used."""

SHARED = {("GET", "/v1/session"), ("GET", "/v1/tariffs"), ("GET", "/v1/tariffs/{tariff:path}/{version}")}
"""What tells each party of itself, or everybody the same."""

OWN = {
    ("GET", path)
    for path in (
        "/v1/accesses",
        "/v1/agreement",
        "/v1/balance",
        "/v1/deposits",
        "/v1/evidence/personal",
        "/v1/guarantees",
        "/v1/keys",
        "/v1/mandates",
        "/v1/orders",
        "/v1/postings",
        "/v1/readings",
        "/v1/redemptions",
        "/v1/retailer/customers",
        "/v1/retailer/settlements",
        "/v1/retailer/settlements/{period}/export.csv",
        "/v1/schedules",
        "/v1/set-points",
        "/v1/statements",
        "/v1/successors",
        "/v1/statements/{period}/{revision}",
        "/v1/trades",
        "/v1/accesses/{sequence}",
        "/v1/postings/{sequence}/{position}",
        "/v1/schedules/{market:path}/{session}",
        "/v1/set-points/{market:path}/{session}/{mtu}",
    )
}
"""What names no owner: each party is shown its own."""

NAMED: dict[tuple[str, str], tuple[str, str, str]] = {
    ("GET", "/v1/orders/{order_id}"): (HOLDER, f"/v1/orders/{ORDER_ID}", f"/v1/orders/0x{0:032x}"),
    ("GET", "/v1/orders/{order_id}/receipt"): (
        HOLDER,
        f"/v1/orders/{ORDER_ID}/receipt",
        f"/v1/orders/0x{0:032x}/receipt",
    ),
    ("GET", "/v1/retailer/settlements"): (
        "retailer 1",
        f"/v1/retailer/settlements?period=1&account={address(HOLDER)}",
        f"/v1/retailer/settlements?period=1&account={address('nobody')}",
    ),
    ("GET", "/v1/trades/{mtu}/{order_id}"): (
        HOLDER,
        f"/v1/trades/{FIRST_MTU}/{ORDER_ID}",
        f"/v1/trades/{FIRST_MTU}/0x{0:032x}",
    ),
    ("GET", "/v1/keys/{order_key}"): (
        HOLDER,
        f"/v1/keys/{address(f'device of {HOLDER}')}",
        f"/v1/keys/{address('nobody')}",
    ),
    ("GET", "/v1/mandates/{mandate}"): (
        HOLDER,
        f"/v1/mandates/{mandate_tag(mandate_message(HOLDER, 'agent 1'))}",
        f"/v1/mandates/0x{0:032x}",
    ),
    ("GET", "/v1/readings/{meter:path}/{mtu}"): (
        HOLDER,
        f"/v1/readings/M1/{FIRST_MTU}",
        f"/v1/readings/M9/{FIRST_MTU}",
    ),
    ("GET", "/v1/redemptions/{ref}"): (HOLDER, f"/v1/redemptions/0x{2:064x}", f"/v1/redemptions/{FREE_REF}"),
    ("GET", "/v1/deposits/{ref}"): (HOLDER, f"/v1/deposits/0x{2:064x}", f"/v1/deposits/{FREE_REF}"),
    ("GET", "/v1/guarantees/{account}"): (
        "retailer 1",
        f"/v1/guarantees/{address(HOLDER)}",
        f"/v1/guarantees/{address('nobody')}",
    ),
    ("GET", "/v1/successors/{account}"): (
        HOLDER,
        f"/v1/successors/{address(HOLDER)}",
        f"/v1/successors/{address('nobody')}",
    ),
    ("GET", "/v1/retailer/customers/{account}"): (
        "retailer 1",
        f"/v1/retailer/customers/{address(HOLDER)}",
        f"/v1/retailer/customers/{address('nobody')}",
    ),
}
"""What can be asked for by name: its owner, its address, and the address of one that isn't there."""


def _cancel(world: World) -> dict[str, Any]:
    message = {"market": to_hex(text_id(MARKET)), "session": GATE, "mtu": FIRST_MTU, "orderId": ORDER_ID, "revision": 1}
    return {"cancel": message, "signature": world.sign(f"device of {HOLDER}", "Cancel", message)}


def _cover(world: World) -> dict[str, Any]:
    parties = {"guarantor": address("retailer 1"), "account": address(HOLDER)}
    values = parties | {"amountNeur": 5, "debtNeur": 5, "ref": FREE_REF, "deadline": 2**37}
    signature = world.sign("retailer 1", "Cover", values)
    given = {"amount_neur": "5", "debt_neur": "5", "ref": FREE_REF, "deadline": 2**37, "signature": signature}
    return parties | given


def _replacement(world: World) -> dict[str, Any]:
    values = {"account": address(HOLDER), "successor": address("holder again"), "deadline": 2**37}
    signers = {"account_signature": HOLDER, "successor_signature": "holder again"}
    return values | {name: world.sign(who, "AccountReplacement", values) for name, who in signers.items()}


WRITTEN: dict[tuple[str, str], tuple[str, Callable[[World], dict[str, Any]]]] = {
    ("POST", "/v1/orders"): (HOLDER, lambda world: world.order_body(HOLDER, orderId="0x" + "0f" * 16)),
    ("POST", "/v1/orders/cancellations"): (HOLDER, _cancel),
    ("POST", "/v1/mandates"): (HOLDER, lambda world: world.mandate_body(HOLDER, "stolen agent")),
    ("POST", "/v1/mandates/revocations"): (HOLDER, lambda world: world.revocation_body(HOLDER, "agent 1")),
    ("POST", "/v1/schedules"): (HOLDER, lambda world: schedule(world, HOLDER, POINT)),
    ("POST", "/v1/keys"): (
        HOLDER,
        lambda world: world.key_body(HOLDER, POINT, device="stolen", valid_from_mtu=FIRST_MTU + 900),
    ),
    ("POST", "/v1/replacements"): (HOLDER, _replacement),
    ("POST", "/v1/ends"): (HOLDER, lambda world: leaving(HOLDER)),
    ("POST", "/v1/redemptions"): (HOLDER, lambda world: redemption(world, HOLDER, FREE_REF)),
    ("POST", "/v1/guarantees"): (
        "retailer 1",
        lambda world: world.guarantee_body("retailer 1", HOLDER, credit_neur=1, nonce=9),
    ),
    ("POST", "/v1/cover"): ("retailer 1", _cover),
}
"""What is signed by its owner: a body that the owner could send."""


ITS_OWN_ALONE = {("POST", "/v1/erasures")}
"""Writes that can name nobody else's (tests/integration/wallet_api/test_erasure.py)."""

GRID_MODEL = canonical_json(AREA_BODY["grid_model"])
"""The one document that names every connection point: whoever verifies a program needs all of the grid."""


def identifiers(name: str) -> set[str]:
    """What names a party in answers: account, device, participant, and a household's point and meter."""
    found = {address(name), address(f"device of {name}"), name}
    number = name.rpartition(" ")[2]
    return found | ({f"DE-LV1-P{number}", f'"M{number}"'} if ROLE_OF[name] is Role.PROSUMER else set())


def foreign(name: str) -> set[str]:
    """The identifiers a party must not be shown: all but its own, its customers' and its own retailer's."""
    retailers = {retailer for retailer, customers in CUSTOMERS.items() if name in customers}
    known = {name, *CUSTOMERS.get(name, ()), *retailers}
    return {text for other in ROLE_OF if other not in known for text in identifiers(other)}


def trader_routes(world: World) -> dict[tuple[str, str], frozenset[Role]]:
    """Every route that households or retailers may use, with its roles."""
    return {
        (method, route.path): policy.roles
        for route in api_routes(world.app)
        if isinstance(policy := policy_of(route), Allow) and policy.roles & set(ROLE_OF.values())
        for method in methods_of(route)
    }


def test_matrix__every_route_of_households_and_retailers__is_in_it(world: World) -> None:
    assert set(trader_routes(world)) == SHARED | OWN | set(NAMED) | set(WRITTEN) | ITS_OWN_ALONE


def test_matrix__what_names_no_owner__shows_nobody_else(crowded: World) -> None:
    anchor(crowded)
    routes = {route.path: route for route in api_routes(crowded.app) if "GET" in (route.methods or ())}
    shown, leaks = set(), []
    for key in sorted(OWN):
        roles, route = trader_routes(crowded)[key], routes[key[1]]
        query = {name: value for name, value in REQUIRED.items() if name in query_names(route) and name != "area"}
        span = {"from": str(FIRST_MTU), "to": str(FIRST_MTU + 96)}
        query |= {name: value for name, value in span.items() if name in query_names(route)}
        for name in (name for name, role in ROLE_OF.items() if role in roles):
            answer = crowded.get(name, filled(key[1]), **query)
            assert answer.status_code in (200, 404), (key, name, answer.text)
            if any(text.encode() in answer.content for text in identifiers(name)) or b"items" not in answer.content:
                shown.add(key)
            content = answer.content.replace(GRID_MODEL, b"")
            leaks += [(key[1], name, text) for text in foreign(name) if text.encode() in content]

    assert leaks == []
    assert len(shown) > len(OWN) / 2


@pytest.mark.parametrize("key", NAMED)
def test_matrix__named_thing_of_another__as_if_it_were_not_there(crowded: World, key: tuple[str, str]) -> None:
    owner, path, missing = NAMED[key]
    roles = trader_routes(crowded)[key]

    assert crowded.get(owner, path).status_code == 200
    for name, role in ROLE_OF.items():
        if name == owner:
            continue
        answer = crowded.get(name, path)
        if role in roles:
            assert (answer.status_code, answer.json()) == (404, crowded.get(name, missing).json())
        else:
            assert answer.status_code == 403


@pytest.mark.parametrize("key", WRITTEN)
def test_matrix__write_of_another_with_its_stolen_signature__refused(crowded: World, key: tuple[str, str]) -> None:
    owner, make = WRITTEN[key]
    body, head = make(crowded), crowded.head()

    for name in ROLE_OF:
        if name != owner:
            assert crowded.post(name, key[1], body).status_code in (403, 404), name
            assert crowded.head() == head

    if key[1] != "/v1/cover":  # the retailer has nothing to pay with here
        assert crowded.post(owner, key[1], body).status_code == 201
