"""What only the holder of a key can register: order keys by their account, guarantees by their guarantor."""

from __future__ import annotations

from typing import Any

from domain.eip712 import GUARANTEE, KEY_REGISTRATION, Domain, Shape
from domain.hashing import ZERO_HASH, from_hex, text_id, to_hex
from domain.signing import SIGNATURE_BYTES, recover
from domain.units import check_range
from ledger_service.outbox import abi_integer, request_transaction
from ledger_service.record import Entry, Transaction
from ledger_service.registry import queries
from ledger_service.registry.checks import check_address, check_hex, check_mtu
from ledger_service.registry.errors import (
    AlreadyRegistered,
    NonceUsed,
    NotRegistered,
    VersionOutOfOrder,
    WrongParty,
    WrongSigner,
)
from ledger_service.registry.models import Guarantee, OrderKey
from ledger_service.registry.operations import put, require_participant

CREDIT_NEUR_MAX = 2**63 - 1
"""Largest credit line in nEUR: 9 billion EUR, the largest whole number both databases hold."""

NONCE_MAX = 2**53 - 1
"""Largest nonce of a guarantee: the largest number canonical JSON carries."""


def key_registration_values(key: OrderKey) -> dict[str, Any]:
    """The members of the KeyRegistration that the account signs; without a point (a retailer) it is 32 zero bytes."""
    return {
        "account": key.account,
        "orderKey": key.order_key,
        "point": ZERO_HASH if key.point is None else text_id(key.point),
        "validFromMtu": key.valid_from_mtu,
    }


def guarantee_values(guarantee: Guarantee) -> dict[str, Any]:
    """The members of the Guarantee that the guarantor signs."""
    return {
        "guarantor": guarantee.guarantor,
        "account": guarantee.account,
        "creditNeur": guarantee.credit_neur,
        "nonce": guarantee.nonce,
    }


def register_key(tx: Transaction, *, domain: Domain, key: OrderKey) -> Entry:
    """Register the device key that signs an account's orders from an MTU on; the key before it ends there.

    `domain` is that of the Settlement contract. Raises Malformed, NotRegistered, WrongParty, BadSignature, WrongSigner,
    VersionOutOfOrder (it must begin after the key before) and AlreadyRegistered (a key serves one account).
    """

    def check() -> None:
        check_address(field="order_key", value=key.order_key)
        check_mtu(field="valid_from_mtu", value=key.valid_from_mtu)
        holder = queries.participant_of(tx.connection, key.account)
        if holder is None:
            raise NotRegistered(what="account", name=key.account)
        if holder.kind not in ("household", "retailer"):
            raise WrongParty(account=key.account, expected="a household or retailer: others do not trade")
        if holder.point != key.point:
            raise WrongParty(account=key.account, expected=f"its own point, which is {holder.point}")
        if queries.participant_of(tx.connection, key.order_key) is not None:
            # Settlement accounts are not order keys: a stolen device must not move money.
            raise AlreadyRegistered(what="address", name=f"{key.order_key} (as a settlement account)")
        require_signer(domain=domain, shape=KEY_REGISTRATION, values=key_registration_values(key), key=key)
        before = queries.order_keys(tx.connection, account=key.account)
        if before and key.valid_from_mtu <= before[-1].valid_from_mtu:
            reason = f"the key before begins at MTU {before[-1].valid_from_mtu}"
            raise VersionOutOfOrder(what="order key of", name=key.account, version=len(before) + 1, reason=reason)

    payload = {
        "account": key.account,
        "order_key": key.order_key,
        "point": key.point,
        "valid_from_mtu": key.valid_from_mtu,
        "signature": key.signature,
    }
    return put(tx, kind="key.registered", payload=payload, key=f"key:{key.order_key}", what="order key", check=check)


def give_guarantee(tx: Transaction, *, domain: Domain, guarantee: Guarantee) -> Entry:
    """Record a retailer's guarantee for a household of its area and ask for it on chain.

    `domain` is that of the Settlement contract. Raises Malformed, OutOfRange, NotRegistered, WrongParty, BadSignature,
    WrongSigner, NonceUsed, AlreadyRegistered.
    """

    def check() -> None:
        check_range(field="credit_neur", value=guarantee.credit_neur, lowest=0, highest=CREDIT_NEUR_MAX)
        check_range(field="nonce", value=guarantee.nonce, lowest=1, highest=NONCE_MAX)
        guarantor = require_participant(tx, account=guarantee.guarantor, kind="retailer")
        household = require_participant(tx, account=guarantee.account, kind="household")
        if guarantor.area != household.area:
            raise WrongParty(account=guarantee.guarantor, expected=f"a retailer of area {household.area}")
        require_signer(domain=domain, shape=GUARANTEE, values=guarantee_values(guarantee), key=guarantee)
        given = queries.guarantees(tx.connection, account=guarantee.account)
        last = max((item.nonce for item in given if item.guarantor == guarantee.guarantor), default=0)
        if guarantee.nonce <= last:
            raise NonceUsed(last=last, given=guarantee.nonce)

    name = f"{guarantee.guarantor}:{guarantee.account}:{guarantee.nonce}"
    payload = {
        "guarantor": guarantee.guarantor,
        "account": guarantee.account,
        "credit_neur": str(guarantee.credit_neur),
        "nonce": guarantee.nonce,
        "signature": guarantee.signature,
    }
    entry = put(tx, kind="guarantee.given", payload=payload, key=f"guarantee:{name}", what="guarantee", check=check)
    args = [guarantee.guarantor, guarantee.account, abi_integer(guarantee.credit_neur), guarantee.nonce]
    request_transaction(
        tx,
        key=f"guarantee:{name}",
        role="operator",
        contract="Settlement",
        function="guarantee",
        args=[*args, guarantee.signature],
    )
    return entry


def require_signer(*, domain: Domain, shape: Shape, values: dict[str, Any], key: OrderKey | Guarantee) -> None:
    """The consent must be by the account (order key) or the guarantor (guarantee). Raises BadSignature, WrongSigner."""
    expected = key.account if isinstance(key, OrderKey) else key.guarantor
    check_hex(field="signature", value=key.signature, length=SIGNATURE_BYTES)
    signer = to_hex(recover(domain.digest(shape, values), from_hex(key.signature)))
    if signer != expected:
        raise WrongSigner(expected=expected, signer=signer)
