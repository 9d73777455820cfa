"""A day on which a household lets an agent trade a part of it, within limits, and ends that."""

from __future__ import annotations

from typing import Any, ClassVar

from domain.eip712 import CANCEL
from domain.hashing import keccak, text_id, to_hex
from domain.mandates import Mandate, revocation_digest
from domain.orders import Order
from domain.signing import SigningKey
from domain.words import Side
from scripts.community.day import ZONE, DayDriver
from scripts.community.town import Household
from scripts.community.trading import Tally
from scripts.serving.api_client import ApiClient, ApiRefused

AGENT = SigningKey(keccak(b"the agent of a household"))
MTU_LOTS, DAY_LOTS = 2, 3


def number(seed: str, size: int) -> bytes:
    """Bytes that are the same in every run."""
    return keccak(seed.encode())[:size]


class AgentDay(DayDriver):
    """A day on which one household has an agent."""

    seen: ClassVar[dict[str, Any]]
    FIRST: ClassVar[int] = 0
    """Households before it, by their place in the community, have no agent."""

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
        for house in self._town.households[self.FIRST :]:
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

    def _revoke(self) -> None:
        """The device ends the mandate."""
        named: dict[str, Any] = {"account": self.mandate.account, "agent": self.mandate.agent}
        tag = self.mandate.tag(self._town.domain("Market"))
        digest = revocation_digest(domain=self._town.domain("Market"), **named, mandate=tag)
        body = {"revocation": named | {"mandate": to_hex(tag)}, "signature": to_hex(self.house.device.sign(digest))}
        answer = self._town.client_of(self.house).post("/v1/mandates/revocations", body)
        type(self).seen["revoked"], type(self).seen["tag"] = answer["receipt"], to_hex(tag)

    def trade_later(self) -> Tally:
        """The agent tries the market that it may not trade in; then the device ends the mandate."""
        seen, (later, _) = type(self).seen, self._later[0]
        seen["refused"]["another market"] = self._order(self.mtus[2], 1, market=later)
        self._revoke()
        seen["refused"]["after its end"] = self._order(self.mtus[2], 2)
        seen["orders"], seen["mandates"] = self.agent.items("/v1/orders"), self.agent.items("/v1/mandates")
        seen["account"] = self.mandate.account
        return super().trade_later()


class EndsBeforeTheGate(AgentDay):
    """The device ends the mandate before the day's one gate; households that move or change have no agent."""

    FIRST = 2

    def trade(self) -> Tally:
        """Its end follows its orders."""
        tally = super().trade()
        self._revoke()
        type(self).seen["refused"]["after its end"] = self._order(self.mtus[2], 2)
        return tally

    def trade_later(self) -> Tally:
        """There is no later gate."""
        return DayDriver.trade_later(self)
