"""What the journal says: one class per kind of entry, with exactly its members (docs/evidence.md sections 2 and 3).

Who takes part, and under which terms, stands in party_facts.py.

Energy in Wh, prices in nEUR/Wh, money in nEUR (+ is a credit of the account's holder), times in seconds of market time.
Codes are texts; hashes, addresses and signatures lower-case 0x hex.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from verifier.form import Json

# ---- periods, orders, books


@dataclass(frozen=True, slots=True)
class PeriodDeclared:
    """A span of MTUs of an area that is settled at once."""

    area: str
    period: int
    first_mtu: int
    count: int


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """A span of MTUs of a market with one gate, which is the session's name."""

    market: str
    area: str
    session: int
    period: int
    first_mtu: int
    count: int


@dataclass(frozen=True, slots=True)
class SessionLapsed:
    """A session that the chain refused to open, for this reason, until it was too late."""

    market: str
    session: int
    reason: str


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order's members as they are signed (protocol.md section 2); side 0 buys, 1 sells."""

    market: str
    session: int
    mtu: int
    side: int
    limit_price_neur_per_wh: int = field(metadata={"name": "limitPriceNeurPerWh"})
    quantity_lots: int = field(metadata={"name": "quantityLots"})
    account: str
    order_id: str = field(metadata={"name": "orderId"})
    revision: int
    salt: str


@dataclass(frozen=True, slots=True)
class OrderRules:
    """Version of the rule by which a receipt follows from an order or cancel."""

    receipts: int


@dataclass(frozen=True, slots=True)
class OrderAccepted:
    """An order that counts, unless a later revision or a cancel takes its place before the gate."""

    order: SignedOrder
    signature: str
    order_key: str
    tag: str
    market: str
    point: str | None
    market_time: int
    rules: OrderRules
    mandate: str | None = None


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    """An order's last revision is withdrawn; `revision` is that of the cancel."""

    market: str
    session: int
    mtu: int
    order_id: str
    revision: int
    account: str
    order_key: str
    tag: str
    signature: str
    market_time: int
    rules: OrderRules
    mandate: str | None = None


@dataclass(frozen=True, slots=True)
class Mandate:
    """What an agent may trade for an account (protocol.md section 10); MTUs from `from_mtu` on, before `to_mtu`."""

    account: str
    agent: str
    points: tuple[str, ...]
    markets: tuple[str, ...]
    highest_buy_neur_per_wh: int
    lowest_sell_neur_per_wh: int
    mtu_buy_wh: int
    mtu_sell_wh: int
    day_buy_wh: int
    day_sell_wh: int
    zone: str
    from_mtu: int
    to_mtu: int
    nonce: int

    @property
    def signed_values(self) -> tuple[Any, ...]:
        """The members in the order in which they are signed."""
        return tuple(getattr(self, item.name) for item in fields(self))

    def mtu_limit_wh(self, side: int) -> int:
        """Most energy bought (side 0) or sold in an MTU."""
        return self.mtu_sell_wh if side else self.mtu_buy_wh

    def day_limit_wh(self, side: int) -> int:
        """Most energy bought (side 0) or sold in a local day."""
        return self.day_sell_wh if side else self.day_buy_wh


@dataclass(frozen=True, slots=True)
class MandateGranted:
    """An account lets an agent trade for it, in place of what it allowed this agent before."""

    mandate: Mandate
    signature: str
    order_key: str
    tag: str
    market_time: int
    rules: OrderRules


@dataclass(frozen=True, slots=True)
class MandateRevoked:
    """A mandate, by its tag, has ended; `tag` is the revocation's own."""

    mandate: str
    account: str
    agent: str
    signature: str
    order_key: str
    tag: str
    market_time: int
    rules: OrderRules


@dataclass(frozen=True, slots=True)
class ScheduleNominated:
    """What a point will draw (+) or feed in (−), Wh per MTU of a session."""

    market: str
    session: int
    first_mtu: int
    point: str
    net_wh: tuple[int, ...]
    revision: int
    account: str
    order_key: str
    signature: str
    market_time: int


@dataclass(frozen=True, slots=True)
class CommittedBook:
    """The orders of one MTU as committed on chain before clearing."""

    mtu: int
    tags: tuple[str, ...]
    chain: str
    book_hash: str


@dataclass(frozen=True, slots=True)
class BookClosed:
    """The books of a session, committed at its gate."""

    market: str
    session: int
    first_mtu: int
    count: int
    books: tuple[CommittedBook, ...]


# ---- programs and clearings


@dataclass(frozen=True, slots=True)
class ValidatedResult:
    """The result of one MTU: its price (None: no trade) and its complete words."""

    mtu: int
    price_neur_per_wh: int | None
    words: tuple[str, ...]
    result_hash: str
    given_up: bool


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a point may draw and feed in during one MTU; None: no bound."""

    point: str
    mtu: int
    import_cap_wh: int | None
    export_cap_wh: int | None


@dataclass(frozen=True, slots=True)
class EarlierPosition:
    """What markets with earlier gates left of a point and MTU: Wh bought (+) or sold (-) net, and its caps."""

    point: str
    mtu: int
    net_wh: int
    import_cap_wh: int | None
    export_cap_wh: int | None


@dataclass(frozen=True, slots=True)
class ClearingRules:
    """Version of the rule by which an MTU was cleared."""

    ties: int


@dataclass(frozen=True, slots=True)
class ProgramRules:
    """Versions of the rules by which a program was cleared (ties) and its missing schedules made (forecast)."""

    ties: int
    forecast: int


@dataclass(frozen=True, slots=True)
class ProgramValidated:
    """Results, envelopes and schedules of a program as the grid bears them."""

    market: str
    session: int
    first_mtu: int
    count: int
    results: tuple[ValidatedResult, ...]
    envelopes: tuple[Envelope, ...]
    report: Json
    report_hash: str
    grid_model_hash: str
    books_root: str
    results_root: str
    traded_mask: str
    emptied_mask: str
    deadline: int
    schedules: dict[str, tuple[int, ...]]
    earlier: tuple[EarlierPosition, ...]
    rounds: int
    rules: ProgramRules


@dataclass(frozen=True, slots=True)
class ProgramSigned:
    """The DSO signed a program."""

    market: str
    session: int
    dso: str
    signature: str


@dataclass(frozen=True, slots=True)
class ProgramRefused:
    """The DSO refused a program."""

    market: str
    session: int
    dso: str
    reason: str
    signature: str


@dataclass(frozen=True, slots=True)
class SetpointsIssued:
    """Controllers were told the envelopes of a program."""

    market: str
    session: int
    envelopes: tuple[Envelope, ...]


@dataclass(frozen=True, slots=True)
class MtuCleared:
    """An MTU was cleared on chain under its signed result."""

    market: str
    session: int
    mtu: int
    price_neur_per_wh: int | None
    result_hash: str
    words: tuple[str, ...]
    tx_hash: str
    rules: ClearingRules


@dataclass(frozen=True, slots=True)
class SessionDone:
    """A session is over: its MTUs outside the mask traded nothing."""

    market: str
    session: int
    cleared_mask: str
    clearing_root: str


# ---- readings


@dataclass(frozen=True, slots=True)
class Reading:
    """One meter's leaf of one MTU: cumulative registers at its end and the energy of the interval."""

    meter: str
    mtu: int
    import_register_wh: int
    export_register_wh: int
    import_wh: int
    export_wh: int
    sequence: int
    quality: int
    nonce: str
    balancing_import_wh: int = 0
    balancing_export_wh: int = 0


@dataclass(frozen=True, slots=True)
class Attestation:
    """The readings of one MTU under one root, and the attesters' signatures."""

    mtu: int
    revision: int
    root: str
    count: int
    import_wh: int
    export_wh: int
    signatures: tuple[str, ...]
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class ReadingRules:
    """Version of the rule by which substitutes stand for missing readings."""

    substitutes: int


@dataclass(frozen=True, slots=True)
class ReadingAttested:
    """Attestations of several MTUs, and the meters' signed messages that they follow from."""

    area: str
    period: int
    attestations: tuple[Attestation, ...]
    messages: tuple[str, ...]
    rules: ReadingRules


@dataclass(frozen=True, slots=True)
class MtuUnread:
    """An MTU whose readings did not come in time."""

    area: str
    period: int
    mtu: int


# ---- settlement


@dataclass(frozen=True, slots=True)
class SaltedStatement:
    """An account's statement and the salt of its hash."""

    account: str
    salt: str
    statement: Json


@dataclass(frozen=True, slots=True)
class SettlementRules:
    """Version of the rule that gives a settlement's lines."""

    lines: int


@dataclass(frozen=True, slots=True)
class SettlementProposed:
    """A period's settlement as the operator computed it."""

    area: str
    period: int
    revision: int
    words: tuple[str, ...]
    words_hash: str
    clearing_root: str
    readings_root: str
    statements_root: str
    tariff_hash: str
    statements: tuple[SaltedStatement, ...]
    rules: SettlementRules


@dataclass(frozen=True, slots=True)
class AttesterSignature:
    """An attester's signature over a settlement."""

    attester: str
    signature: str


@dataclass(frozen=True, slots=True)
class SettlementSigned:
    """Attesters signed a settlement."""

    area: str
    period: int
    revision: int
    signatures: tuple[AttesterSignature, ...]


# ---- record keeping


@dataclass(frozen=True, slots=True)
class AuditSigned:
    """An auditor found all up to an entry clean."""

    auditor: str
    sequence: int
    head: str
    signature: str


@dataclass(frozen=True, slots=True)
class ErasureDone:
    """Payloads of earlier entries were erased."""

    sequences: tuple[int, ...]
    reason: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessLogged:
    """An auditor read personal data."""

    auditor: str
    what: str
    area: str | None
    market_time: int
