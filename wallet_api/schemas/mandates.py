"""Mandates of agents, as they are signed and as they stand."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from domain.mandates import PLACES_MAX
from edge.models import Answer, Body
from wallet_api.fields import Address, Bytes16, Code, MarketTime, Mtu, NeurPerWh, Sequence, Signature, Uint53, Wh
from wallet_api.schemas.base import AtMarketTime, mtu_utc_of, optional_utc_of

Places = Annotated[list[Code], Field(max_length=PLACES_MAX)]

MandateState = Literal["granted", "revoked", "replaced", "over"]
"""Revoked by its account; replaced by a later one for the same agent; over once its last MTU has begun."""


class MandateMessage(Body):
    """The signed members of a Mandate, named as in its typed data."""

    account: Address
    agent: Address = Field(description="Address of the agent's key; it plays no other part here")
    points: Places = Field(description="The account's metering point; empty for one at the transformer")
    markets: Places = Field(min_length=1, description="Codes of the markets in which the agent may trade")
    highestBuyNeurPerWh: NeurPerWh = Field(description="The most that the agent may bid, in nEUR/Wh")
    lowestSellNeurPerWh: NeurPerWh = Field(description="The least that the agent may ask, in nEUR/Wh")
    mtuBuyWh: Wh = Field(description="Most energy in Wh that it may buy in one MTU, over all markets")
    mtuSellWh: Wh = Field(description="Most energy in Wh that it may sell in one MTU, over all markets")
    dayBuyWh: Wh = Field(description="Most energy in Wh that it may buy in one local day, over all markets")
    daySellWh: Wh = Field(description="Most energy in Wh that it may sell in one local day, over all markets")
    zone: Code = Field(description="Time zone of the area, whose days are meant")
    fromMtu: Mtu = Field(description="First MTU that the agent may trade")
    toMtu: Mtu = Field(description="First MTU that it may trade no more")
    nonce: Uint53 = Field(description="Made by the device: tells mandates apart that are alike otherwise")


class MandateBody(Body):
    """A mandate and the signature of the account's order key."""

    mandate: MandateMessage
    signature: Signature


class RevocationMessage(Body):
    """The signed members of a MandateRevocation."""

    account: Address
    agent: Address
    mandate: Bytes16 = Field(description="Tag of the mandate: the first 16 bytes of its digest")


class RevocationBody(Body):
    """The end of a mandate and the signature of the account's order key."""

    revocation: RevocationMessage
    signature: Signature


class MandateMembers(Answer):
    """What an agent may trade for an account."""

    account: Address
    agent: Address
    points: Places
    markets: Places
    highest_buy_neur_per_wh: NeurPerWh = Field(description="The most that the agent may bid, in nEUR/Wh")
    lowest_sell_neur_per_wh: NeurPerWh = Field(description="The least that the agent may ask, in nEUR/Wh")
    mtu_buy_wh: Wh
    mtu_sell_wh: Wh
    day_buy_wh: Wh
    day_sell_wh: Wh
    zone: Code
    from_mtu: Mtu
    to_mtu: Mtu = Field(description="First MTU that the agent may trade no more")
    nonce: Uint53


class Mandate(MandateMembers, AtMarketTime):
    """A mandate as the account's order key signed it, and how it stands."""

    tag: Bytes16 = Field(description="First 16 bytes of its digest: what orders under it name")
    from_utc = mtu_utc_of("from_mtu")
    to_utc = mtu_utc_of("to_mtu")
    order_key: Address = Field(description="The account's order key that signed it; the mandate ends with that key")
    signature: Signature
    sequence: Sequence
    state: MandateState
    revoked_at: MarketTime | None = Field(description="Market time in its revocation's receipt; null while it stands")
    revoked_at_utc = optional_utc_of("revoked_at")
