"""Terms as their parties sign them."""

from __future__ import annotations

from typing import Any

from domain.eip712 import Domain
from domain.hashing import to_hex
from domain.signed_terms import UNSIGNED, signed_by
from domain.signing import SigningKey
from domain.terms import Agreement


def signed_agreement(account: SigningKey, retailer: SigningKey, *, domain: Domain, **members: Any) -> Agreement:
    """The first version of the account's agreement with the retailer from MTU 0 on, unless members say otherwise.

    `domain` is that of the Settlement contract.
    """
    base = {"agreement": "one", "version": 1, "tariff": "home", "valid_from_mtu": 0}
    parties = {"account": to_hex(account.address), "retailer": to_hex(retailer.address)}
    unsigned = Agreement(**base | members, **parties, account_signature=UNSIGNED, retailer_signature=UNSIGNED)
    return signed_by(unsigned, {"account": account, "retailer": retailer}, domain=domain)
