"""What bundles show, as values: one class per line or file (docs/evidence.md sections 3, 4 and 6).

`form.BundleWriter` writes them; nothing before it holds JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from domain.facts import (
    ClearingRules,
    OrderRules,
    PointEnvelope,
    ReadingRules,
    SettlementRules,
)
from domain.facts.settlement import AnyStatement
from domain.facts.trading import SignedOrder
from domain.mandates import Mandate, MandateUsed
from domain.members import (
    Address,
    Code,
    Document,
    EnergyWh,
    Hash,
    Mask,
    Mtu,
    Natural,
    Number,
    OrderId,
    PriceNeurPerWh,
    Seconds,
    Session,
    Signature,
    Tag,
    Word,
)
from domain.parties import Meter, Participant, Replacement
from domain.readings import MeterReading
from domain.terms import TermEnd


@dataclass(frozen=True, slots=True)
class ReceiptShown:
    """The operator's receipt of an order or cancel."""

    sequence: Number
    signature: Signature


@dataclass(frozen=True, slots=True)
class PricedWords:
    """The result of one MTU of a program: no price where nothing was traded."""

    mtu: Mtu
    price_neur_per_wh: PriceNeurPerWh | None
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class ProgramShown:
    """A program that the DSO signed, without anything about points."""

    market: Code
    session: Session
    first_mtu: Mtu
    count: Natural
    results: tuple[PricedWords, ...]
    report: Document
    emptied_mask: Mask
    deadline: Seconds
    rules: ClearingRules


@dataclass(frozen=True, slots=True)
class AttestationShown:
    """An attestation as the chain recorded it; energies in Wh, sums over all readings."""

    area: Code
    mtu: Mtu
    revision: Natural
    root: Hash
    count: Natural
    import_wh: EnergyWh
    export_wh: EnergyWh
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class UnreadShown:
    """An MTU that the chain marked unread."""

    area: Code
    mtu: Mtu
    unread: Literal[True] = True


@dataclass(frozen=True, slots=True)
class PublicSettlement:
    """A settlement that attesters signed, without its statements."""

    area: Code
    period: Number
    revision: Natural
    words: tuple[Word, ...]
    statements_root: Hash
    tariff_hash: Hash
    rules: SettlementRules


@dataclass(frozen=True, slots=True)
class AccountShown:
    """Whose bundle it is, on which grid, read by which meters, each as its fact; how its accounts gave way, and what
    ended."""

    participant: Participant
    grid_model: Document
    meters: tuple[Meter, ...]
    replacements: tuple[Replacement, ...]
    ends: tuple[TermEnd, ...]


@dataclass(frozen=True, slots=True)
class KeyShown:
    """The order key that signed, and the account's signature over it."""

    order_key: Address
    valid_from_mtu: Mtu
    signature: Signature


@dataclass(frozen=True, slots=True)
class CancelMembers:
    """The members of a signed cancel, with the market's code; named as they are signed."""

    market: Code
    session: Session
    mtu: Mtu
    orderId: OrderId
    revision: Natural


@dataclass(frozen=True, slots=True)
class ReceivedShown:
    """What orders, cancels and mandates are shown with: who signed, and what the operator said to it.

    Where an agent signed under a `mandate`, `key` is the one that signed that.
    """

    signature: Signature
    key: KeyShown
    sequence: Number
    journal_head: Hash
    market_time: Seconds
    receipt: Signature
    rules: OrderRules
    mandate: MandateUsed = None


@dataclass(frozen=True, slots=True)
class _Received:
    """What somebody handed in: on its line the members of `received` stand beside its own."""

    received: ReceivedShown

    @model_serializer(mode="wrap")
    def _on_one_level(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        received: dict[str, Any] = written.pop("received")
        return received | written


@dataclass(frozen=True, slots=True)
class OrderShown(_Received):
    """An own order."""

    order: SignedOrder


@dataclass(frozen=True, slots=True)
class CancelShown(_Received):
    """An own cancel and the tag of its order."""

    cancel: CancelMembers
    tag: Tag


@dataclass(frozen=True, slots=True)
class MandateShown(_Received):
    """An own mandate."""

    mandate: Mandate
    tag: Tag


@dataclass(frozen=True, slots=True)
class RevocationMembers:
    """The members of a signed revocation: `mandate` is the tag of the one that ends."""

    account: Address
    agent: Address
    mandate: Tag


@dataclass(frozen=True, slots=True)
class RevocationShown(_Received):
    """An own mandate's end."""

    revocation: RevocationMembers
    tag: Tag


@dataclass(frozen=True, slots=True)
class OwnProgramShown:
    """A program on chain as one point is shown it: the own schedule and envelopes, of others hashes only.

    Hashes stand in the order of the grid model's points.
    """

    market: Code
    session: Session
    first_mtu: Mtu
    count: Natural
    books_root: Hash
    results_root: Hash
    traded_mask: Mask
    emptied_mask: Mask
    deadline: Seconds
    dso: Address
    signature: Signature
    report: Document
    net_wh: tuple[EnergyWh, ...]
    schedule_hashes: tuple[Hash, ...]
    envelopes: tuple[PointEnvelope, ...]
    envelope_hashes: tuple[Hash, ...]


@dataclass(frozen=True, slots=True)
class ResultShown:
    """The complete words of a cleared MTU."""

    market: Code
    session: Session
    mtu: Mtu
    lot_wh: EnergyWh
    price_neur_per_wh: PriceNeurPerWh | None
    words: tuple[Word, ...]
    rules: ClearingRules


@dataclass(frozen=True, slots=True)
class ReadingShown:
    """An own reading, and how it leads to the attested root (lowest node first)."""

    area: Code
    reading: MeterReading
    proof: tuple[Hash, ...]
    revision: Natural
    root: Hash
    count: Natural
    import_wh: EnergyWh
    export_wh: EnergyWh
    signatures: tuple[Signature, ...]
    rules: ReadingRules


@dataclass(frozen=True, slots=True)
class MessageShown:
    """A message of an own meter, as it signed it (compact JWS)."""

    jws: str


@dataclass(frozen=True, slots=True)
class StatementShown:
    """An own statement that attesters signed, and how it leads to its root; no page where the amount due is zero."""

    statement: AnyStatement
    salt: Hash
    proof: tuple[Hash, ...]
    words_hash: Hash
    clearing_root: Hash
    readings_root: Hash
    statements_root: Hash
    tariff_hash: Hash
    signatures: tuple[Signature, ...]
    page: tuple[Word, ...] | None
    page_hashes: tuple[Hash, ...]
    rules: SettlementRules
