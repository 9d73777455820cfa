"""What the other files of a bundle say: one class per form of line (docs/evidence.md sections 3, 4 and 6)."""

from __future__ import annotations

from dataclasses import dataclass, field

from verifier.facts import (
    ClearingRules,
    Envelope,
    Mandate,
    OrderRules,
    Reading,
    ReadingRules,
    SettlementRules,
    SignedOrder,
)
from verifier.form import Json
from verifier.party_facts import AccountReplaced, MeterRegistered, ParticipantRegistered, TermEnded

# ---- auditor and public bundles


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """receipts.jsonl: the operator's receipt for an entry of the journal."""

    sequence: int
    signature: str


@dataclass(frozen=True, slots=True)
class ShownResult:
    """The result of one MTU: its price (None: no trade) and its complete words."""

    mtu: int
    price_neur_per_wh: int | None
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProgramLine:
    """programs.jsonl of a public bundle: a signed program."""

    market: str
    session: int
    first_mtu: int
    count: int
    results: tuple[ShownResult, ...]
    report: Json
    emptied_mask: str
    deadline: int
    rules: ClearingRules


@dataclass(frozen=True, slots=True)
class AttestationLine:
    """attestations.jsonl: an attestation without its readings."""

    area: str
    mtu: int
    revision: int
    root: str
    count: int
    import_wh: int
    export_wh: int
    signatures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnreadLine:
    """attestations.jsonl: an MTU whose readings did not come in time."""

    area: str
    mtu: int
    unread: bool

    @property
    def revision(self) -> None:
        """It has none."""


@dataclass(frozen=True, slots=True)
class SettlementLine:
    """settlements.jsonl: a settlement without its statements."""

    area: str
    period: int
    revision: int
    words: tuple[str, ...]
    statements_root: str
    tariff_hash: str
    rules: SettlementRules


# ---- personal bundles


@dataclass(frozen=True, slots=True)
class Account:
    """account.json: whose bundle it is, on which grid, read by which meters, each as its fact."""

    participant: ParticipantRegistered
    grid_model: Json
    meters: tuple[MeterRegistered, ...]
    replacements: tuple[AccountReplaced, ...]
    ends: tuple[TermEnded, ...]

    @property
    def account(self) -> str:
        """Address of the settlement account."""
        return self.participant.account

    @property
    def area(self) -> str:
        """Area code."""
        return self.participant.area

    @property
    def kind(self) -> str:
        """What part it plays."""
        return self.participant.kind

    @property
    def point(self) -> str | None:
        """Where it stands."""
        return self.participant.point

    @property
    def present(self) -> str:
        """Address of the account that has its place now."""
        return self.replacements[-1].successor if self.replacements else self.account


@dataclass(frozen=True, slots=True)
class OwnKey:
    """The registration of the key that signed an order."""

    order_key: str
    valid_from_mtu: int
    signature: str


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """orders.jsonl: an order with its receipt; signed by its key, or by an agent under a mandate of that key."""

    order: SignedOrder
    signature: str
    key: OwnKey
    sequence: int
    journal_head: str
    market_time: int
    receipt: str
    rules: OrderRules
    mandate: str | None = None


@dataclass(frozen=True, slots=True)
class CancelMembers:
    """A cancel's members as they are signed, the market by its code."""

    market: str
    session: int
    mtu: int
    order_id: str = field(metadata={"name": "orderId"})
    revision: int


@dataclass(frozen=True, slots=True)
class OwnCancel:
    """orders.jsonl: a cancel with its key and its receipt."""

    cancel: CancelMembers
    tag: str
    signature: str
    key: OwnKey
    sequence: int
    journal_head: str
    market_time: int
    receipt: str
    rules: OrderRules
    mandate: str | None = None


@dataclass(frozen=True, slots=True)
class OwnMandate:
    """orders.jsonl: a mandate with the key that signed it and its receipt."""

    mandate: Mandate
    tag: str
    signature: str
    key: OwnKey
    sequence: int
    journal_head: str
    market_time: int
    receipt: str
    rules: OrderRules


@dataclass(frozen=True, slots=True)
class RevocationMembers:
    """A revocation's members as they are signed; `mandate` is the tag of the one that ends."""

    account: str
    agent: str
    mandate: str


@dataclass(frozen=True, slots=True)
class OwnRevocation:
    """orders.jsonl: a mandate's end with the key that signed it and its receipt."""

    revocation: RevocationMembers
    tag: str
    signature: str
    key: OwnKey
    sequence: int
    journal_head: str
    market_time: int
    receipt: str
    rules: OrderRules


@dataclass(frozen=True, slots=True)
class OwnProgram:
    """programs.jsonl of a personal bundle: a signed program with the own schedule and envelopes."""

    market: str
    session: int
    first_mtu: int
    count: int
    books_root: str
    results_root: str
    traded_mask: str
    emptied_mask: str
    deadline: int
    dso: str
    signature: str
    report: Json
    net_wh: tuple[int, ...]
    schedule_hashes: tuple[str, ...]
    envelopes: tuple[Envelope, ...]
    envelope_hashes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OwnResult:
    """results.jsonl: a cleared MTU in which the account has an order."""

    market: str
    session: int
    mtu: int
    lot_wh: int
    price_neur_per_wh: int | None
    words: tuple[str, ...]
    rules: ClearingRules


@dataclass(frozen=True, slots=True)
class OwnMessage:
    """messages.jsonl: a signed message of an own meter."""

    jws: str


@dataclass(frozen=True, slots=True)
class OwnReading:
    """readings.jsonl: an own reading with its way to an attested root."""

    area: str
    reading: Reading
    proof: tuple[str, ...]
    revision: int
    root: str
    count: int
    import_wh: int
    export_wh: int
    signatures: tuple[str, ...]
    rules: ReadingRules

    @property
    def mtu(self) -> int:
        """That of the reading."""
        return self.reading.mtu


@dataclass(frozen=True, slots=True)
class ToldStatement:
    """What of an own statement is needed to recompute it."""

    period: int
    revision: int
    first_mtu: int
    count: int
    due_neur: int
    readings: dict[int, list[str]]
    lines: list[Json]

    @classmethod
    def read(cls, told: Json) -> ToldStatement:
        """From its JSON. Raises KeyError or ValueError."""
        readings = {item["mtu"]: item.get("readings", []) for item in told["opens"]}
        span = (told["first_mtu"], told["count"])
        return cls(told["period"], told["revision"], *span, int(told["due_neur"]), readings, told["lines"])


@dataclass(frozen=True, slots=True)
class OwnStatement:
    """statements.jsonl: an own statement with its way to what attesters signed."""

    statement: Json
    salt: str
    proof: tuple[str, ...]
    words_hash: str
    clearing_root: str
    readings_root: str
    statements_root: str
    tariff_hash: str
    signatures: tuple[str, ...]
    page: tuple[str, ...] | None
    page_hashes: tuple[str, ...]
    rules: SettlementRules
