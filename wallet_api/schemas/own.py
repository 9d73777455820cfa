"""What a trader reads of its own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edge.models import Answer
from ledger_service.settlement.queries import SettlementState
from wallet_api.fields import (
    Address,
    BasisPoints,
    Bytes16,
    Bytes32,
    Code,
    Mtu,
    MtuCount,
    NeurPerWh,
    NeurText,
    Number,
    Revision,
    Sequence,
    Session,
    Signature,
    Uint32,
    Version,
    Wh,
    Word,
)
from wallet_api.schemas.base import Amount, AtMarketTime, AtMtu, MtuRun, eur_of
from wallet_api.schemas.registry import Agreement, Tariff
from wallet_api.schemas.trading import Side

TradeLineKind = Literal["local_purchase", "local_sale"]
"""Kinds of settlement lines of trades, one per market and price (docs/protocol.md, section 8)."""

PositionLineKind = Literal[
    "residual_supply",
    "residual_feed_in",
    "imbalance_surplus",
    "imbalance_shortfall",
    "excess_export",
    "excess_import",
    "grid_fee_local",
    "grid_fee",
    "levy",
    "curtailment_compensation",
    "balancing_shortfall",
    "balancing_surplus",
]
"""Kinds of settlement lines of the net position against the meter (docs/protocol.md, section 8)."""

AnyLineKind = Literal[TradeLineKind, PositionLineKind, "vat"]
"""Every kind of settlement line."""


class Trade(AtMtu, Amount):
    """What was accepted of an order. The amount is energy times price; + was sold, - was bought."""

    market: Code
    session: Session
    order_id: Bytes16
    tag: Bytes16
    side: Side
    energy_wh: Wh
    price_neur_per_wh: NeurPerWh = Field(description="Clearing price in nEUR/Wh")


class Reading(Answer):
    """Registers of one meter at the end of one MTU, and the energy of that MTU."""

    meter: Code
    mtu: Mtu
    import_register_wh: Wh = Field(description="Cumulative import register in Wh (OBIS 1.8.0)")
    export_register_wh: Wh = Field(description="Cumulative export register in Wh (OBIS 2.8.0)")
    import_wh: Wh = Field(description="Energy drawn in the MTU, in Wh")
    export_wh: Wh = Field(description="Energy fed in in the MTU, in Wh")
    sequence: Uint32 = Field(description="Place among the meter's readings, from 1; 0 for a substitute")
    quality: Literal[0, 1] = Field(description="0 = measured, 1 = substitute")
    nonce: Bytes32 = Field(description="Random, so that the reading can't be guessed from its hash")


class AttestedRoot(Answer):
    """What attesters signed for one MTU: a root over all readings of the area, and their sums."""

    revision: Revision
    root: Bytes32
    count: Uint32 = Field(description="How many readings are under the root")
    import_wh: Wh = Field(description="Sum of energy drawn, in Wh")
    export_wh: Wh = Field(description="Sum of energy fed in, in Wh")
    signatures: list[Signature]


class OwnReading(AtMtu):
    """An attested reading, and the proof that it is under the signed root."""

    reading: Reading
    reading_hash: Bytes32
    proof: list[Bytes32] = Field(description="Merkle proof from reading_hash to attestation.root")
    attestation: AttestedRoot


class Supplier(Answer):
    """The retailer of an agreement."""

    account: Address
    name: Code | None = Field(description="Its participant id")


class OwnAgreement(AtMtu):
    """The agreement and tariff version valid at an MTU."""

    agreement: Agreement
    tariff: Tariff
    retailer: Supplier
    credit_neur: NeurText | None = Field(description="Credit line given by the guarantor, in nEUR; null for none")


class SetPoint(AtMtu):
    """An envelope that the DSO set for one's own point."""

    market: Code
    session: Session
    point: Code
    import_cap_wh: Wh | None = Field(description="The most it may draw in the MTU, in Wh; null for no cap")
    export_cap_wh: Wh | None = Field(description="The most it may feed in in the MTU, in Wh; null for no cap")


class StatementSummary(MtuRun, Amount):
    """One's own bill for one period and revision; the amount is the sum of its lines, + is received."""

    area: Code
    period: Number
    revision: Revision
    due_neur: NeurText = Field(description="What this revision moves, in nEUR: amount less what earlier ones moved")
    due_eur = eur_of("due_neur")
    state: SettlementState


class TradeLine(Answer):
    """What was bought or sold in one session of a market and MTU, at its price."""

    mtu: Mtu
    kind: TradeLineKind
    market: Code
    session: Session
    energy_wh: Wh
    price_neur_per_wh: NeurPerWh
    amount_neur: NeurText


class PositionLine(Answer):
    """A line of one MTU: energy of the position, netted over all markets, against what was metered."""

    mtu: Mtu
    kind: PositionLineKind
    energy_wh: Wh
    price_neur_per_wh: NeurPerWh
    amount_neur: NeurText


class MirrorLine(PositionLine):
    """A retailer's other side of its customers' lines of one MTU, kind, tariff version and price, summed."""

    tariff: Code
    version: Version


class VatLine(Answer):
    """The line of one VAT rate of a statement."""

    kind: Literal["vat"]
    vat_bp: BasisPoints
    base_neur: NeurText = Field(description="Taxed debits in nEUR as decimal text")
    amount_neur: NeurText


class HouseholdOpening(Answer):
    """What a household's lines of one MTU follow from."""

    mtu: Mtu
    bids: list[Bytes16] = Field(description="Tags of bids that traded")
    asks: list[Bytes16] = Field(description="Tags of asks that traded")
    readings: list[Bytes32] = Field(description="Reading hashes; none where the MTU is Unread")
    agreement: Code
    agreement_version: Version
    tariff: Code
    version: Version


class TradeOpening(Answer):
    """What a retailer's lines of one MTU follow from."""

    mtu: Mtu
    bids: list[Bytes16]
    asks: list[Bytes16]


class Statement(Answer):
    """All lines of one account for one period and revision; hashed as it stands (docs/evidence.md, section 5)."""

    account: Address
    area: Code
    period: Number
    revision: Revision
    first_mtu: Mtu
    count: MtuCount
    kind: Literal["household", "retailer", "dso", "tax"]
    point: Code | None
    terms_hash: Bytes32 = Field(description="Hash of the tariff and agreement versions used; zero without any")
    lines: list[TradeLine | PositionLine | MirrorLine | VatLine]
    opens: list[HouseholdOpening | TradeOpening]
    amount_neur: NeurText
    settled_before_neur: NeurText = Field(description="What earlier revisions moved, in nEUR as decimal text")
    due_neur: NeurText = Field(description="amount_neur less settled_before_neur, in nEUR as decimal text")


class OwnStatement(Answer):
    """A statement with its salt, and the proof that it is under the root attesters signed."""

    state: SettlementState
    statement: Statement
    salt: Bytes32
    statement_hash: Bytes32 = Field(description="keccak of the salt and the statement's canonical JSON")
    proof: list[Bytes32] = Field(description="Merkle proof from the statement's leaf to statements_root")
    words_hash: Bytes32
    clearing_root: Bytes32
    readings_root: Bytes32
    statements_root: Bytes32
    tariff_hash: Bytes32
    words: list[Word] = Field(description="The settlement word that moves the amount due; none where it is zero")


class Access(AtMarketTime):
    """A reading of personal data by an auditor, logged before it was answered."""

    sequence: Sequence
    auditor: Address
    auditor_name: str | None = Field(
        examples=["audit office"], description="Null where its key is no longer configured"
    )
    what: str = Field(description="What was read", examples=["registry.participants"])
    area: Code | None = Field(description="Of which area; null: of all")
