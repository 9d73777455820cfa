"""Frauds with agents of households: mandates nobody signed, and agents that trade beyond theirs."""

from __future__ import annotations

from typing import Any

from domain.eip712 import CANCEL, SCHEDULE
from domain.facts import MandateGranted
from domain.facts.base import read_fact
from domain.hashing import canonical_json, keccak, text_id, to_hex
from domain.mandates import Mandate
from domain.members import noun_json
from domain.orders import schedule_hash
from tests.collusion.coalitions import Coalition
from tests.collusion.day import Step
from tests.collusion.deeds.terms import SOMEBODY
from tests.collusion.deeds.trading import NOT_ITS_KEY, reorder
from tests.collusion.frauds import Day, End, Kind, found, possible, proven, tried
from tests.collusion.plot import Plot
from tests.collusion.programs import Programs

OTHERS = "LV1.101-Load-5"
"""The point of a household that has no agent."""

DEAR_NEUR_PER_WH = 3_000_000

BESIDE = (*SOMEBODY, Coalition.DSO, Coalition.RETAILER)
"""Coalitions without the agent: it signs nothing for them."""


def by_agent(end: End) -> dict[Coalition, End]:
    """How it ends with the agent's key; without it nothing can be signed as the agent."""
    return dict.fromkeys((Coalition.OPERATOR, Coalition.ATTESTERS), found(NOT_ITS_KEY)) | {Coalition.AGENT: end}


def orders_of(plot: Plot) -> list[Step]:
    """The agent's orders."""
    return plot.all("order.accepted", lambda payload: "mandate" in payload)


def clear_again(plot: Plot, *steps: Step) -> None:
    """The books of these orders' MTUs are closed and cleared as they stand now, and what follows is settled."""
    Programs(plot).again(sorted({step.payload["order"]["mtu"] for step in steps}))
    plot.settle()


def further_order(plot: Plot, party: str, *, after: Step, point: str | None = None, **members: Any) -> Step:
    """One more order like the agent's first, signed by a party, or so it looks."""
    like = orders_of(plot)[0]
    told = like.payload if point is None else {**like.payload, "point": point}
    step = plot.add("order.accepted", told, after=after)
    fresh = {"orderId": to_hex(keccak(b"further")[:16]), "salt": to_hex(keccak(b"salt"))}
    reorder(plot, step, party, **fresh | members)
    return step


def mandate_for(plot: Plot, step: Step, party: str, **members: Any) -> None:
    """A mandate with other members, signed by a party, or so it looks."""
    fact = read_fact(step.kind, canonical_json(step.payload))
    assert isinstance(fact, MandateGranted)
    mandate = Mandate(**{name: getattr(fact.mandate, name) for name in Mandate.__dataclass_fields__} | members)
    domain = plot.day.domain("Market")
    key = plot.day.keys[party if party in plot.held else "operator"]
    signature = to_hex(key.sign(mandate.digest(domain)))
    plot.change(step, mandate=noun_json(mandate), tag=to_hex(mandate.tag(domain)), signature=signature)


def revised(plot: Plot, order: Step, *, after: Step) -> Step:
    """The agent's next revision of an order, a little cheaper."""
    step = plot.add("order.accepted", order.payload, after=after)
    limit = order.payload["order"]["limitPriceNeurPerWh"] - 100
    reorder(plot, step, "agent", revision=1, salt=to_hex(keccak(b"revised")), limitPriceNeurPerWh=limit)
    return step


@tried(
    Kind.MANDATES,
    "a mandate that its household never signed",
    dict.fromkeys((*BESIDE, Coalition.AGENT), found("Mandate is signed by")),
    Day.LIVED,
)
def mandate_nobody_signed(plot: Plot) -> None:
    """For a household that has no agent, and an order under it."""
    first, other = plot.one("mandate.granted"), f"device/{OTHERS}"
    account = plot.day.address(f"account/{OTHERS}")
    step = plot.add(first.kind, {**first.payload, "order_key": plot.day.address(other)}, after=first)
    mandate_for(plot, step, other, account=account, points=(OTHERS,), nonce=9)
    order = further_order(plot, "agent", after=step, point=OTHERS, account=account)
    plot.change(order, mandate=step.payload["tag"])
    clear_again(plot, order)


@tried(
    Kind.MANDATES,
    "a mandate for ten times the energy that its household allowed",
    dict.fromkeys((Coalition.OPERATOR, Coalition.ATTESTERS, Coalition.AGENT), found("Mandate is signed by")),
    Day.LIVED,
)
def mandate_widened(plot: Plot) -> None:
    """And an order that makes use of it."""
    step, order = plot.one("mandate.granted"), orders_of(plot)[0]
    was = step.payload["tag"]
    mandate_for(plot, step, "device/LV1.101-Load-3", mtu_buy_wh=200, day_buy_wh=300)
    for item in (*orders_of(plot), *plot.all("order.cancelled", lambda payload: payload.get("mandate") == was)):
        plot.change(item, mandate=step.payload["tag"])
    reorder(plot, order, "agent", quantityLots=10)
    clear_again(plot, order)


@tried(
    Kind.MANDATES,
    "an agent's bid above the price of its mandate",
    by_agent(found("the highest price at which its mandate buys is")),
    Day.LIVED,
)
def above_the_price(plot: Plot) -> None:
    """At any price."""
    order = orders_of(plot)[0]
    reorder(plot, order, "agent", limitPriceNeurPerWh=DEAR_NEUR_PER_WH)
    clear_again(plot, order)


@tried(
    Kind.MANDATES,
    "more energy bought by an agent in an MTU than its mandate allows",
    by_agent(found("Wh that agent")),
    Day.LIVED,
)
def above_the_mtu(plot: Plot) -> None:
    """One lot more."""
    order = orders_of(plot)[0]
    reorder(plot, order, "agent", quantityLots=order.payload["order"]["quantityLots"] + 1)
    clear_again(plot, order)


@tried(
    Kind.MANDATES,
    "more energy bought by an agent in a day than its mandate allows",
    by_agent(found("Wh that agent")),
    Day.LIVED,
)
def above_the_day(plot: Plot) -> None:
    """In each MTU no more than there."""
    last = orders_of(plot)[-1]
    reorder(plot, last, "agent", quantityLots=last.payload["order"]["quantityLots"] + 1)
    clear_again(plot, last)


@tried(
    Kind.MANDATES,
    "an agent's order for an MTU that its mandate does not hold",
    by_agent(found("is not in mandate")),
    Day.LIVED,
)
def outside_its_time(plot: Plot) -> None:
    """The next one after its last."""
    after = orders_of(plot)[-1]
    clear_again(plot, further_order(plot, "agent", after=after, mtu=after.payload["order"]["mtu"] + 1))


@tried(
    Kind.MANDATES,
    "an agent's order for a household that gave it no mandate",
    by_agent(found("the last one for")),
    Day.LIVED,
)
def for_another(plot: Plot) -> None:
    """Under the mandate of the one that did."""
    account = plot.day.address(f"account/{OTHERS}")
    after = orders_of(plot)[-1]
    clear_again(plot, further_order(plot, "agent", after=after, point=OTHERS, account=account))


@tried(
    Kind.MANDATES,
    "an agent's order told as its household's own",
    dict.fromkeys((*SOMEBODY, Coalition.AGENT), found("valid for")),
    Day.LIVED,
)
def told_as_its_own(plot: Plot) -> None:
    """No mandate stands beside it, so none limits it."""
    order = orders_of(plot)[0]
    order.payload = {name: value for name, value in order.payload.items() if name != "mandate"}
    clear_again(plot, order)


@tried(
    Kind.MANDATES,
    "an agent's order recorded after its mandate had ended",
    by_agent(found("counts no more")),
    Day.LIVED,
)
def after_its_end(plot: Plot) -> None:
    """Before the gate, and within what the mandate had allowed."""
    ended = plot.one("mandate.revoked")
    mtu = orders_of(plot)[1].payload["order"]["mtu"]
    clear_again(plot, further_order(plot, "agent", after=ended, mtu=mtu, quantityLots=1))


@tried(
    Kind.MANDATES,
    "the end of a mandate that no record shows",
    dict.fromkeys(
        (Coalition.OPERATOR, Coalition.ATTESTERS, Coalition.AGENT),
        proven("whoever holds the receipt for it proves the omission"),
    ),
    Day.LIVED,
)
def end_never_told(plot: Plot) -> None:
    """Its household has the operator's receipt; an agent in it has traded on, within the mandate."""
    ended, after = plot.one("mandate.revoked"), orders_of(plot)[-1]
    plot.remove(ended)
    if plot.coalition is Coalition.AGENT:
        clear_again(plot, revised(plot, after, after=after))


@tried(
    Kind.MANDATES,
    "the end of a mandate that its household never signed",
    dict.fromkeys(BESIDE, found("MandateRevocation is signed by")),
    Day.LIVED,
)
def end_nobody_signed(plot: Plot) -> None:
    """It comes before the agent has traded; what it signs then is not taken."""
    ended, orders = plot.one("mandate.revoked"), orders_of(plot)
    signature = to_hex(plot.day.keys["operator"].sign(keccak(b"another end")))
    plot.change(ended, signature=signature)
    plot.remove(*orders[2:])
    plot.move(ended, after=orders[1])
    clear_again(plot, orders[2])


@tried(
    Kind.MANDATES,
    "a mandate recorded after the orders that stand under it",
    dict.fromkeys((*SOMEBODY, Coalition.AGENT), found("the last one for")),
    Day.LIVED,
)
def granted_later(plot: Plot) -> None:
    """Its household signed it."""
    plot.move(plot.one("mandate.granted"), after=orders_of(plot)[-1])


@tried(
    Kind.MANDATES,
    "an order of its household withdrawn by the agent",
    by_agent(found("an agent withdraws its own orders")),
    Day.LIVED,
)
def withdraws_anothers(plot: Plot) -> None:
    """The household itself had made it."""
    like = orders_of(plot)[0].payload
    own = plot.one(
        "order.accepted",
        lambda payload: (
            "mandate" not in payload
            and payload["point"] == like["point"]
            and payload["order"]["mtu"] == like["order"]["mtu"]
        ),
    )
    order = own.payload["order"]
    signed = {**{name: order[name] for name in ("market", "session", "mtu", "orderId")}, "revision": 1}
    told = {
        "market": own.payload["market"],
        **{name: order[name] for name in ("session", "mtu", "account")},
        "order_id": order["orderId"],
        "revision": 1,
        "order_key": like["order_key"],
        "tag": own.payload["tag"],
        "market_time": like["market_time"],
        "rules": like["rules"],
        "mandate": like["mandate"],
    }
    signature = plot.sign("agent", "Market", CANCEL, signed)
    plot.add("order.cancelled", {**told, "signature": signature}, after=orders_of(plot)[0])
    clear_again(plot, own)


@tried(
    Kind.MANDATES,
    "a household's schedule nominated by its agent",
    dict.fromkeys((Coalition.OPERATOR, Coalition.ATTESTERS, Coalition.AGENT), found("valid for")),
    Day.LIVED,
)
def nominates(plot: Plot) -> None:
    """No mandate lets it."""
    point = orders_of(plot)[0].payload["point"]
    mine = plot.one("schedule.nominated", lambda payload: payload["point"] == point).payload
    values = {
        "market": text_id(mine["market"]),
        "session": mine["session"],
        "firstMtu": mine["first_mtu"],
        "point": text_id(point),
        "valuesHash": schedule_hash(mine["net_wh"]),
        "revision": mine["revision"] + 1,
    }
    signature = plot.sign("agent", "Market", SCHEDULE, values)
    told = {"revision": mine["revision"] + 1, "order_key": plot.day.address("agent"), "signature": signature}
    plot.add("schedule.nominated", mine | told, after=plot.one("mandate.revoked"))


@tried(
    Kind.MANDATES,
    "an agent's order within its mandate, made with sight of all others",
    {Coalition.AGENT: possible("an order within its mandate, made with sight of the others'")},
    Day.LIVED,
)
def within_its_mandate(plot: Plot) -> None:
    """The last one of all; the mandate has not ended yet."""
    last, order = plot.all("order.accepted")[-1], orders_of(plot)[0]
    plot.move(plot.one("mandate.revoked"), after=last)
    clear_again(plot, revised(plot, order, after=last))
