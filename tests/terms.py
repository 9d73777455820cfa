"""Terms as their parties sign them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from domain.eip712 import Domain
from domain.hashing import to_hex
from domain.policies import SigningPolicy
from domain.signed_terms import UNSIGNED, signed_by
from domain.signing import SigningKey
from domain.terms import Agreement, Tariff

UNSIGNED_TARIFF = {f"{party}_signature": UNSIGNED for party in ("retailer", "dso", "registrar")}
"""In place of the signatures of a tariff."""


def signed_agreement(account: SigningKey, retailer: SigningKey, *, domain: Domain, **members: Any) -> Agreement:
    """The first version of the account's agreement with the retailer from MTU 0 on, unless members say otherwise.

    `domain` is that of the Settlement contract.
    """
    base = {"agreement": "one", "version": 1, "tariff": "home", "valid_from_mtu": 0}
    parties = {"account": to_hex(account.address), "retailer": to_hex(retailer.address)}
    unsigned = Agreement(**base | members, **parties, account_signature=UNSIGNED, retailer_signature=UNSIGNED)
    return signed_by(unsigned, {"account": account, "retailer": retailer}, domain=domain)


WIDE: dict[str, Any] = {
    "area": "TEST",
    "version": 1,
    "valid_from_mtu": 0,
    "markets": ("TEST/DA",),
    "count_most": 128,
    "given_up_most": 128,
    "fallbacks_most": 128,
    "voltage_lowest_micro_pu": 900_000,
    "voltage_highest_micro_pu": 1_100_000,
    "loading_highest_permille": 1_000,
    "capped_points_most": 1_000,
    "capped_import_wh_most": 10**9,
    "capped_export_wh_most": 10**9,
    "rounds_most": 100,
    "ties_rules": (1,),
    "forecast_rules": (1,),
}
"""A signing policy that allows whatever the grid bears."""


def signed_policy(dso: SigningKey, *, domain: Domain, **members: Any) -> SigningPolicy:
    """The first version of the DSO's signing policy, from MTU 0 on, unless members say otherwise.

    `domain` is that of the Settlement contract.
    """
    return signed_by(SigningPolicy(**WIDE | members, dso_signature=UNSIGNED), {"dso": dso}, domain=domain)


PRICES = {
    "supply_neur_per_wh": 300_000,
    "feed_in_neur_per_wh": 80_000,
    "imbalance_surplus_neur_per_wh": 50_000,
    "imbalance_shortfall_neur_per_wh": 350_000,
    "excess_neur_per_wh": 100_000,
    "grid_fee_neur_per_wh": 70_000,
    "grid_fee_local_neur_per_wh": 30_000,
    "levy_neur_per_wh": 20_000,
    "compensation_neur_per_wh": 60_000,
    "vat_bp": 1_900,
}
"""Prices of a tariff, and its rate of VAT."""


@dataclass(frozen=True)
class Makers:
    """Who makes a tariff: the keys of its retailer, of the area's DSO and of the registrar."""

    retailer: SigningKey
    dso: SigningKey
    registrar: SigningKey

    def tariff(self, *, domain: Domain, **members: Any) -> Tariff:
        """The first version of a tariff of the retailer, from MTU 0 on, unless members say otherwise, signed by all.

        `domain` is that of the Settlement contract.
        """
        base = {"tariff": "home", "version": 1, "area": "TEST", "valid_from_mtu": 0, **PRICES}
        made = Tariff(**base | {"retailer": to_hex(self.retailer.address), **UNSIGNED_TARIFF} | members)
        return self.sign(made, domain=domain)

    def sign(self, tariff: Tariff, *, domain: Domain) -> Tariff:
        """A tariff with the signatures of all."""
        keys = {"retailer": self.retailer, "dso": self.dso, "registrar": self.registrar}
        return signed_by(tariff, keys, domain=domain)
