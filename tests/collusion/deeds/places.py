"""Frauds with who stands where, with which meter and which connection."""

from __future__ import annotations

from domain.hashing import keccak, to_hex
from tests.collusion.coalitions import Coalition
from tests.collusion.deeds.terms import SOMEBODY, late
from tests.collusion.frauds import Kind, found, possible, tried
from tests.collusion.plot import Plot

METER_NOT_SIGNED, PLACE_NOT_SIGNED = found("signers of a MeterRegistration"), found("signers of a Participation")


@tried(
    Kind.PLACES,
    "the meters of two households swapped",
    dict.fromkeys((*SOMEBODY, Coalition.RETAILER), METER_NOT_SIGNED)
    | {Coalition.DSO: possible("which meter hangs where, and its key")},
)
def swapped_meters(plot: Plot) -> None:
    """Each is billed for the other."""
    one, other = plot.all("meter.registered")[:2]
    points = one.payload["point"], other.payload["point"]
    plot.sign_term(one, point=points[1])
    plot.sign_term(other, point=points[0])
    plot.move(one, after=other)
    plot.settle()


@tried(
    Kind.PLACES,
    "a second meter at a point, counted beside the first",
    dict.fromkeys(SOMEBODY, METER_NOT_SIGNED) | {Coalition.DSO: found("meters at the point that do not begin before")},
)
def second_meter(plot: Plot) -> None:
    """From the same MTU on."""
    first = plot.one("meter.registered")
    more = {"meter": "M-beside", "public_key": to_hex(keccak(b"beside"))}
    plot.further_term(first, after=first, **more)
    plot.settle()


@tried(
    Kind.PLACES,
    "a meter of the DSO's, registered when half the day was metered",
    dict.fromkeys((Coalition.ATTESTERS, Coalition.HOUSEHOLD), METER_NOT_SIGNED)
    | {Coalition.DSO: found("entry of meter M-late")},
)
def late_meter(plot: Plot) -> None:
    """It takes the place of the one that is there."""
    first = plot.one("meter.registered")
    begins = plot.one("period.declared").payload["first_mtu"]
    members = {"meter": "M-late", "public_key": to_hex(keccak(b"late")), "valid_from_mtu": begins + 4}
    plot.further_term(first, after=late(plot), **members)
    plot.settle()


@tried(
    Kind.PLACES,
    "a sham household on somebody else's meter",
    dict.fromkeys(SOMEBODY, PLACE_NOT_SIGNED)
    | {Coalition.DSO: found("accounts that stand at the point already"), Coalition.RETAILER: PLACE_NOT_SIGNED},
)
def sham_household(plot: Plot) -> None:
    """It stands where another one does."""
    real = plot.one("participant.registered", lambda payload: payload["kind"] == "household")
    more = {"participant": "sham", "account": plot.day.address("accomplice")}
    plot.further_term(real, after=real, **more)
    plot.settle()


@tried(
    Kind.PLACES,
    "a sham retailer",
    dict.fromkeys((*SOMEBODY, Coalition.RETAILER), PLACE_NOT_SIGNED)
    | {Coalition.DSO: possible("who takes part (nobody is billed whose account did not sign)")},
)
def sham_retailer(plot: Plot) -> None:
    """An account of the operator's, as a retailer."""
    real = plot.one("participant.registered", lambda payload: payload["kind"] == "retailer")
    more = {"participant": "sham", "account": plot.day.address("accomplice")}
    plot.further_term(real, after=real, **more)
    plot.settle()


@tried(
    Kind.PLACES,
    "a household with another connection than the DSO admitted",
    dict.fromkeys((*SOMEBODY, Coalition.HOUSEHOLD), PLACE_NOT_SIGNED),
)
def larger_connection(plot: Plot) -> None:
    """Ten times what it was."""
    place = plot.one("participant.registered", lambda payload: payload["kind"] == "household")
    plot.sign_term(place, connection_import_w=place.payload["connection_import_w"] * 10)
    plot.settle()


@tried(
    Kind.BACKDATING,
    "a household that takes part from an MTU on that is metered already",
    dict.fromkeys((Coalition.DSO, Coalition.HOUSEHOLD), found("which decides on MTU")),
)
def late_household(plot: Plot) -> None:
    """Its admission is told later than what rests on it."""
    place = plot.one("participant.registered", lambda payload: payload["kind"] == "household")
    plot.move(place, after=late(plot))
