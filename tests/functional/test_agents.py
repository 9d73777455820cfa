"""UC4: a household lets an agent trade a part of its day, within limits, and ends it; the day's evidence is clean.

Its device signs the mandate; the agent logs in with its own key, buys in two MTUs, and is refused beyond each limit.
Once the first market has cleared the device ends the mandate. The second market trades on without the agent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from domain.eip712 import CANCEL
from domain.hashing import from_hex, keccak, text_id, to_hex
from domain.mandates import Mandate, revocation_digest
from domain.orders import Order
from domain.signing import SigningKey
from domain.words import Side
from scripts.community.day import ZONE, DayDriver
from scripts.community.town import Household
from scripts.community.trading import Tally
from scripts.serving.api_client import ApiClient, ApiRefused
from scripts.serving.embedded.demo_day import DayResult
from tests.functional.later_gates import LATER_GATE, check_clean, facts, later_day

pytestmark = pytest.mark.functional

AGENT = SigningKey(keccak(b"the agent of a household"))
MTU_LOTS, DAY_LOTS = 2, 3


def number(seed: str, size: int) -> bytes:
    """Bytes that are the same in every run."""
    return keccak(seed.encode())[:size]


class AgentDay(DayDriver):
    """A day on which one household has an agent."""

    seen: ClassVar[dict[str, Any]]

    def trade(self) -> Tally:
        """Orders as ever; then the agent's."""
        tally = super().trade()
        self.house, self.mtus = self._buyer()
        self.mandate = self._grant()
        self.agent = self._town.public.of(AGENT)
        first, second, third = self.mtus
        seen = type(self).seen
        seen["taken"] = [self._order(first, MTU_LOTS), self._order(second, 1)]
        dear = self.mandate.highest_buy_neur_per_wh + self._town.band.tick
        seen["refused"] = {
            "energy of the MTU": self._order(first, 1),
            "energy of the day": self._order(third, 1),
            "price": self._order(third, 1, limit_neur_per_wh=dear),
            "before the mandate": self._order(self.mandate.from_mtu - 1, 1),
            "another account": self._order(third, 1, account=self._town.households[self.house.at - 1].account.address),
        }
        seen["withdrawn"] = self._cancel(second)
        seen["instead"] = self._order(third, 1)
        return tally

    def _buyer(self) -> tuple[Household, list[int]]:
        """A household that bids in four MTUs, and the last three: there the agent's bids meet no ask of its own."""
        for house in self._town.households:
            orders = self._town.client_of(house).items("/v1/orders")
            mtus = sorted(order["mtu"] for order in orders if order["side"] == "bid")
            if len(mtus) >= 4:
                return house, mtus[1:4]
        raise AssertionError("no household bids in four MTUs")

    def _grant(self) -> Mandate:
        """What the household lets its agent do, signed by its device."""
        lot_wh, house = self._town.config.lot_wh, self.house
        mandate = Mandate(
            account=to_hex(house.account.address),
            agent=to_hex(AGENT.address),
            points=(house.point.code,),
            markets=(self._market,),
            highest_buy_neur_per_wh=self._town.band.supply // self._town.band.tick * self._town.band.tick,
            lowest_sell_neur_per_wh=0,
            mtu_buy_wh=MTU_LOTS * lot_wh,
            mtu_sell_wh=0,
            day_buy_wh=DAY_LOTS * lot_wh,
            day_sell_wh=0,
            zone=ZONE,
            from_mtu=self.mtus[0],
            to_mtu=self.mtus[-1] + 1,
            nonce=1,
        )
        values = {name: to_hex(item) if isinstance(item, bytes) else item for name, item in mandate.values().items()}
        signature = to_hex(house.device.sign(mandate.digest(self._town.domain("Market"))))
        answer = self._town.client_of(house).post("/v1/mandates", {"mandate": values, "signature": signature})
        type(self).seen["granted"] = answer["receipt"]
        return mandate

    def _order(self, mtu: int, lots: int, *, market: str | None = None, **changes: Any) -> str:
        """An order of the agent's: "accepted", or the code of the problem."""
        code = market or self._market
        members = {
            "market": text_id(code),
            "session": self.plan.gate,
            "mtu": mtu,
            "side": Side.BID,
            "limit_neur_per_wh": self.mandate.highest_buy_neur_per_wh,
            "quantity_lots": lots,
            "account": self.house.account.address,
            "order_id": number(f"{code} {mtu} {lots} {changes}", 16),
            "revision": 0,
            "salt": number(f"salt {code} {mtu} {lots} {changes}", 32),
        }
        order = Order(**members | changes)
        signature = to_hex(AGENT.sign(order.digest(self._town.domain("Market"))))
        return self._outcome(self.agent, "/v1/orders", {"order": order.as_json(), "signature": signature})

    def _cancel(self, mtu: int) -> str:
        """The agent withdraws its order of one lot in an MTU."""
        named = {"market": to_hex(text_id(self._market)), "session": self.plan.gate, "mtu": mtu}
        message = named | {"orderId": to_hex(number(f"{self._market} {mtu} 1 {{}}", 16)), "revision": 1}
        signature = to_hex(AGENT.sign(self._town.domain("Market").digest(CANCEL, message)))
        return self._outcome(self.agent, "/v1/orders/cancellations", {"cancel": message, "signature": signature})

    def _outcome(self, client: ApiClient, path: str, body: Any) -> str:
        try:
            return str(client.post(path, body)["status"])
        except ApiRefused as refusal:
            return refusal.problem.partition("/problems/")[2].partition('"')[0]

    def trade_later(self) -> Tally:
        """The agent tries the market that it may not trade in; then the device ends the mandate."""
        seen, (later, _) = type(self).seen, self._later[0]
        seen["refused"]["another market"] = self._order(self.mtus[2], 1, market=later)
        named: dict[str, Any] = {"account": self.mandate.account, "agent": self.mandate.agent}
        tag = self.mandate.tag(self._town.domain("Market"))
        digest = revocation_digest(domain=self._town.domain("Market"), **named, mandate=tag)
        body = {"revocation": named | {"mandate": to_hex(tag)}, "signature": to_hex(self.house.device.sign(digest))}
        answer = self._town.client_of(self.house).post("/v1/mandates/revocations", body)
        seen["revoked"], seen["tag"] = answer["receipt"], to_hex(tag)
        seen["refused"]["after its end"] = self._order(self.mtus[2], 2)
        seen["orders"], seen["mandates"] = self.agent.items("/v1/orders"), self.agent.items("/v1/mandates")
        seen["account"] = self.mandate.account
        return super().trade_later()


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[DayResult, Path]:
    """A summer day of the smallest grid with two markets."""
    out = tmp_path_factory.mktemp("agents") / "out"
    AgentDay.seen = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.serving.embedded.demo_day.DayDriver", AgentDay)
        return later_day(out, second_auction_gate_local=LATER_GATE), out


def test_agents__whole_day__every_bundle_is_clean(day: tuple[DayResult, Path]) -> None:
    check_clean(*day)


def test_agents__beyond_each_limit__are_refused_by_its_name(day: tuple[DayResult, Path]) -> None:
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


def test_agents__what_it_bought__is_billed_to_the_household_and_within_the_mandate(day: tuple[DayResult, Path]) -> None:
    seen, out = AgentDay.seen, day[1]

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
