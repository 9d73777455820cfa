"""What anyone may read."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from edge.models import Answer
from ledger_service.overview.queries import EndState, ProgramState
from ledger_service.settlement.queries import PeriodLife
from wallet_api.fields import (
    Address,
    Bytes32,
    Code,
    GateLocal,
    LotWh,
    MarketKind,
    MarketTime,
    Mtu,
    NeurPerWh,
    Number,
    PositiveInt,
    Seconds,
    Sequence,
    Session,
    TickNeurPerWh,
    Uint32,
    Uint53,
    Wh,
)
from wallet_api.schemas.base import (
    AtMarketTime,
    AtMtu,
    JournalHead,
    MtuRun,
    RecordedAt,
    mtu_utc_of,
    optional_utc_of,
    utc_of,
)
from wallet_api.schemas.session import CANCEL_TYPE, SigningDomain

MARKET_ADDRESS = "0x5fbdb2315678afecb367f032d93f642f64180aa3"
"""The address of a contract as examples show it."""


END_STATES = (
    "`cleared`: something was traded; `tradeless`: nothing was, as the DSO signed; "
    "`void`: given up, refused or too late, or its session lapsed"
)
"""What the words for the end of an MTU mean."""


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


class Clock(AtMarketTime):
    """Market time now."""

    mtu: Mtu
    chain_time: Uint53 = Field(description="Block time in unix seconds that belongs to the market time, rounded down")
    speed: PositiveInt = Field(description="Market seconds per second of block time; 1 in production")
    starts = mtu_utc_of("mtu")


class Attester(Answer):
    """One of the organisations that verify readings and recompute settlements."""

    name: Code
    address: Address = Field(description="Its signing key")
    organisation: Code


class AreaMembers(BaseModel):
    """What holds in the grid of one DSO."""

    area: Code
    zone: Code = Field(description="IANA zone in which local days and gates are meant")
    attest_seconds: Seconds = Field(description="Seconds after an MTU's end by which its readings must be attested")
    horizon_seconds: Seconds = Field(description="Seconds after a period's end within which readings may be corrected")
    challenge_seconds: Seconds = Field(description="Seconds a settlement or redemption waits before it takes effect")
    attesters: list[Attester]
    threshold: PositiveInt = Field(description="How many attesters of distinct organisations must agree")


class AreaRules(AreaMembers, Answer):
    """What holds in the grid of one DSO."""

    grid_model_hash: Bytes32


class Area(AreaRules, RecordedAt):
    """The grid of one DSO."""

    area_id: Bytes32 = Field(description="Its id on chain")


class MarketMembers(BaseModel):
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
    later_gates_local: tuple[GateLocal, ...] = Field(
        default=(), strict=False, description="Further gates of the day before delivery, ascending: one session each"
    )


class MarketRules(MarketMembers, Answer):
    """The rules of a market; deadlines count from the gate."""

    kind: MarketKind = Field(description="How it trades; only auctions exist so far")


class Market(MarketRules, RecordedAt):
    """A market of one area."""

    market_id: Bytes32 = Field(description="Its id on chain, which orders are signed for")
    next_opening: MarketTime | None = Field(
        description="Unix seconds of market time from which the sessions open that come after those opened last; null "
        "before the first"
    )
    next_opening_utc = optional_utc_of("next_opening")


class Program(MtuRun):
    """A session: one gate of one market and its MTUs, and where they stand."""

    market: Code
    area: Code
    session: Session
    period: Number
    session_utc = utc_of("session")
    book_deadline: MarketTime = Field(description="Unix seconds of market time by which the book must be on chain")
    book_deadline_utc = utc_of("book_deadline")
    sign_deadline: MarketTime = Field(description="Unix seconds of market time until which the DSO's verdict is taken")
    sign_deadline_utc = utc_of("sign_deadline")
    clear_deadline: MarketTime = Field(description="Unix seconds of market time from which what isn't cleared is void")
    clear_deadline_utc = utc_of("clear_deadline")
    verdict_deadline: MarketTime | None = Field(description="Deadline inside the signed program; null until validated")
    verdict_deadline_utc = optional_utc_of("verdict_deadline")
    traded_mtus: Uint32 = Field(description="In how many of its MTUs something trades, once it is validated")
    cleared_mtus: Uint32 = Field(description="How many of these the chain has cleared")
    given_up_mtus: Uint32 = Field(description="How many validation gave up: nothing trades in them")
    state: ProgramState = Field(
        description="`expired`: the DSO let its deadline pass; `cleared`: all that trade; `resolved`: it is over; "
        "`lapsed`: the chain refused to open it until it was too late, so nothing traded"
    )
    lapsed_reason: str | None = Field(description="What the chain said where the session lapsed; null otherwise")


class MtuPrice(AtMtu):
    """How one MTU of a session ended."""

    market: Code
    session: Session
    price_neur_per_wh: NeurPerWh | None = Field(description="Clearing price in nEUR/Wh; null without a trade")
    price_ct_per_kwh: str | None = Field(
        pattern=r"^-?\d+\.\d{4}$", description="The same in ct/kWh for people, exact (1 ct/kWh = 10,000 nEUR/Wh)"
    )
    volume_wh: Wh = Field(description="Traded energy in Wh, each trade counted once")
    state: EndState = Field(description=END_STATES)


class MtuStanding(AtMtu):
    """Where one MTU of a session stands."""

    market: Code
    session: Session
    state: ProgramState | EndState = Field(description=f"As its program until it has ended; then {END_STATES}")


class Period(MtuRun):
    """A run of MTUs that settle together, and where it stands."""

    area: Code
    period: Number
    settled_revisions: Uint32 = Field(
        examples=[1], description="How many revisions of its settlement are in effect on chain"
    )
    state: PeriodLife = Field(description="The furthest that any revision came; `final` = no correction may follow")


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
