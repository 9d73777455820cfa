"""What the registrar records: each noun's members once, for its body and for its answers."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from edge.models import Answer, Body
from wallet_api.fields import (
    Address,
    BasisPoints,
    Bytes32,
    Code,
    EndedTerm,
    MarketKind,
    Mtu,
    NeurPerWh,
    ParticipantKind,
    Signature,
    Version,
    Watt,
)
from wallet_api.schemas.base import Fact, RecordedAt, ValidFrom, mtu_utc_of
from wallet_api.schemas.public import AreaMembers, AreaRules, MarketMembers, MarketRules
from wallet_api.schemas.trading import ReceiptedFact


class AreaBody(AreaMembers, Body):
    """A grid area. Deadlines in seconds of market time; the grid model's numbers are whole."""

    grid_model: dict[str, Any] = Field(description="Nodes and lines; whole numbers only (docs/protocol.md)")


class AreaFact(Fact, AreaRules):
    """A defined area; of its grid model the hash."""


class MarketBody(MarketMembers, Body):
    """A market of an area. Lot in Wh, prices in nEUR/Wh, `gate_local` "HH:MM" on the day before delivery.

    Its code is the area's and a name of its own; gates of an area's markets lie further apart than the earlier one's
    time to clear.
    """

    kind: MarketKind = Field(default="auction", description="How it trades; only auctions exist so far")


class MarketFact(Fact, MarketRules):
    """A defined market."""


class TariffMembers(BaseModel):
    """One version of a tariff: prices in nEUR/Wh."""

    tariff: Code
    version: Version
    area: Code
    retailer: Address
    valid_from_mtu: Mtu = Field(description="First MTU it is valid at, until the next version begins")
    supply_neur_per_wh: NeurPerWh = Field(description="Price of supply by the retailer, in nEUR/Wh")
    feed_in_neur_per_wh: NeurPerWh = Field(description="Price of feed-in to the retailer, in nEUR/Wh")
    imbalance_surplus_neur_per_wh: NeurPerWh = Field(description="Price of energy bought and not consumed, in nEUR/Wh")
    imbalance_shortfall_neur_per_wh: NeurPerWh = Field(description="Price of energy sold and not delivered, in nEUR/Wh")
    excess_neur_per_wh: NeurPerWh = Field(description="Price of what flows beyond an envelope, in nEUR/Wh")
    grid_fee_neur_per_wh: NeurPerWh = Field(description="Grid fee on supply, in nEUR/Wh")
    grid_fee_local_neur_per_wh: NeurPerWh = Field(description="Grid fee on local purchases, in nEUR/Wh")
    levy_neur_per_wh: NeurPerWh = Field(description="Levy on what is drawn, in nEUR/Wh")
    compensation_neur_per_wh: NeurPerWh = Field(description="Paid for scheduled feed-in that a cap cuts, in nEUR/Wh")
    vat_bp: BasisPoints = Field(description="VAT rate in basis points")
    retailer_signature: Signature = Field(description="The retailer's signature over the SupplyPrices")
    dso_signature: Signature = Field(description="The signature of the area's DSO over the GridPrices")
    registrar_signature: Signature = Field(description="The registrar's signature over the Taxes")


class TariffBody(TariffMembers, Body):
    """One version of a tariff, prices in nEUR/Wh, VAT in basis points, valid from an MTU on."""


class Tariff(TariffMembers, ValidFrom):
    """One version of a tariff: prices in nEUR/Wh."""


class TariffFact(ReceiptedFact, Tariff):
    """A published tariff version."""


class AgreementMembers(BaseModel):
    """Which retailer supplies an account under which tariff."""

    agreement: Code
    version: Version
    account: Address
    retailer: Address
    tariff: Code
    valid_from_mtu: Mtu = Field(
        description="First MTU it is valid at, until the account's next agreement begins, or its end"
    )
    account_signature: Signature = Field(description="The account's signature over the Agreement")
    retailer_signature: Signature = Field(description="The retailer's signature over the same")


class AgreementBody(AgreementMembers, Body):
    """One version of a household's agreement with its retailer, under a tariff, from an MTU on."""


class Agreement(AgreementMembers, ValidFrom):
    """Which retailer supplies an account under which tariff."""


class AgreementFact(ReceiptedFact, Agreement):
    """A recorded agreement version."""


class ParticipantMembers(BaseModel):
    """A party with a settlement account."""

    participant: Code
    kind: ParticipantKind
    area: Code
    account: Address
    valid_from_mtu: Mtu = Field(description="First MTU in which it takes part")
    account_signature: Signature = Field(description="Participation, signed by the account")
    dso_signature: Signature = Field(description="The same, signed by the area's DSO")


class ParticipantBody(ParticipantMembers, Body):
    """A party: kind household, retailer, dso or tax; a household has a point; connection powers in W."""

    point: Code | None = Field(default=None, description="Metering point of a household; null for others")
    connection_import_w: Watt = Field(default=0, description="The most it may draw, in W; 0 where there is no point")
    connection_export_w: Watt = Field(default=0, description="The most it may feed in, in W; 0 where there is no point")


class ParticipantShown(ParticipantMembers):
    """A party as answers show it."""

    point: Code | None = Field(description="Metering point of a household; null for others")
    connection_import_w: Watt = Field(description="The most it may draw, in W; 0 where there is no point")
    connection_export_w: Watt = Field(description="The most it may feed in, in W; 0 where there is no point")


class Participant(ParticipantShown, ValidFrom):
    """A party with a settlement account."""


class ParticipantTerm(ParticipantShown, Answer):
    """A party's registration, as its fact."""


class RegisteredParticipant(Participant, RecordedAt):
    """A party with a settlement account, and when it was registered."""


class ParticipantFact(ReceiptedFact, Participant):
    """A registered party."""


class MeterMembers(BaseModel):
    """A meter's signing key at a point."""

    meter: Code
    point: Code
    public_key: Bytes32 = Field(description="Ed25519 public key")
    area: Code
    valid_from_mtu: Mtu = Field(description="First MTU it signs for, until a later key or another meter there")
    dso_signature: Signature = Field(description="MeterRegistration, signed by the area's DSO")


class MeterBody(MeterMembers, Body):
    """A meter at a point with its Ed25519 public key, from an MTU on, signed by the DSO."""


class Meter(MeterMembers, ValidFrom):
    """A meter's signing key at a point."""


class MeterTerm(MeterMembers, Answer):
    """A meter's registration, as its fact."""


class MeterFact(ReceiptedFact, Meter):
    """A registered meter key."""


class TermEndMembers(BaseModel):
    """What ends, and with which MTU. Of the signatures, those of who ends it: one party alone, or both."""

    term: EndedTerm = Field(description="What ends: an agreement, a household's part at its point, or a meter")
    name: Code = Field(description="The agreement, participant or meter")
    area: Code
    account: Address | None = Field(description="The account that it binds; null for a meter")
    retailer: Address | None = Field(description="An agreement's retailer; null for others")
    end_mtu: Mtu = Field(description="First MTU in which it decides nothing any more")
    account_signature: Signature | None = Field(description="TermEnd, signed by the account; null: it did not")
    retailer_signature: Signature | None = Field(description="The same, signed by the retailer; null: it did not")
    dso_signature: Signature | None = Field(description="The same, signed by the area's DSO; null: it did not")


class TermEndBody(TermEndMembers, Body):
    """The end of an agreement, a household's part or a meter, signed by who ends it."""

    account: Address | None = Field(default=None, description="The account that it binds; null for a meter")
    retailer: Address | None = Field(default=None, description="An agreement's retailer; null for others")
    account_signature: Signature | None = Field(default=None, description="TermEnd, signed by the account, if it did")
    retailer_signature: Signature | None = Field(default=None, description="TermEnd, signed by the retailer, if it did")
    dso_signature: Signature | None = Field(default=None, description="TermEnd, signed by the area's DSO, if it did")


class TermEnd(TermEndMembers, Answer):
    """The end of a term, and when that is."""

    end_utc = mtu_utc_of("end_mtu")


class EndTerm(TermEndMembers, Answer):
    """The end of a term, as its fact."""


class TermEndFact(ReceiptedFact, TermEnd):
    """A recorded end of a term."""
