"""Terms of supply: tariffs, and the agreements that put an account under one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tariff:
    """One version of a tariff, valid from an MTU until the next version. Prices in nEUR/Wh, VAT in basis points.

    A positive price is paid by the household for supply, shortfall, excess, grid fees and levy, and to it for
    feed-in, surplus and compensation.
    """

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
    """One version of a supply agreement: which retailer supplies an account under which tariff.

    Valid from an MTU until the account's next agreement. `account` and `retailer` are addresses as facts carry them,
    lower-case 0x hex.
    """

    agreement: str
    version: int
    account: str
    retailer: str
    tariff: str
    valid_from_mtu: int
