"""A day on which a household trades through an agent, and operators who let the agent do more than it may."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from domain.eip712 import MANDATE_REVOCATION
from domain.hashing import ZERO_HASH, to_hex
from domain.mandates import Mandate, revocation_digest
from domain.members import noun_json
from domain.orders import tag_of
from domain.words import Side
from tests.unit.verifier.fake_chain import AREA, COUNT, FIRST, MARKET, address, key_of, sign
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.trading import ORDER_RULES
from verifier.verdict import CLEAN, WRONG, Report
from verifier.verify import verify

pytestmark = pytest.mark.unit

GRANTED, REVOKED = 3, 4
"""Kinds of a receipt."""

AGENT = "agent"

MANDATE = Mandate(
    account=address("h3"),
    agent=address(AGENT),
    points=("p3",),
    markets=(MARKET,),
    highest_buy_neur_per_wh=200_000,
    lowest_sell_neur_per_wh=100_000,
    mtu_buy_wh=330,
    mtu_sell_wh=0,
    day_buy_wh=450,
    day_sell_wh=0,
    zone="Europe/Berlin",
    from_mtu=FIRST,
    to_mtu=FIRST + COUNT,
    nonce=7,
)
"""What h3 lets its agent do: just what the agent does on the small day."""


class AgentDay(Day):
    """h3's bids are its agent's; before the gate it ends the mandate, and buys with its own key again."""

    def __init__(self, mandate: Mandate = MANDATE) -> None:
        super().__init__()
        self.mandate = mandate

    def trade(self) -> None:
        """Grant, then trade."""
        self.grant("h3", self.mandate, by=self.devices["h3"])
        self.agents["h3"] = (AGENT, self.tag)
        super().trade()

    def nominate(self, who: str, point: str, **changes: Any) -> None:
        """The last step before the gate: the mandate ends."""
        self.revoke()
        super().nominate(who, point, **changes)

    @property
    def tag(self) -> str:
        """That of the mandate."""
        return to_hex(self.mandate.tag(self.market_domain))

    def grant(self, who: str, mandate: Mandate, *, by: str) -> None:
        """Record a mandate as signed by a party's device."""
        digest = mandate.digest(self.market_domain)
        granted = {
            "mandate": noun_json(mandate),
            "signature": to_hex(key_of(by).sign(digest)),
            "order_key": address(self.devices[who]),
            "tag": to_hex(tag_of(digest)),
            "market_time": self._before_the_gate(),
            "rules": ORDER_RULES,
        }
        self._receipted("mandate.granted", granted, GRANTED)

    def revoke(self, *, by: str = "h3-key") -> None:
        """Record its end, and let the household sign for itself again."""
        self.agents.pop("h3", None)
        ended = {"account": self.mandate.account, "agent": self.mandate.agent, "mandate": bytes.fromhex(self.tag[2:])}
        digest = revocation_digest(domain=self.market_domain, **ended)
        revoked = {
            **ended,
            "mandate": self.tag,
            "signature": sign(by, MANDATE_REVOCATION, {**ended}, "Market"),
            "order_key": address(by),
            "tag": to_hex(tag_of(digest)),
            "market_time": self._before_the_gate(),
            "rules": ORDER_RULES,
        }
        self._receipted("mandate.revoked", revoked, REVOKED)

    def _receipted(self, kind: str, payload: dict[str, Any], receipt: int) -> None:
        sequence = self.fact(kind, payload)
        time = payload["market_time"]
        self.receipt(sequence, 0, payload["tag"], 0, receipt, time, market=ZERO_HASH, session=0)


def verdict(day: Any, bundle: str = "auditor") -> Report:
    """The verifier's of a bundle of the day, h3's own where it is personal."""
    files = day.personal("h3", "household", "p3") if bundle == "personal" else getattr(day, bundle)()
    return verify(files, day.anchors(), day.chain.rpc)


def messages(report: Report) -> str:
    """All findings as text."""
    return "\n".join(item.message for item in report.findings)


@pytest.fixture(scope="module")
def honest() -> Any:
    """The day as it should be."""
    return AgentDay().run()


@pytest.mark.parametrize("bundle", ["auditor", "public", "personal"])
def test_verify__day_with_an_agent__is_clean(honest: Any, bundle: str) -> None:
    report = verdict(honest, bundle)

    assert (messages(report), report.exit_code) == ("", CLEAN)
    assert report.totals.mandates == (0 if bundle == "public" else 1)


@dataclass
class Fraud:
    """What an operator lets pass, and how the verifier says so."""

    says: str
    changes: dict[str, Any] = field(default_factory=dict)
    day: type[AgentDay] = AgentDay
    personal: bool = True  # whether h3's own bundle shows it too

    def run(self) -> Any:
        """The day as it was booked."""
        return self.day(replace(MANDATE, **self.changes)).run()


class AfterRevocation(AgentDay):
    """An order that the agent signs after its mandate has ended is booked."""

    def order(self, who: str, mtu: int, *args: Any, **names: Any) -> str:
        """The end comes before the second MTU's orders."""
        if (who, mtu, names.get("revision")) == ("h3", 1, 1):
            agent = self.agents["h3"]
            self.revoke()
            self.agents["h3"] = agent
        return super().order(who, mtu, *args, **names)

    def nominate(self, who: str, point: str, **changes: Any) -> None:
        """It has ended already."""
        self.agents.clear()
        Day.nominate(self, who, point, **changes)


class Forged(AgentDay):
    """The agent signs its own mandate."""

    def grant(self, who: str, mandate: Mandate, *, by: str) -> None:
        """With its own key."""
        super().grant(who, mandate, by=AGENT)


class GrantedLater(AgentDay):
    """The mandate is made up once the agent has traded."""

    def trade(self) -> None:
        """The agent trades without one."""
        self.agents["h3"] = (AGENT, self.tag)
        Day.trade(self)

    def nominate(self, who: str, point: str, **changes: Any) -> None:
        """Then there is one."""
        self.grant("h3", self.mandate, by=self.devices["h3"])
        super().nominate(who, point, **changes)


class Untold(AgentDay):
    """The agent signs as if it were the account's own key."""

    def _mandate(self, who: str) -> dict[str, Any]:
        return {}


class OfAnotherAccount(AgentDay):
    """The agent of h3 sells for h1 as well."""

    def order(self, who: str, mtu: int, *args: Any, **names: Any) -> str:
        """As agent of both."""
        if "h3" in self.agents:
            self.agents["h1"] = self.agents["h3"]
        return super().order(who, mtu, *args, **names)


class KeyReplaced(AgentDay):
    """The household took another key, and the agent of the old one goes on."""

    def order(self, who: str, mtu: int, *args: Any, **names: Any) -> str:
        """The key changes before the second MTU's orders."""
        if (who, mtu, names.get("revision")) == ("h3", 1, 1):
            self.register_key("h3", "p3", "h3-fresh", FIRST)
        return super().order(who, mtu, *args, **names)


class EndedByAStranger(AgentDay):
    """Somebody else ends the mandate."""

    def revoke(self, *, by: str = "h1-key") -> None:
        """With another household's key."""
        super().revoke(by="h1-key")


class CancelsAnothers(AgentDay):
    """An agent withdraws what the household itself had ordered."""

    def trade(self) -> None:
        """An order of the household's own first."""
        own = self.order("h3", 4, Side.BID, 100_000, 1, order_id="z")
        self.grant("h3", self.mandate, by=self.devices["h3"])
        self.agents["h3"] = (AGENT, self.tag)
        self.cancel("h3", own)
        Day.trade(self)


FRAUDS = {
    "order after revocation": Fraud("counts no more", day=AfterRevocation),
    "beyond the price": Fraud(
        "the highest price at which its mandate buys is 149000", {"highest_buy_neur_per_wh": 149_000}
    ),
    "a sale below the price": Fraud("is not in mandate", {"points": ("p1",), "lowest_sell_neur_per_wh": 1}),
    "beyond the energy of an MTU": Fraud("allows 320", {"mtu_buy_wh": 320}),
    "beyond the energy of a day": Fraud("allows 340", {"day_buy_wh": 340}),
    "another point": Fraud("point p3 is not in mandate", {"points": ("p1",)}),
    "no point": Fraud("point p3 is not in mandate", {"points": ()}),
    "another market": Fraud("is not in mandate", {"markets": (f"{AREA}/ID",)}),
    "before its first MTU": Fraud(f"MTU {FIRST} is not in mandate", {"from_mtu": FIRST + 1}),
    "after its last MTU": Fraud(f"MTU {FIRST + 1} is not in mandate", {"to_mtu": FIRST + 1}),
    "forged": Fraud("but Mandate is signed by", day=Forged),
    "recorded after the order": Fraud("the last one for", day=GrantedLater),
    "not told": Fraud("valid for", day=Untold, personal=False),
    "of another account": Fraud("the last one for", day=OfAnotherAccount, personal=False),
    "of a key that was replaced": Fraud("order_key of the mandate", day=KeyReplaced, personal=False),
    "ended by a stranger": Fraud("is no order key of", day=EndedByAStranger, personal=False),
    "withdraws another's order": Fraud("an agent withdraws its own orders", day=CancelsAnothers),
    "agent that is an order key": Fraud("agents that are accounts or order keys", {"agent": address("h1-key")}),
}


@pytest.mark.parametrize("name", FRAUDS)
def test_verify__agent_beyond_its_mandate__is_wrong(name: str) -> None:
    fraud = FRAUDS[name]
    day = fraud.run()

    report = verdict(day)
    assert (report.exit_code, fraud.says in messages(report)) == (WRONG, True), messages(report)
    if fraud.personal:
        assert verdict(day, "personal").exit_code == WRONG
