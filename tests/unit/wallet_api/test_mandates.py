"""Mandates over the API: granting, ending, and what an agent that logs in may do and see."""

from __future__ import annotations

from typing import Any

import pytest

from domain.hashing import to_hex
from tests.unit.wallet_api.test_orders import cancel_body, schedule_body
from tests.unit.wallet_api.world import FIRST_MTU, World, address, mandate_message, mandate_tag

pytestmark = pytest.mark.unit

MANDATES, ORDERS = "/v1/mandates", "/v1/orders"
HOLDER, AGENT = "household 1", "agent 1"
TAG = mandate_tag(mandate_message(HOLDER, AGENT))


@pytest.fixture
def granted(trading: World) -> World:
    """A market in which a household has an agent."""
    answer = trading.post(HOLDER, MANDATES, trading.mandate_body(HOLDER, AGENT))
    assert answer.status_code == 201, answer.text
    receipt = answer.json()["receipt"]
    assert (receipt["kind"], receipt["tag"], receipt["journalHead"]) == (3, TAG, to_hex(trading.head()))
    return trading


def agents_order(world: World, number: int = 1, **changes: Any) -> dict[str, Any]:
    """An order that the agent signed for the household."""
    return world.order_body(HOLDER, AGENT, orderId=f"0x{number:032x}", salt=f"0x{number:064x}", **changes)


def problem(answer: Any) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


def test_agent__logged_in__trades_and_sees_its_own_orders_alone(granted: World) -> None:
    granted.post(HOLDER, ORDERS, granted.order_body(HOLDER, orderId="0x" + "ee" * 16))
    me = granted.get(AGENT, "/v1/session").json()
    placed = granted.post(AGENT, ORDERS, agents_order(granted))

    assert (me["role"], me["account"], me["area"], me["point"]) == ("agent", address(AGENT), None, None)
    assert (placed.status_code, placed.json()["receipt"]["kind"]) == (201, 1)
    (own,) = granted.get(AGENT, ORDERS).json()["items"]
    assert (own["order_id"], own["order_key"], own["mandate"]) == (f"0x{1:032x}", address(AGENT), TAG)
    assert len(granted.get(HOLDER, ORDERS).json()["items"]) == 2
    assert granted.get(AGENT, f"{ORDERS}/0x{1:032x}").json() == own
    assert granted.get(AGENT, f"{ORDERS}/0x{1:032x}/receipt").json() == placed.json()["receipt"]
    assert problem(granted.get(AGENT, f"{ORDERS}/0x{'ee' * 16}")) == (404, "not-found")
    assert problem(granted.get(AGENT, f"{ORDERS}/0x{'ee' * 16}/receipt")) == (404, "not-found")


@pytest.mark.parametrize("path", ["/v1/balance", "/v1/keys", "/v1/trades", "/v1/statements", "/v1/evidence/personal"])
def test_agent__asks_for_what_is_the_households__is_not_allowed(granted: World, path: str) -> None:
    assert problem(granted.get(AGENT, path)) == (403, "not-allowed")


def test_agent__writes_what_only_the_account_may__is_not_allowed(granted: World) -> None:
    schedule = schedule_body(granted, HOLDER, "DE-LV1-P1", [0] * 96)
    for path, body in (
        ("/v1/schedules", schedule),
        (MANDATES, granted.mandate_body(HOLDER, "agent 2", AGENT)),
        (f"{MANDATES}/revocations", granted.revocation_body(HOLDER, AGENT, AGENT)),
        ("/v1/keys", granted.key_body(HOLDER, "DE-LV1-P1", device="stolen")),
    ):
        assert problem(granted.post(AGENT, path, body)) == (403, "not-allowed")


def test_agent__order_for_an_account_without_its_mandate__is_refused(granted: World) -> None:
    other = granted.order_body("household 2", AGENT)

    assert problem(granted.post(AGENT, ORDERS, other)) == (403, "not-allowed")
    assert problem(granted.post("household 2", ORDERS, other)) == (403, "key-not-valid")


def test_stranger__without_any_mandate__cannot_log_in(granted: World) -> None:
    assert problem(granted.log_in("agent 2")) == (401, "unknown-account")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"limitPriceNeurPerWh": 250_100}, "mandate-price"),
        ({"quantityLots": 51}, "mandate-energy"),
        ({"side": 1, "limitPriceNeurPerWh": 99_900}, "mandate-price"),
    ],
)
def test_order__beyond_the_mandate__names_the_limit(granted: World, changes: dict[str, Any], code: str) -> None:
    head = granted.head()
    answer = granted.post(AGENT, ORDERS, agents_order(granted, **changes))

    assert problem(answer) == (403, code)
    assert TAG in answer.json()["detail"]
    assert granted.head() == head


def test_order__beyond_the_day__says_what_is_left(granted: World) -> None:
    for number in (1, 2):
        body = agents_order(granted, number, mtu=FIRST_MTU + number, quantityLots=40)
        assert granted.post(AGENT, ORDERS, body).status_code == 201

    answer = granted.post(AGENT, ORDERS, agents_order(granted, 3, mtu=FIRST_MTU + 3, quantityLots=30))

    assert problem(answer) == (403, "mandate-energy")
    assert "of which 200 Wh are left" in answer.json()["detail"]


def test_revocation__receipted__ends_the_agents_trading_and_leaves_it_its_receipts(granted: World) -> None:
    granted.post(AGENT, ORDERS, agents_order(granted))

    ended = granted.post(HOLDER, f"{MANDATES}/revocations", granted.revocation_body(HOLDER, AGENT))
    again = granted.post(HOLDER, f"{MANDATES}/revocations", granted.revocation_body(HOLDER, AGENT))

    assert (ended.status_code, ended.json()["receipt"]["kind"]) == (201, 4)
    assert (again.status_code, again.json()["receipt"]) == (200, ended.json()["receipt"])
    assert problem(granted.post(AGENT, ORDERS, agents_order(granted, 2))) == (403, "mandate-ended")
    cancel = cancel_body(granted, HOLDER, orderId=f"0x{1:032x}")
    cancel["signature"] = granted.sign(AGENT, "Cancel", cancel["cancel"])
    assert problem(granted.post(AGENT, f"{ORDERS}/cancellations", cancel)) == (403, "mandate-ended")
    assert granted.get(AGENT, f"{ORDERS}/0x{1:032x}/receipt").status_code == 200
    shown = granted.get(AGENT, f"{MANDATES}/{TAG}").json()
    assert (shown["state"], shown["revoked_at"]) == ("revoked", ended.json()["receipt"]["marketTime"])


def test_cancel__by_the_agent__withdraws_its_order(granted: World) -> None:
    granted.post(AGENT, ORDERS, agents_order(granted))
    cancel = cancel_body(granted, HOLDER, orderId=f"0x{1:032x}")
    cancel["signature"] = granted.sign(AGENT, "Cancel", cancel["cancel"])

    assert granted.post(AGENT, f"{ORDERS}/cancellations", cancel).status_code == 201
    assert granted.get(AGENT, f"{ORDERS}/0x{1:032x}").json()["state"] == "withdrawn"


def test_mandates__listed__by_the_account_and_by_the_agent(granted: World) -> None:
    later = granted.mandate_body(HOLDER, AGENT, nonce=2)
    assert granted.post(HOLDER, MANDATES, later).status_code == 201

    items = granted.get(HOLDER, MANDATES).json()["items"]
    states = {one["tag"]: one["state"] for one in items}
    assert states == {TAG: "replaced", mandate_tag(later["mandate"]): "granted"}
    assert granted.get(AGENT, MANDATES).json()["items"] == items
    assert granted.get("household 2", MANDATES).json()["items"] == []
    assert problem(granted.get("household 2", f"{MANDATES}/{TAG}")) == (404, "not-found")


def test_mandate__as_the_typed_data_shows_it__gives_the_same_digest(trading: World) -> None:
    message = mandate_message(HOLDER, AGENT)
    view = trading.client.post("/v1/typed-data/Mandate", json=message).json()

    assert view["digest"][:34] == TAG
    assert view["typed_data"]["message"]["markets"] == message["markets"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"markets": []}, "/mandate/markets"),
        ({"points": ["DE-LV1-P1"] * 2}, "/mandate/points"),
        ({"mtuBuyWh": -1}, "/mandate/mtuBuyWh"),
        ({"agent": "0x12"}, "/mandate/agent"),
    ],
)
def test_mandate__malformed__names_the_member(trading: World, changes: dict[str, Any], pointer: str) -> None:
    body = trading.mandate_body(HOLDER, AGENT)
    body["mandate"] |= changes

    answer = trading.post(HOLDER, MANDATES, body)

    assert answer.status_code in (400, 422)
    assert answer.json()["errors"][0]["pointer"] == pointer
