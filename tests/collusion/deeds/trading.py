"""Frauds with orders, with what the auction makes of them, and with what the grid is said to carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.eip712 import CANCEL, ORDER
from domain.hashing import keccak, to_hex
from tests.collusion.coalitions import HOUSEHOLD, Coalition
from tests.collusion.day import Payload, Step
from tests.collusion.deeds.terms import SOMEBODY
from tests.collusion.frauds import Kind, found, possible, proven, refused, tried
from tests.collusion.plot import Plot
from tests.collusion.programs import Cleared, Programs

NOON = 48
"""An MTU of the day in which neighbours trade with each other: its place in the session."""

BUYER, SELLER = "LV1.101-Load-1", "LV1.101-Load-9"
"""Points whose bid and whose ask are accepted in it."""

NOT_ITS_KEY = "but it is signed by"


def mtu_of(plot: Plot, at: int = NOON) -> int:
    """An MTU by its place in the session."""
    return int(plot.one("session.opened").payload["first_mtu"]) + at


def order_at(plot: Plot, point: str | None, at: int = NOON) -> Step:
    """The order of a point in an MTU."""
    mtu = mtu_of(plot, at)
    return plot.one("order.accepted", lambda payload: payload["point"] == point and payload["order"]["mtu"] == mtu)


def reorder(plot: Plot, step: Step, party: str, **members: Any) -> None:
    """An order with other members, signed anew by a party, or so it looks."""
    order = {**step.payload["order"], **members}
    digest = plot.day.domain("Market").digest(ORDER, order)
    plot.change(step, order=order, tag=to_hex(digest[:16]), signature=plot.sign(party, "Market", ORDER, order))


def revise(plot: Plot, step: Step, party: str, *, after: Step, market_time: int, **members: Any) -> None:
    """The next revision of an order."""
    fresh = plot.add("order.accepted", {**step.payload, "market_time": market_time}, after=after)
    revision = step.payload["order"]["revision"] + 1
    reorder(plot, fresh, party, revision=revision, salt=to_hex(keccak(b"revised")), **members)


@tried(
    Kind.ORDERS,
    "an order that its household never signed",
    dict.fromkeys((*SOMEBODY, Coalition.DSO), found(NOT_ITS_KEY)),
)
def invented_order(plot: Plot) -> None:
    """It buys at any price; the auction takes it in good faith."""
    like = order_at(plot, "LV1.101-Load-5")
    made = plot.add("order.accepted", dict(like.payload), after=like)
    fresh = {"orderId": to_hex(keccak(b"invented")[:16]), "salt": to_hex(keccak(b"salt"))}
    reorder(plot, made, "device/LV1.101-Load-5", limitPriceNeurPerWh=3_000_000, **fresh)
    Programs(plot).again([mtu_of(plot)])
    plot.settle()


@tried(
    Kind.ORDERS,
    "an order's limit raised",
    dict.fromkeys((*SOMEBODY, Coalition.DSO, Coalition.RETAILER), found(NOT_ITS_KEY)),
)
def changed_limit(plot: Plot) -> None:
    """Of a household outside."""
    reorder(plot, order_at(plot, "LV1.101-Load-8"), "device/LV1.101-Load-8", limitPriceNeurPerWh=3_000_000)
    Programs(plot).again([mtu_of(plot)])
    plot.settle()


@tried(
    Kind.ORDERS,
    "an accepted order left out of the book",
    dict.fromkeys((*SOMEBODY, Coalition.DSO), found("is left out")),
)
def left_out(plot: Plot) -> None:
    """A rival's ask; it stands in the journal."""
    tag = order_at(plot, SELLER).payload["tag"]
    Programs(plot).again([mtu_of(plot)], left_out=[tag])
    plot.settle()


@tried(
    Kind.ORDERS,
    "an accepted order that no record shows",
    dict.fromkeys(
        (Coalition.OPERATOR, Coalition.ATTESTERS), proven("whoever holds the receipt for it proves the omission")
    ),
)
def never_told(plot: Plot) -> None:
    """Its bidder has the operator's receipt."""
    plot.remove(order_at(plot, SELLER))
    Programs(plot).again([mtu_of(plot)])
    plot.settle()


@tried(Kind.ORDERS, "an order withdrawn by somebody else", dict.fromkeys(SOMEBODY, found(NOT_ITS_KEY)))
def withdrawn(plot: Plot) -> None:
    """A rival's ask, before the gate."""
    step = order_at(plot, SELLER)
    order = step.payload["order"]
    signed = {**{name: order[name] for name in ("market", "session", "mtu", "orderId")}, "revision": 1}
    told = {
        "market": step.payload["market"],
        **{name: order[name] for name in ("session", "mtu", "account")},
        "order_id": order["orderId"],
        "revision": 1,
        **{name: step.payload[name] for name in ("order_key", "tag", "market_time", "rules")},
    }
    signature = plot.sign(f"device/{SELLER}", "Market", CANCEL, signed)
    last = plot.all("order.accepted")[-1]
    plot.add("order.cancelled", {**told, "signature": signature}, after=last)
    Programs(plot).again([mtu_of(plot)])
    plot.settle()


@tried(Kind.ORDERS, "an order replaced after the gate", {Coalition.HOUSEHOLD: found("market_time")})
def after_the_gate(plot: Plot) -> None:
    """Its own, when all others are known."""
    step, last = order_at(plot, HOUSEHOLD), plot.all("order.accepted")[-1]
    gate = plot.one("session.opened").payload["session"]
    revise(plot, step, f"device/{HOUSEHOLD}", after=last, market_time=gate + 1, limitPriceNeurPerWh=174_000)
    Programs(plot).again([mtu_of(plot)])
    plot.settle()


@tried(
    Kind.ORDERS,
    "an order made with sight of all others, before the gate",
    dict.fromkeys(
        (Coalition.HOUSEHOLD, Coalition.RETAILER),
        possible("an order made with sight of the others', which the operator has before the gate"),
    ),
)
def with_sight(plot: Plot) -> None:
    """The last one of all, under its own key."""
    last = plot.all("order.accepted")[-1]
    point, party = (
        (HOUSEHOLD, f"device/{HOUSEHOLD}") if plot.coalition is Coalition.HOUSEHOLD else (None, "retailer-orders")
    )
    revise(
        plot,
        order_at(plot, point),
        party,
        after=last,
        market_time=last.payload["market_time"],
        limitPriceNeurPerWh=174_000,
    )
    Programs(plot).again([mtu_of(plot)])
    plot.settle()


# ---- the auction


NOT_THE_DSO = refused("RolesMissing")


def dearer(made: Cleared) -> None:
    """Everybody pays more."""
    assert made.price_neur_per_wh is not None
    made.price_neur_per_wh += 10_000


def one_lot_less(made: Cleared) -> None:
    """A bid and an ask trade one lot less than they could."""
    for side in (0, 1):
        at = next(at for at, word in enumerate(made.words) if word.side == side and word.accepted_lots)
        word = made.words[at]
        made.words[at] = word.with_result(cap_lots=word.cap_lots, accepted_lots=word.accepted_lots - 1)


def no_trade(made: Cleared) -> None:
    """Nothing is accepted."""
    made.words = [word.with_result(cap_lots=word.cap_lots, accepted_lots=0) for word in made.words]
    made.price_neur_per_wh = None


def given_up(made: Cleared) -> None:
    """The grid is said to carry nothing."""
    made.words, made.price_neur_per_wh, made.given_up = [], None, True


def seller_capped(made: Cleared) -> None:
    """A rival's ask is capped to nothing, and the next one takes its place."""
    no_trade(made)
    made.words = [
        word.with_result(cap_lots=0, accepted_lots=0) if word.side == 1 and word.limit_neur_per_wh == 172_100 else word
        for word in made.words
    ]


@tried(
    Kind.CLEARING,
    "another price than the auction's",
    dict.fromkeys((*SOMEBODY, Coalition.RETAILER), NOT_THE_DSO) | {Coalition.DSO: refused("ClearingPriceWrong")},
)
def other_price(plot: Plot) -> None:
    """Everybody pays more."""
    Programs(plot).again([mtu_of(plot)], twist=dearer)
    plot.settle()


@tried(
    Kind.CLEARING,
    "less traded than could be",
    {Coalition.OPERATOR: NOT_THE_DSO, Coalition.ATTESTERS: NOT_THE_DSO, Coalition.DSO: refused("ClearingNotOptimal")},
)
def suboptimal(plot: Plot) -> None:
    """One lot less."""
    Programs(plot).again([mtu_of(plot)], twist=one_lot_less)
    plot.settle()


@tried(
    Kind.CLEARING,
    "a trade withheld as if no orders met",
    {Coalition.OPERATOR: NOT_THE_DSO, Coalition.DSO: found("emptied_mask")},
)
def withheld_trade(plot: Plot) -> None:
    """The MTU is in no mask."""
    Programs(plot).again([mtu_of(plot)], twist=no_trade)
    plot.settle()


# ---- caps


def _said(plot: Plot, of_mtu: Payload, **members: Any) -> Callable[[Payload], None]:
    """A report that says something else of the MTU, and besides."""

    def change(report: Payload) -> None:
        report |= members
        report["mtus"][NOON] |= of_mtu

    return change


def cap(plot: Plot, export_cap_wh: int) -> Payload:
    """An envelope of the rival."""
    return {"point": SELLER, "mtu": mtu_of(plot), "import_cap_wh": None, "export_cap_wh": export_cap_wh}


@tried(
    Kind.CAPS,
    "a needless cap on one seller alone",
    {
        Coalition.OPERATOR: NOT_THE_DSO,
        Coalition.ATTESTERS: NOT_THE_DSO,
        Coalition.DSO: possible("what its grid carries, who gives way, and when nothing helps"),
    },
)
def needless_cap(plot: Plot) -> None:
    """Its ask is worth nothing then."""
    capped(plot)


def capped(plot: Plot, **members: Any) -> None:
    """The rival exports nothing in the MTU; the report says so, and why."""
    scheduled = plot.one("program.validated").payload["schedules"][SELLER][NOON]
    line = plot.one("area.defined").payload["grid_model"]["lines"][0]["code"]
    limit = {"kind": "line", "code": line, "quantity": "loading", "value_micro": 1_100_000, "limit_micro": 1_000_000}
    of_mtu = {"capped_points": 1, "capped_export_wh": -scheduled, "findings": [limit], "findings_count": 1}
    report = _said(plot, of_mtu | {"binding": [limit]}, **members)
    Programs(plot).again([mtu_of(plot)], envelopes=[cap(plot, 0)], report=report)
    plot.settle()


@tried(
    Kind.CAPS,
    "a seller's order capped without an envelope",
    {Coalition.OPERATOR: NOT_THE_DSO, Coalition.DSO: found("cap")},
)
def cap_without_envelope(plot: Plot) -> None:
    """The DSO signs caps that no envelope gives."""
    Programs(plot).again([mtu_of(plot)], twist=seller_capped)
    plot.settle()


@tried(
    Kind.CAPS,
    "an MTU given up though the grid carries it",
    {
        Coalition.OPERATOR: NOT_THE_DSO,
        Coalition.DSO: possible("what its grid carries, who gives way, and when nothing helps"),
    },
)
def needlessly_given_up(plot: Plot) -> None:
    """Nothing trades."""
    report = _said(plot, {"given_up": True, "rounds": 4})
    plot.change(plot.one("program.validated"), rounds=4)
    Programs(plot).again([mtu_of(plot)], twist=given_up, report=report, emptied=[mtu_of(plot)])
    plot.settle()


@tried(
    Kind.CAPS,
    "set-points that the DSO did not sign",
    dict.fromkeys((*SOMEBODY, Coalition.RETAILER), found("setpoints.issued")),
)
def other_setpoints(plot: Plot) -> None:
    """A rival's controller is told to export nothing."""
    plot.change(plot.one("setpoints.issued"), envelopes=[cap(plot, 0)])
