"""What anyone may read."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from edge.models import Answer
from wallet_api.fields import (
    Address,
    Bytes32,
    Code,
    GateLocal,
    LotWh,
    MarketKind,
    MarketTime,
    Mtu,
    MtuCount,
    NeurPerWh,
    Number,
    PositiveInt,
    ProgramState,
    Seconds,
    Sequence,
    TickNeurPerWh,
    Uint32,
    Uint53,
    UtcText,
    Wh,
)
from wallet_api.schemas.base import JournalHead, Starts
from wallet_api.schemas.session import CANCEL_TYPE, SigningDomain

MARKET_ADDRESS = "0x5fbdb2315678afecb367f032d93f642f64180aa3"
"""The address of a contract as examples show it."""


class NodeHealth(Answer):
    """The chain node as it was last looked at."""

    reachable: bool = Field(examples=[True])
    lag_seconds: Uint53 | None = Field(
        description="Seconds of block time by which its newest block is behind; null where it did not answer",
        examples=[0],
    )


class Health(Answer):
    """The service can read its record; `degraded`: work waits for the node or a stage."""

    status: Literal["ok", "degraded"]
    journal: JournalHead
    node: NodeHealth | None = Field(description="Null where the service looks at none")
    stages: Literal["ok", "failing"] | None = Field(description="Null where the service runs none")


class Clock(Answer):
    """Market time now."""

    market_time: MarketTime
    market_time_utc: UtcText
    mtu: Mtu
    chain_time: Uint53 = Field(description="Block time in unix seconds that belongs to the market time, rounded down")
    speed: PositiveInt = Field(description="Market seconds per second of block time; 1 in production")


class Attester(Answer):
    """One of the organisations that verify readings and recompute settlements."""

    name: Code
    address: Address = Field(description="Its signing key")
    organisation: Code


class AreaRules(Answer):
    """What holds in the grid of one DSO."""

    area: Code
    zone: str = Field(description="IANA zone in which local days and gates are meant")
    attest_seconds: Seconds = Field(description="Seconds after an MTU's end by which its readings must be attested")
    horizon_seconds: Seconds = Field(description="Seconds after a period's end within which readings may be corrected")
    challenge_seconds: Seconds = Field(description="Seconds a settlement or redemption waits before it takes effect")
    grid_model_hash: Bytes32
    threshold: PositiveInt = Field(description="How many attesters of distinct organisations must agree")
    attesters: list[Attester]


class Area(AreaRules):
    """The grid of one DSO."""

    area_id: Bytes32 = Field(description="Its id on chain")


class MarketRules(Answer):
    """The rules of a market; deadlines count from the gate."""

    market: Code
    area: Code
    lot_wh: LotWh
    tick_neur_per_wh: TickNeurPerWh
    min_limit_neur_per_wh: NeurPerWh
    max_limit_neur_per_wh: NeurPerWh
    grace_seconds: Seconds = Field(description="Seconds after the gate within which the book is committed on chain")
    sign_seconds: Seconds = Field(description="Seconds after the gate within which the DSO's verdict counts")
    clear_seconds: Seconds = Field(description="Seconds after the gate within which MTUs are cleared, or become void")
    gate_local: GateLocal
    kind: MarketKind = Field(description="How it trades; only auctions exist so far")


class Market(MarketRules):
    """A market of one area."""

    market_id: Bytes32 = Field(description="Its id on chain, which orders are signed for")


class Program(Starts):
    """The MTUs of one gate of one market, and where they stand."""

    market: Code
    area: Code
    program: Number
    period: Number
    first_mtu: Mtu
    count: MtuCount
    gate: MarketTime = Field(description="Unix seconds of market time from which no order, change or cancel is taken")
    gate_utc: UtcText
    book_deadline: MarketTime = Field(description="When the book must be committed on chain")
    sign_deadline: MarketTime = Field(description="Until when the market takes the DSO's verdict")
    clear_deadline: MarketTime = Field(description="When MTUs that aren't cleared become void")
    verdict_deadline: MarketTime | None = Field(description="Deadline inside the signed program; null until validated")
    resolved_mtus: Uint32 = Field(description="How many of its MTUs are cleared or void")
    given_up_mtus: Uint32 = Field(description="How many validation gave up: they become void at the clear deadline")
    state: ProgramState


class MtuPrice(Starts):
    """How one MTU ended."""

    mtu: Mtu
    price_neur_per_wh: NeurPerWh | None = Field(description="Clearing price in nEUR/Wh; null without a trade")
    price_ct_per_kwh: str | None = Field(
        pattern=r"^-?\d+\.\d{4}$", description="The same in ct/kWh for people, exact (1 ct/kWh = 10,000 nEUR/Wh)"
    )
    volume_wh: Wh = Field(description="Traded energy in Wh, each trade counted once")
    state: Literal["cleared", "void"]


class Prices(Answer):
    """The MTUs of a range that have ended, ascending."""

    market: Code
    items: list[MtuPrice]


class MtuStanding(Starts):
    """Where one MTU stands."""

    mtu: Mtu
    program: Number
    state: ProgramState | Literal["cleared", "void"] = Field(
        description="As its program until it has ended; then cleared or void"
    )


class Mtus(Answer):
    """The MTUs of a range that belong to a program, ascending."""

    market: Code
    items: list[MtuStanding]


class Period(Starts):
    """A run of MTUs that settle together, and where it stands."""

    area: Code
    period: Number
    first_mtu: Mtu
    count: MtuCount
    settled_revisions: Uint32 = Field(
        examples=[1], description="How many revisions of its settlement are in effect on chain"
    )
    state: Literal["open", "proposed", "signed", "settled", "final"] = Field(
        description="The furthest that any revision came; `final` = no correction may follow"
    )


class MarketTimeRule(Answer):
    """Market time = origin + (block time - start) x speed."""

    origin_seconds: Uint53
    start_seconds: Uint53
    speed: PositiveInt


class ShapeOfLedger(Answer):
    """A struct that is signed, and where."""

    type: str = Field(description="Its EIP-712 type string", examples=[CANCEL_TYPE])
    domain: SigningDomain
    domain_separator: Bytes32


class AnchoredHead(Answer):
    """A journal head that a block holds."""

    sequence: Sequence
    head: Bytes32
    tx_hash: Bytes32
    block: Uint53 = Field(description="Number of that block")


class Ledger(Answer):
    """The deployment, and the journal's head."""

    chain_id: Uint53
    contracts: dict[str, Address] = Field(
        description="Address by name of contract", examples=[{"Market": MARKET_ADDRESS}]
    )
    market_time: MarketTimeRule
    signing: dict[str, ShapeOfLedger] = Field(description="What is signed, by name of shape")
    journal: JournalHead
    last_anchor: AnchoredHead | None = Field(description="The last head that stands on chain; null before the first")
    deployment: dict[str, Any] = Field(description="Further facts of the deployment: code hashes, genesis, start block")
