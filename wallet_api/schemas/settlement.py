"""The package a proposed settlement follows from, as attesters recompute it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from edge.models import Answer
from wallet_api.fields import (
    Address,
    Bytes16,
    Bytes32,
    Code,
    MarketTime,
    Mask,
    Mtu,
    MtuCount,
    NeurPerWh,
    Number,
    OrderLots,
    Revision,
    Session,
    Signature,
    Uint32,
    Wh,
    Word,
)
from wallet_api.schemas.dso import Envelope
from wallet_api.schemas.mandates import MandateMembers
from wallet_api.schemas.own import Reading
from wallet_api.schemas.public import MarketRules
from wallet_api.schemas.registry import AgreementMembers, EndTerm, MeterTerm, ParticipantTerm, TariffMembers
from wallet_api.schemas.session import SigningView
from wallet_api.schemas.trading import KeyMembers


class RecordedProgram(Answer):
    """A program that the chain recorded: what the DSO signed, and what it says of its points."""

    market: Code
    session: Session
    first_mtu: Mtu
    count: MtuCount
    books_root: Bytes32 = Field(description="Places root over the book hashes, in MTU order")
    results_root: Bytes32 = Field(description="Places root over the result hashes, in MTU order")
    traded_mask: Mask
    emptied_mask: Mask
    grid_model_hash: Bytes32
    report_hash: Bytes32 = Field(description="Hash of `report`, as the DSO signed it")
    report: dict[str, Any] = Field(description="The power-flow report (docs/protocol.md)")
    deadline: MarketTime = Field(description="Unix seconds of market time until which the chain took the signature")
    envelopes: list[Envelope]
    schedules: dict[str, list[int]] = Field(description="Net energy in Wh per MTU by point; + = import")
    dso: Address
    signature: Signature


class Clearing(Answer):
    """A cleared MTU of a session."""

    mtu: Mtu
    price_neur_per_wh: NeurPerWh | None = Field(description="Clearing price in nEUR/Wh; null in bilateral markets")
    words: list[Word]


class DoneSession(Answer):
    """A session that is over, in the chain's order; roots and masks are zero where it did not get so far."""

    market: Code
    session: Session
    first_mtu: Mtu
    count: MtuCount
    books_root: Bytes32
    results_root: Bytes32
    traded_mask: Mask
    emptied_mask: Mask
    cleared_mask: Mask
    results: list[Bytes32] = Field(description="All result hashes that the DSO signed, by MTU")
    clearings: list[Clearing] = Field(description="Of the MTUs of the cleared mask, ascending")


class OrderMembers(Answer):
    """The signed members of an Order, named as in its typed data."""

    market: Bytes32
    session: Session
    mtu: Mtu
    side: Literal[0, 1] = Field(description="0 = bid (buys), 1 = ask (sells)")
    limitPriceNeurPerWh: NeurPerWh
    quantityLots: OrderLots
    account: Address
    orderId: Bytes16
    revision: Revision
    salt: Bytes32


class OrderRules(Answer):
    """Version of the rule by which an order's receipt follows from it."""

    receipts: int = Field(ge=1, examples=[1], description="Receipts of orders and cancels")


class AcceptedOrder(Answer):
    """An order that opens a word."""

    order: OrderMembers
    signature: Signature
    order_key: Address
    tag: Bytes16
    market: Code
    point: Code | None
    market_time: MarketTime = Field(description="Unix seconds of market time at which it was accepted")
    rules: OrderRules
    mandate: Bytes16 | None = Field(default=None, description="Tag of the mandate; missing where no agent signed")


class GrantedMandate(Answer):
    """A mandate that orders name, as its fact."""

    mandate: MandateMembers
    signature: Signature
    order_key: Address
    tag: Bytes16
    market_time: MarketTime = Field(description="Unix seconds of market time at which it was granted")
    rules: OrderRules


class RevokedMandate(Answer):
    """The end of such a mandate, as its fact."""

    mandate: Bytes16 = Field(description="Tag of the mandate that ended")
    account: Address
    agent: Address
    signature: Signature
    order_key: Address
    tag: Bytes16
    market_time: MarketTime = Field(description="Unix seconds of market time at which it was revoked")
    rules: OrderRules


class ChainedAttestation(Answer):
    """An attestation or mark of Unread, in the chain's order."""

    mtu: Mtu
    revision: Revision
    unread: bool
    root: Bytes32 = Field(description="Merkle root over the reading hashes; zero where Unread")
    count: Uint32 = Field(description="How many readings are under the root")
    import_wh: Wh = Field(description="Sum of energy drawn, in Wh")
    export_wh: Wh = Field(description="Sum of energy fed in, in Wh")
    readings: list[Reading] | None = Field(description="Of the last attestation of each MTU; null for others")


class HashedStatement(Answer):
    """What a proposal commits of an account's statement: who computes the statement finds the same hash."""

    account: Address
    salt: Bytes32
    statement_hash: Bytes32 = Field(description="keccak(salt || canonical JSON of the statement)")


class SettlementRules(Answer):
    """Versions of the rules of a settlement: who recomputes it does so by the same."""

    lines: int = Field(ge=1, examples=[1], description="Lines of statements")


class Proposal(Answer):
    """The proposed settlement itself."""

    area: Code
    period: Number
    revision: Revision
    words: list[Word] = Field(description="Settlement words, ascending by account; they sum to zero")
    words_hash: Bytes32
    clearing_root: Bytes32
    readings_root: Bytes32
    statements_root: Bytes32
    tariff_hash: Bytes32
    statements: list[HashedStatement]
    rules: SettlementRules


class EarlierRevision(Answer):
    """What a settlement before this one moved; the chain holds the hash of its words."""

    revision: Revision
    words: list[Word] = Field(description="Settlement words, ascending by account")


class KeyTerm(KeyMembers, Answer):
    """An order key's registration, as its fact."""

    point: Code | None


class TariffTerm(TariffMembers, Answer):
    """A tariff's publication, as its fact."""


class AgreementTerm(AgreementMembers, Answer):
    """An agreement's signing, as its fact."""


class ReplacementTerm(Answer):
    """An account that gave way to its successor, as the chain's event says."""

    account: Address
    successor: Address
    valid_from_mtu: Mtu = Field(description="First MTU that begins after the event's block")


class Terms(Answer):
    """Registry facts on which money rests, in order of registration."""

    parties: list[ParticipantTerm]
    meters: list[MeterTerm]
    keys: list[KeyTerm]
    tariffs: list[TariffTerm]
    agreements: list[AgreementTerm]
    markets: list[MarketRules]
    replacements: list[ReplacementTerm]
    ends: list[EndTerm]


class SettlementPackage(Terms):
    """All facts a settlement follows from, and what the service makes of them."""

    area: Code
    period: Number
    revision: Revision
    first_mtu: Mtu
    count: MtuCount
    grid_model: dict[str, Any] = Field(description="The grid the programs were validated on (docs/protocol.md)")
    programs: list[RecordedProgram]
    sessions: list[DoneSession]
    orders: list[AcceptedOrder]
    mandates: list[GrantedMandate] = Field(description="Those that these orders name, in order of recording")
    revocations: list[RevokedMandate] = Field(description="How these mandates ended, in order of recording")
    attestations: list[ChainedAttestation]
    earlier: list[EarlierRevision] = Field(description="Every revision before this one, ascending")
    proposal: Proposal


class SettlementToSign(Answer):
    """What a proposal follows from, to be recomputed before signing, and what is to be signed."""

    package: SettlementPackage
    to_sign: SigningView
