"""Frauds with prices, tax and fee accounts, and with when they were made."""

from __future__ import annotations

from tests.collusion.coalitions import HOUSEHOLD, Coalition
from tests.collusion.day import Step
from tests.collusion.frauds import Kind, found, possible, tried
from tests.collusion.plot import Plot

TEN_EUR_PER_KWH_NEUR_PER_WH = 10_000_000
SOMEBODY = (Coalition.OPERATOR, Coalition.FEW_ATTESTERS, Coalition.ATTESTERS)
ALL = (*SOMEBODY, Coalition.DSO, Coalition.RETAILER)
"""The coalitions of every row."""

NOT_SIGNED = "is signed by"


@tried(
    Kind.TERMS,
    "a supply price of 10 EUR/kWh that no retailer signed",
    dict.fromkeys((*SOMEBODY, Coalition.DSO, Coalition.HOUSEHOLD), found(NOT_SIGNED)),
)
def dear_supply(plot: Plot) -> None:
    """The tariff that all agreements are under."""
    plot.sign_term(plot.one("tariff.published"), supply_neur_per_wh=TEN_EUR_PER_KWH_NEUR_PER_WH)
    plot.settle()


@tried(
    Kind.TERMS,
    "the retailer's own price raised before the day",
    {Coalition.RETAILER: possible("its own prices for MTUs to come, published before")},
)
def dear_version(plot: Plot) -> None:
    """A version of its own tariff; DSO and registrar sign that theirs stay."""
    first = plot.one("tariff.published")
    members = {"version": 2, "supply_neur_per_wh": TEN_EUR_PER_KWH_NEUR_PER_WH}
    plot.further_term(first, after=first, honest=("dso", "registrar"), **members)
    plot.settle()


@tried(
    Kind.TERMS,
    "a grid fee raised before the day",
    dict.fromkeys((*SOMEBODY, Coalition.RETAILER), found("signers of GridPrices"))
    | {Coalition.DSO: possible("its own fees for MTUs to come, published before")},
)
def dear_grid(plot: Plot) -> None:
    """The DSO's part of the tariff."""
    plot.sign_term(plot.one("tariff.published"), grid_fee_neur_per_wh=500_000)
    plot.settle()


@tried(
    Kind.TERMS,
    "an agreement with a dearer retailer's tariff that the household never signed",
    dict.fromkeys(ALL, found(NOT_SIGNED)),
)
def agreement_nobody_signed(plot: Plot) -> None:
    """A dear tariff of the same retailer, and an agreement version that names it."""
    tariff, agreement = plot.one("tariff.published"), plot.one("agreement.signed")
    dear = {"tariff": "trap", "supply_neur_per_wh": TEN_EUR_PER_KWH_NEUR_PER_WH}
    plot.further_term(tariff, after=tariff, honest=("dso", "registrar"), **dear)
    plot.further_term(agreement, after=agreement, tariff="trap", version=2)
    plot.settle()


def account_changed(plot: Plot, kind: str) -> None:
    """What this party receives goes to an account of the operator's."""
    step = plot.one("participant.registered", lambda payload: payload["kind"] == kind)
    plot.sign_term(step, account=plot.day.address("accomplice"))
    plot.settle()


@tried(
    Kind.TERMS,
    "taxes to an account of the operator's",
    dict.fromkeys((*SOMEBODY, Coalition.RETAILER), found("signers of a Participation"))
    | {Coalition.DSO: found("the trust anchors hold")},
)
def tax_account(plot: Plot) -> None:
    """The tax account's registration names another one."""
    account_changed(plot, "tax")


@tried(
    Kind.TERMS,
    "grid fees to an account of the operator's",
    dict.fromkeys((*SOMEBODY, Coalition.RETAILER), found("signers of a Participation"))
    | {Coalition.DSO: found("the trust anchors hold")},
)
def fee_account(plot: Plot) -> None:
    """The DSO account's registration names another one."""
    account_changed(plot, "dso")


@tried(
    Kind.TERMS,
    "a higher levy",
    dict.fromkeys(ALL, found("signers of Taxes")) | {Coalition.REGISTRAR: possible("levy and VAT")},
)
def levy(plot: Plot) -> None:
    """The registrar's part of the tariff."""
    plot.sign_term(plot.one("tariff.published"), levy_neur_per_wh=900_000)
    plot.settle()


# ---- made after the fact: who is bound signs, too late


def late(plot: Plot) -> Step:
    """A place in the day when its first hours are metered already, after the anchor that shows it."""
    return plot.all("chain.included", lambda payload: payload["function"] == "anchor")[8]


TOO_LATE = "which decides on MTU"


@tried(
    Kind.BACKDATING,
    "a dearer tariff, made when half the day was metered",
    dict.fromkeys(SOMEBODY, found(NOT_SIGNED)) | {Coalition.RETAILER: found("begun has already MTU")},
)
def late_tariff(plot: Plot) -> None:
    """A version from the first MTU on."""
    members = {"version": 2, "supply_neur_per_wh": TEN_EUR_PER_KWH_NEUR_PER_WH}
    plot.further_term(plot.one("tariff.published"), after=late(plot), honest=("dso", "registrar"), **members)
    plot.settle()


@tried(
    Kind.BACKDATING,
    "an agreement, made when half the day was metered",
    dict.fromkeys((Coalition.ATTESTERS, Coalition.RETAILER, Coalition.HOUSEHOLD), found("begun has already MTU")),
)
def late_agreement(plot: Plot) -> None:
    """Of the household, under a tariff that is there."""
    tariff, agreement = plot.one("tariff.published"), plot.one("agreement.signed")
    cheap = {"tariff": "cheap", "supply_neur_per_wh": 1_000}
    plot.further_term(tariff, after=tariff, honest=("retailer", "dso", "registrar"), **cheap)
    plot.further_term(agreement, after=late(plot), tariff="cheap", version=2)
    plot.settle()


@tried(
    Kind.BACKDATING,
    "a household's key, registered after the gate, for an order before it",
    {Coalition.HOUSEHOLD: found("order_key")},
)
def late_key(plot: Plot) -> None:
    """Its order is signed with a key that is registered later."""
    key = plot.one("key.registered", lambda payload: payload["account"] == plot.day.address(f"account/{HOUSEHOLD}"))
    plot.move(key, after=plot.one("book.closed"))
