"""What the shapes of answers have in common: an ISO 8601 time beside each MTU and time, euro beside each amount."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, computed_field

from domain.mtu import isoformat_utc, mtu_start
from edge.models import Answer
from wallet_api.amounts import eur_text
from wallet_api.fields import Bytes32, MarketTime, Mtu, MtuCount, NeurText, Sequence, UtcText

EurText = Annotated[
    str,
    Field(pattern=r"^-?\d+\.\d{9}$", description="The same amount in EUR for people, exact: all nine decimals"),
]


def eur_of(name: str) -> Any:
    """The member that says an amount in EUR, beside the one of this name in nEUR."""

    def value(self: Any) -> EurText:
        return eur_text(int(getattr(self, name)))

    return computed_field(property(value))


def utc_of(name: str) -> Any:
    """The member that says a market time in UTC, beside the one of this name in unix seconds."""

    def value(self: Any) -> UtcText:
        return isoformat_utc(getattr(self, name))

    return computed_field(property(value))


def optional_utc_of(name: str) -> Any:
    """The same where the time may be missing."""

    def value(self: Any) -> UtcText | None:
        found = getattr(self, name)
        return None if found is None else isoformat_utc(found)

    return computed_field(property(value))


def mtu_utc_of(name: str) -> Any:
    """The member that says when the MTU of the member of this name starts, in UTC."""

    def value(self: Any) -> UtcText:
        return isoformat_utc(mtu_start(getattr(self, name)))

    return computed_field(property(value))


class Amount(Answer):
    """An amount of money; + is a credit of the account's holder."""

    amount_neur: NeurText
    amount_eur = eur_of("amount_neur")


class Fact(Answer):
    """What was recorded, and its place in the journal."""

    sequence: Sequence


class JournalHead(Answer):
    """The last entry of the journal."""

    sequence: Sequence
    head: Bytes32 = Field(description="Hash of that entry; it commits to all entries before")


class AtMtu(Answer):
    """Something of one MTU."""

    mtu: Mtu
    starts = mtu_utc_of("mtu")


class MtuRun(Answer):
    """Something of a run of MTUs."""

    first_mtu: Mtu
    count: MtuCount
    starts = mtu_utc_of("first_mtu")


class ValidFrom(Answer):
    """Something that is valid from a MTU on."""

    valid_from_mtu: Mtu
    valid_from_utc = mtu_utc_of("valid_from_mtu")


class RecordedAt(Answer):
    """Something that the journal says, and since when."""

    recorded_at: MarketTime = Field(description="Unix seconds of market time at which it was recorded")
    recorded_at_utc = utc_of("recorded_at")


class AtMarketTime(Answer):
    """Something that happened at a market time."""

    market_time: MarketTime
    market_time_utc = utc_of("market_time")
