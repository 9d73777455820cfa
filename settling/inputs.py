"""What a settlement is computed from, as values. All energies in Wh and not negative, prices in nEUR/Wh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from domain.words import Side


class PartyKind(StrEnum):
    """What an account is in its area."""

    HOUSEHOLD = "household"
    RETAILER = "retailer"
    DSO = "dso"
    TAX = "tax"


@dataclass(frozen=True, slots=True)
class Period:
    """The MTUs [first_mtu, first_mtu + count) of an area that settle together; `area` is its code."""

    area: str
    period: int
    revision: int
    first_mtu: int
    count: int


@dataclass(frozen=True, slots=True)
class Party:
    """An account of the area; `point` is the metering point code of a household, else None."""

    account: bytes
    kind: PartyKind
    point: str | None


@dataclass(frozen=True, slots=True)
class Tariff:
    """One version of a tariff, valid from a MTU on until the next version. `vat_bp` in 1/10,000."""

    tariff: str
    version: int
    valid_from_mtu: int
    supply_neur_per_wh: int
    feed_in_neur_per_wh: int
    imbalance_surplus_neur_per_wh: int
    imbalance_shortfall_neur_per_wh: int
    excess_neur_per_wh: int
    grid_fee_neur_per_wh: int
    grid_fee_local_neur_per_wh: int
    levy_neur_per_wh: int
    compensation_neur_per_wh: int
    vat_bp: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """One version of an account's agreement with its retailer, which names the tariff."""

    agreement: str
    version: int
    account: bytes
    retailer: bytes
    tariff: str
    valid_from_mtu: int


@dataclass(frozen=True, slots=True)
class Trade:
    """An opened order word with something accepted."""

    account: bytes
    mtu: int
    side: Side
    energy_wh: int
    tag: str


@dataclass(frozen=True, slots=True)
class Metered:
    """Interval energy of a point in one MTU, and the hashes of the readings it comes from, in leaf order."""

    point: str
    mtu: int
    import_wh: int
    export_wh: int
    readings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """What the DSO's program says of a point in one MTU: caps (None = none) and the export that was scheduled."""

    point: str
    mtu: int
    import_cap_wh: int | None
    export_cap_wh: int | None
    scheduled_export_wh: int


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything one settlement depends on. A (point, MTU) without `metered` settles as traded.

    `price_neur_per_wh` has the MTUs that were cleared with a trade; `settled_before_neur` the sum of each account's
    words of earlier revisions.
    """

    period: Period
    parties: tuple[Party, ...]
    tariffs: tuple[Tariff, ...]
    agreements: tuple[Agreement, ...]
    trades: tuple[Trade, ...] = ()
    price_neur_per_wh: Mapping[int, int] = field(default_factory=dict)
    metered: tuple[Metered, ...] = ()
    limits: tuple[Limit, ...] = ()
    settled_before_neur: Mapping[bytes, int] = field(default_factory=dict)
