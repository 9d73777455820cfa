"""Frauds with agreements, places and meters that end: who ends them, when, and whether the bills heed it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from domain.hashing import keccak, to_hex
from domain.signed_terms import UNSIGNED
from settling.package import Basis
from settling.settlement import Settled, settle
from settling.unpacking import inputs_of
from tests.collusion.basis import basis_of
from tests.collusion.coalitions import HOUSEHOLD, Coalition
from tests.collusion.day import Step
from tests.collusion.deeds.metering import attest_again, meter_of
from tests.collusion.deeds.money import NO_M
from tests.collusion.deeds.terms import NOT_SIGNED, SOMEBODY, late
from tests.collusion.deeds.trading import NOON, NOT_ITS_KEY, mtu_of, order_at, reorder
from tests.collusion.frauds import Day, Kind, found, possible, proven, tried
from tests.collusion.plot import Plot
from tests.collusion.programs import Programs

STAYS = "LV1.101-Load-4"
"""The point of a household that neither leaves nor changes."""

NOT_THE_DSO = "signers of a TermEnd"
TOO_SOON = "anchored before MTU"


def end(
    plot: Plot,
    term: str,
    name: str,
    *,
    by: Collection[str],
    account: str | None,
    retailer: str | None = None,
    at: int = NOON,
    after: Step | None = None,
) -> Step:
    """One more end, of an MTU by its place in the session, signed by these parties, or so it looks; told in time
    unless `after` says where."""
    told = {
        "term": term,
        "name": name,
        "area": plot.one("period.declared").payload["area"],
        "account": account,
        "retailer": retailer,
        "end_mtu": mtu_of(plot, at),
    }
    signed = {f"{who}_signature": to_hex(UNSIGNED) if who in by else None for who in ("account", "retailer", "dso")}
    step = plot.add("term.ended", told | signed, after=after or plot.one("policy.published"))
    plot.sign_term(step)
    return step


def agreement_of(plot: Plot, point: str) -> dict[str, str]:
    """A household's first agreement, as an end names it."""
    account = plot.day.address(f"account/{point}")
    signed = plot.one("agreement.signed", lambda payload: payload["account"] == account).payload
    return {"name": signed["agreement"], "account": account, "retailer": signed["retailer"]}


def place_of(plot: Plot, point: str) -> dict[str, str]:
    """A household's part, as an end names it."""
    account = plot.day.address(f"account/{point}")
    party = plot.one("participant.registered", lambda payload: payload["account"] == account).payload
    return {"name": party["participant"], "account": account}


def ended(plot: Plot, term: str) -> Step:
    """The end that somebody signed on the day: of the agreement that is changed, or of the part of who moves out."""
    return plot.one("term.ended", lambda payload: payload["term"] == term)


# ---- ends that nobody may make


@tried(
    Kind.ENDS,
    "an agreement ended in its household's name",
    dict.fromkeys((*SOMEBODY, Coalition.DSO, Coalition.RETAILER), found(NOT_SIGNED)),
    Day.LIVED,
)
def agreement_ended(plot: Plot) -> None:
    """From noon on nobody supplies it."""
    end(plot, "agreement", by=["account"], **agreement_of(plot, STAYS))
    plot.settle()


@tried(
    Kind.ENDS,
    "an agreement ended by its retailer with hours' notice",
    dict.fromkeys(SOMEBODY, found(NOT_SIGNED)) | {Coalition.RETAILER: found(TOO_SOON)},
    Day.LIVED,
)
def dropped(plot: Plot) -> None:
    """It takes 14 days."""
    end(plot, "agreement", by=["retailer"], **agreement_of(plot, STAYS))
    plot.settle()


@tried(
    Kind.ENDS,
    "a household put out of its place with hours' notice",
    dict.fromkeys((*SOMEBODY, Coalition.RETAILER), found(NOT_THE_DSO)) | {Coalition.DSO: found(TOO_SOON)},
    Day.LIVED,
)
def put_out(plot: Plot) -> None:
    """By the DSO alone."""
    end(plot, "participation", by=["dso"], **place_of(plot, STAYS))
    plot.settle()


@tried(
    Kind.ENDS,
    "an agreement ended by the DSO, which is no party to it",
    {Coalition.DSO: found("parties that can't end a agreement")},
    Day.LIVED,
)
def not_its_own(plot: Plot) -> None:
    """From noon on."""
    end(plot, "agreement", by=["dso"], **agreement_of(plot, STAYS))
    plot.settle()


@tried(
    Kind.ENDS,
    "an agreement ended by another household",
    {Coalition.HOUSEHOLD: found("area, account and retailer of the end")},
    Day.LIVED,
)
def anothers_agreement(plot: Plot) -> None:
    """It names itself in the end of somebody else's."""
    mine = plot.day.address(f"account/{HOUSEHOLD}")
    end(plot, "agreement", by=["account"], **agreement_of(plot, STAYS) | {"account": mine})
    plot.settle()


@tried(
    Kind.ENDS,
    "a meter ended at noon, and its household's readings with it",
    dict.fromkeys((Coalition.OPERATOR, Coalition.ATTESTERS, Coalition.RETAILER), found(NOT_THE_DSO))
    | {Coalition.DSO: possible("which meter hangs where, and its key")},
    Day.LIVED,
)
def meter_ended(plot: Plot) -> None:
    """Attesters read a meter until its end; what flows then is settled as traded."""
    meter, noon = f"M-{STAYS}", mtu_of(plot)
    end(plot, "meter", name=meter, by=["dso"], account=None)
    for step in plot.all("reading.attested"):
        gone = [item["mtu"] for item in step.payload["attestations"] if item["mtu"] >= noon]
        if gone:
            attest_again(plot, step, dict.fromkeys(gone, lambda _: None), honest=True, meter=meter)
            plot.change(step, messages=[jws for jws in step.payload["messages"] if meter_of(jws) != meter])
    plot.settle()


# ---- ends made after the fact


@tried(
    Kind.ENDS,
    "a household's part, ended when half the day was metered",
    dict.fromkeys(SOMEBODY, found(NOT_SIGNED)) | {Coalition.HOUSEHOLD: found("decided or open for orders is MTU")},
)
def late_end(plot: Plot) -> None:
    """From an MTU on that it has drawn in."""
    end(plot, "participation", by=["account"], at=4, after=late(plot), **place_of(plot, HOUSEHOLD))
    plot.settle()


@tried(
    Kind.ENDS,
    "an agreement ended under a session that takes orders for its MTUs",
    dict.fromkeys(SOMEBODY, found(NOT_SIGNED)) | {Coalition.HOUSEHOLD: found("decided or open for orders is MTU")},
)
def under_open_session(plot: Plot) -> None:
    """Its orders stand in what ends."""
    end(plot, "agreement", by=["account"], after=plot.one("session.opened"), **agreement_of(plot, HOUSEHOLD))
    plot.settle()


# ---- ends that somebody signed, told otherwise


@tried(
    Kind.ENDS,
    "the end of a household's stay, two hours later than it signed",
    dict.fromkeys((*SOMEBODY, Coalition.DSO, Coalition.RETAILER), found(NOT_SIGNED)),
    Day.LIVED,
)
def put_off(plot: Plot) -> None:
    """It pays on."""
    step = ended(plot, "participation")
    plot.sign_term(step, end_mtu=step.payload["end_mtu"] + 8)
    plot.settle()


@tried(
    Kind.ENDS,
    "a second end of a household's stay, a hundred days later",
    dict.fromkeys(SOMEBODY, found("terms that end twice"))
    | {Coalition.DSO: found("terms that end twice"), Coalition.HOUSEHOLD: found("terms that end twice")},
    Day.LIVED,
)
def ends_twice(plot: Plot) -> None:
    """By the DSO, or by who has left."""
    by = "dso" if plot.coalition is Coalition.DSO else "account"
    first = ended(plot, "participation")
    end(plot, "participation", by=[by], at=9_600, after=first, **place_of(plot, HOUSEHOLD))
    plot.settle()


@tried(
    Kind.ENDS,
    "the end of a household's stay left out, though the next one has come",
    dict.fromkeys((*SOMEBODY, Coalition.DSO, Coalition.RETAILER), found("accounts that stand at the point already")),
    Day.LIVED,
)
def left_out_end(plot: Plot) -> None:
    """Both are billed for the afternoon."""
    plot.remove(ended(plot, "participation"))
    plot.settle()


@tried(
    Kind.ENDS,
    "a change of supplier that no record shows",
    dict.fromkeys(
        (Coalition.OPERATOR, Coalition.ATTESTERS, Coalition.RETAILER),
        proven("whoever holds the receipts for the end and the new agreement proves the omission"),
    ),
    Day.LIVED,
)
def change_never_told(plot: Plot) -> None:
    """Its household has the operator's receipts; the supplier that it had left bills on."""
    before = ended(plot, "agreement")
    after = plot.one("agreement.signed", lambda payload: payload["agreement"] == "supply-changed")
    plot.remove(before, after)
    plot.settle()


@tried(
    Kind.ENDS,
    "the next household, at the point two hours before the one before has left",
    dict.fromkeys(SOMEBODY, found(NOT_SIGNED)) | {Coalition.DSO: found("accounts that stand at the point already")},
    Day.LIVED,
)
def too_early(plot: Plot) -> None:
    """It signs what the DSO shows it, where the DSO is in it."""
    newcomer = plot.one("participant.registered", lambda payload: payload["participant"] == "newcomer")
    honest = ("newcomer",) if plot.coalition is Coalition.DSO else ()
    plot.sign_term(newcomer, honest=honest, valid_from_mtu=newcomer.payload["valid_from_mtu"] - 8)
    plot.settle()


@tried(
    Kind.ENDS,
    "a customer taken back by a later version of the agreement that has ended",
    dict.fromkeys((Coalition.OPERATOR, Coalition.ATTESTERS, Coalition.RETAILER), found(NOT_SIGNED)),
    Day.LIVED,
)
def taken_back(plot: Plot) -> None:
    """It had changed its supplier."""
    before = ended(plot, "agreement")
    old = plot.one("agreement.signed", lambda payload: payload["agreement"] == before.payload["name"])
    plot.further_term(old, after=before, version=2, valid_from_mtu=before.payload["end_mtu"] + 4)
    plot.settle()


@tried(
    Kind.ENDS,
    "an order of a household that has left",
    dict.fromkeys(SOMEBODY, found(NOT_ITS_KEY)) | {Coalition.HOUSEHOLD: found("without an agreement")},
    Day.LIVED,
)
def order_when_gone(plot: Plot) -> None:
    """For the afternoon, like one of another household's."""
    like, point = order_at(plot, STAYS), HOUSEHOLD
    mine = plot.one("order.accepted", lambda payload: payload["point"] == point).payload
    names = ("point", "order_key", "market", "market_time", "rules")
    made = plot.add("order.accepted", like.payload | {name: mine[name] for name in names}, after=like)
    fresh = {"orderId": to_hex(keccak(b"gone")[:16]), "salt": to_hex(keccak(b"salt"))}
    reorder(plot, made, f"device/{point}", account=mine["order"]["account"], **fresh)
    plot.change(made, market_time=like.payload["market_time"])
    Programs(plot).again([mtu_of(plot)])
    plot.settle()


# ---- bills that do not heed an end


def billed_by(plot: Plot, change: Any) -> None:
    """A settlement of other facts than those that stand there."""

    def twist(settled: Settled) -> Settled:
        basis: Basis = change(basis_of(plot.steps))
        found = settle(inputs_of(basis))
        return replace(found, tariff_hash=settled.tariff_hash)

    plot.settle(twist, insist=True)


@tried(
    Kind.ENDS,
    "a household billed for the afternoon by the supplier that it had left",
    NO_M | {Coalition.ATTESTERS: found("statement")},
    Day.LIVED,
)
def old_supplier(plot: Plot) -> None:
    """As if neither the end nor the new agreement stood there."""
    name = ended(plot, "agreement").payload["name"]

    def change(basis: Basis) -> Basis:
        return replace(
            basis,
            ends=tuple(item for item in basis.ends if item.name != name),
            agreements=tuple(item for item in basis.agreements if item.agreement != "supply-changed"),
        )

    billed_by(plot, change)


@tried(
    Kind.ENDS,
    "a household billed for the afternoon at the place that it had left",
    NO_M | {Coalition.ATTESTERS: found("statement")},
    Day.LIVED,
)
def left_and_billed(plot: Plot) -> None:
    """As if the next one had never come; that one's statement is empty."""
    name = ended(plot, "participation").payload["name"]

    def change(basis: Basis) -> Basis:
        return replace(
            basis,
            ends=tuple(item for item in basis.ends if item.name != name),
            parties=tuple(item for item in basis.parties if item.participant != "newcomer"),
            agreements=tuple(item for item in basis.agreements if item.agreement != "supply-newcomer"),
        )

    billed_by(plot, change)
