"""UC4: a household lets an agent trade a part of its day, within limits, and ends it; the day's evidence is clean.

Its device signs the mandate; the agent logs in with its own key, buys in two MTUs, and is refused beyond each limit.
Once the first market has cleared the device ends the mandate. The second market trades on without the agent.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.hashing import from_hex, to_hex
from scripts.serving.embedded.demo_day import DayResult
from tests.functional.agent_day import AGENT, AgentDay
from tests.functional.later_gates import check_clean, facts

pytestmark = pytest.mark.functional


def test_agents__whole_day__every_bundle_is_clean(two_auctions_day: tuple[DayResult, Path]) -> None:
    check_clean(*two_auctions_day)


def test_agents__beyond_each_limit__are_refused_by_its_name(two_auctions_day: tuple[DayResult, Path]) -> None:
    seen = AgentDay.seen

    assert (seen["taken"], seen["withdrawn"], seen["instead"]) == (["accepted"] * 2, "accepted", "accepted")
    assert seen["refused"] == {
        "energy of the MTU": "mandate-energy",
        "energy of the day": "mandate-energy",
        "price": "mandate-price",
        "before the mandate": "mandate-mtu",
        "another account": "not-allowed",
        "another market": "mandate-market",
        "after its end": "mandate-ended",
    }


def test_agents__what_it_bought__is_billed_to_the_household_and_within_the_mandate(
    two_auctions_day: tuple[DayResult, Path],
) -> None:
    seen, out = AgentDay.seen, two_auctions_day[1]

    (granted,), (revoked,) = facts(out, "mandate.granted"), facts(out, "mandate.revoked")
    orders = [item for item in facts(out, "order.accepted") if "mandate" in item]
    assert {item["mandate"] for item in orders} == {seen["tag"]} == {granted["tag"], revoked["mandate"]}
    assert {item["order"]["account"] for item in orders} == {seen["account"]}
    assert [(seen[name]["kind"], seen[name]["tag"]) for name in ("granted", "revoked")] == [
        (3, granted["tag"]),
        (4, revoked["tag"]),
    ]
    bought = [order["accepted_lots"] for order in seen["orders"] if order["state"] != "withdrawn"]
    assert sum(bought) > 0 and from_hex(seen["tag"])
    assert {order["order_key"] for order in seen["orders"]} == {to_hex(AGENT.address)}
    assert [item["state"] for item in seen["mandates"]] == ["revoked"]
