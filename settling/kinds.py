"""The kinds of settlement lines (docs/protocol.md section 8), in the order in which a statement lists them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Other(StrEnum):
    """Who stands on the other side of a line."""

    POOL = "pool"
    RETAILER = "retailer"
    DSO = "dso"
    TAX = "tax"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of line.

    `sign` is that of the account's amount at a positive price, `price` the tariff field it is charged at (None: the
    clearing price), `taxed` whether its debits are in the VAT base.
    """

    name: str
    sign: int
    price: str | None
    other: Other
    taxed: bool


LOCAL_PURCHASE = Kind("local_purchase", -1, None, Other.POOL, True)
LOCAL_SALE = Kind("local_sale", 1, None, Other.POOL, False)
RESIDUAL_SUPPLY = Kind("residual_supply", -1, "supply_neur_per_wh", Other.RETAILER, True)
RESIDUAL_FEED_IN = Kind("residual_feed_in", 1, "feed_in_neur_per_wh", Other.RETAILER, False)
IMBALANCE_SURPLUS = Kind("imbalance_surplus", 1, "imbalance_surplus_neur_per_wh", Other.RETAILER, False)
IMBALANCE_SHORTFALL = Kind("imbalance_shortfall", -1, "imbalance_shortfall_neur_per_wh", Other.RETAILER, True)
EXCESS_EXPORT = Kind("excess_export", -1, "excess_neur_per_wh", Other.DSO, True)
EXCESS_IMPORT = Kind("excess_import", -1, "excess_neur_per_wh", Other.DSO, True)
GRID_FEE_LOCAL = Kind("grid_fee_local", -1, "grid_fee_local_neur_per_wh", Other.DSO, True)
GRID_FEE = Kind("grid_fee", -1, "grid_fee_neur_per_wh", Other.DSO, True)
LEVY = Kind("levy", -1, "levy_neur_per_wh", Other.TAX, True)
COMPENSATION = Kind("curtailment_compensation", 1, "compensation_neur_per_wh", Other.DSO, False)

KINDS = (
    LOCAL_PURCHASE,
    LOCAL_SALE,
    RESIDUAL_SUPPLY,
    RESIDUAL_FEED_IN,
    IMBALANCE_SURPLUS,
    IMBALANCE_SHORTFALL,
    EXCESS_EXPORT,
    EXCESS_IMPORT,
    GRID_FEE_LOCAL,
    GRID_FEE,
    LEVY,
    COMPENSATION,
)
"""Every kind that has energy and a price, in the order of the protocol's table."""

VAT = "vat"
"""The one kind without a MTU: a percentage over a statement's taxed debits."""
