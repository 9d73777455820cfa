"""What the registrar records."""

from __future__ import annotations

from pydantic import Field

from edge.models import Answer
from wallet_api.fields import (
    Address,
    BasisPoints,
    Bytes32,
    Code,
    Mtu,
    NeurPerWh,
    ParticipantKind,
    Version,
    Watt,
)
from wallet_api.schemas.base import Fact
from wallet_api.schemas.public import AreaRules, MarketRules


class AreaFact(Fact, AreaRules):
    """A defined area; of its grid model the hash."""


class MarketFact(Fact, MarketRules):
    """A defined market."""


class Tariff(Answer):
    """One version of a tariff: prices in nEUR/Wh."""

    tariff: Code
    version: Version
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


class TariffFact(Fact, Tariff):
    """A published tariff version."""


class Agreement(Answer):
    """Which retailer supplies an account under which tariff."""

    agreement: Code
    version: Version
    account: Address
    retailer: Address
    tariff: Code
    valid_from_mtu: Mtu = Field(description="First MTU it is valid at, until the account's next agreement begins")


class AgreementFact(Fact, Agreement):
    """A recorded agreement version."""


class Participant(Answer):
    """A party with a settlement account."""

    participant: Code
    kind: ParticipantKind
    area: Code
    account: Address
    point: Code | None = Field(description="Metering point of a household; null for others")
    connection_import_w: Watt = Field(description="The most it may draw, in W; 0 where there is no point")
    connection_export_w: Watt = Field(description="The most it may feed in, in W; 0 where there is no point")


class ParticipantFact(Fact, Participant):
    """A registered party."""


class Meter(Answer):
    """A meter's signing key at a point."""

    meter: Code
    point: Code
    public_key: Bytes32 = Field(description="Ed25519 public key")
    area: Code
    valid_from_mtu: Mtu = Field(description="First MTU it signs for, until a later key or another meter there")


class MeterFact(Fact, Meter):
    """A registered meter key."""
