"""Terms of supply: tariffs, and the agreements that put an account under one."""

from __future__ import annotations

from dataclasses import dataclass

from domain.members import Address, BasisPoints, Code, Mtu, Natural, PriceNeurPerWh, Signature


@dataclass(frozen=True, slots=True)
class Tariff:
    """One version of a tariff, valid from an MTU until the next version. Prices in nEUR/Wh, VAT in basis points.

    A positive price is paid by the household for supply, shortfall, excess, grid fees and levy, and to it for
    feed-in, surplus and compensation. Each party signed the prices of lines whose other side it is
    (`domain.signed_terms`): the retailer, whose tariff it is, the area's DSO, and the registrar levy and VAT.
    """

    tariff: Code
    version: Natural
    area: Code
    retailer: Address
    valid_from_mtu: Mtu
    supply_neur_per_wh: PriceNeurPerWh
    feed_in_neur_per_wh: PriceNeurPerWh
    imbalance_surplus_neur_per_wh: PriceNeurPerWh
    imbalance_shortfall_neur_per_wh: PriceNeurPerWh
    excess_neur_per_wh: PriceNeurPerWh
    grid_fee_neur_per_wh: PriceNeurPerWh
    grid_fee_local_neur_per_wh: PriceNeurPerWh
    levy_neur_per_wh: PriceNeurPerWh
    compensation_neur_per_wh: PriceNeurPerWh
    vat_bp: BasisPoints
    retailer_signature: Signature
    dso_signature: Signature
    registrar_signature: Signature


@dataclass(frozen=True, slots=True)
class Agreement:
    """One version of a supply agreement: which retailer supplies an account under which tariff.

    Valid from an MTU until the account's next agreement. `account` and `retailer` are addresses as facts carry them,
    lower-case 0x hex. Both signed all that stands before their signatures (`domain.signed_terms`).
    """

    agreement: Code
    version: Natural
    account: Address
    retailer: Address
    tariff: Code
    valid_from_mtu: Mtu
    account_signature: Signature
    retailer_signature: Signature
