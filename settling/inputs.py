"""What a settlement is computed from, as values. All energies in Wh and not negative, prices in nEUR/Wh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.mtu import MTU_END
from domain.parties import ParticipantKind
from domain.periods import Period
from domain.terms import Agreement, Ends, Tariff
from domain.words import Side


@dataclass(frozen=True, slots=True)
class Party:
    """An account of the area; `point` is the metering point code of a household, else None.

    It takes part in the MTUs from `first_mtu` on, before `end_mtu`.
    """

    account: bytes
    kind: ParticipantKind
    point: str | None
    first_mtu: int = 0
    end_mtu: int = MTU_END


@dataclass(frozen=True, slots=True)
class Trade:
    """An opened order word with something accepted: in which session of a market, and at which price per Wh."""

    account: bytes
    market: str
    session: int
    mtu: int
    side: Side
    energy_wh: int
    price_neur_per_wh: int
    tag: bytes


@dataclass(frozen=True, slots=True)
class Metered:
    """Interval energy of a point in one MTU, and the hashes of the readings it comes from, in leaf order.

    `balancing_wh`: what it drew before, beyond what it fed in, that nothing else settles (`settling.balancing`); alone
    of all energies it may be negative.
    """

    point: str
    mtu: int
    import_wh: int
    export_wh: int
    readings: tuple[bytes, ...]
    balancing_wh: int = 0


@dataclass(frozen=True, slots=True)
class CapsInForce:
    """What the DSO's program says of a point in one MTU: caps (None = none) and the export that was scheduled."""

    point: str
    mtu: int
    import_cap_wh: int | None
    export_cap_wh: int | None
    scheduled_export_wh: int


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything one revision of a settlement depends on. A (point, MTU) without `metered` settles as traded.

    `trades` are those of all energy markets of the area; `settled_before_neur` is the sum of each account's words of
    earlier revisions. `successors` gives, for an account that was replaced, the one that has its place in this
    settlement: parties and trades name that one, agreements the account that signed them.
    """

    period: Period
    revision: int
    parties: tuple[Party, ...]
    tariffs: tuple[Tariff, ...]
    agreements: tuple[Agreement, ...]
    trades: tuple[Trade, ...] = ()
    metered: tuple[Metered, ...] = ()
    limits: tuple[CapsInForce, ...] = ()
    ends: Ends = field(default_factory=dict)
    settled_before_neur: Mapping[bytes, int] = field(default_factory=dict)
    successors: Mapping[bytes, bytes] = field(default_factory=dict)
