"""What only the holder of a key can register: order keys by their account, guarantees by their guarantor."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import partial
from typing import Any

from contracts.bindings import Guarantees
from domain.eip712 import GUARANTEE, KEY_REGISTRATION, Domain
from domain.facts import GuaranteeGiven, KeyRegistered, Subject
from domain.hashing import MAX_SAFE_INTEGER, ZERO_HASH, from_hex, text_id, to_hex
from domain.mtu import mtu_of
from domain.parties import Guarantee, OrderKey, Participant, ParticipantKind
from domain.roles import ChainRole
from domain.signing import SIGNATURE_BYTES, recover
from domain.units import check_range
from ledger_service.outbox import request
from ledger_service.record import Entry, Transaction
from ledger_service.registry import queries
from ledger_service.registry.checks import check_address, check_length, check_mtu
from ledger_service.registry.errors import (
    AlreadyBegun,
    ConsentMissing,
    DeadlinePassed,
    NonceUsed,
    NotRegistered,
    WrongParty,
    WrongSigner,
)
from ledger_service.registry.operations import check_unclaimed, put

CREDIT_NEUR_MAX = 2**63 - 1
"""Largest credit line in nEUR: 9 billion EUR, the largest whole number both databases hold."""

KEY_AHEAD_MTUS = 366 * 96
"""How far ahead of the current MTU a key may begin: a year, beyond any planned change of a device."""

NONCE_STEP_MAX = 2**32
"""How far above the last one a nonce may be, on chain too: none can be the last."""


def key_registration_values(key: OrderKey) -> dict[str, Any]:
    """The members of the KeyRegistration that the account signs; without a point (a retailer) it is 32 zero bytes."""
    return {
        "account": key.account,
        "orderKey": key.order_key,
        "point": ZERO_HASH if key.point is None else text_id(key.point),
        "validFromMtu": key.valid_from_mtu,
    }


def guarantee_values(guarantee: Guarantee) -> dict[str, Any]:
    """The members of the Guarantee that the guarantor signs, and the account that it is new to."""
    return {
        "guarantor": guarantee.guarantor,
        "account": guarantee.account,
        "creditNeur": guarantee.credit_neur,
        "nonce": guarantee.nonce,
        "deadline": guarantee.deadline,
    }


def key_signer(*, domain: Domain, key: OrderKey) -> str:
    """Who signed a key registration (0x hex), to be found before the transaction that registers it.

    `domain` is that of the Settlement contract. Raises Malformed, OutOfRange, BadSignature.
    """
    check_address(field="order_key", value=key.order_key)
    check_mtu(field="valid_from_mtu", value=key.valid_from_mtu)
    return _signer(domain.digest(KEY_REGISTRATION, key_registration_values(key)), key.signature)


@dataclass(frozen=True, slots=True)
class GuaranteeSigners:
    """Who signed a guarantee (0x hex): for its guarantor, and for the account where that signed too."""

    guarantor: str
    account: str | None


def guarantee_signers(*, domain: Domain, guarantee: Guarantee) -> GuaranteeSigners:
    """Who signed a guarantee, to be found before the transaction that records it.

    `domain` is that of the Guarantees contract. Raises Malformed, OutOfRange, BadSignature.
    """
    check_range(field="credit_neur", value=guarantee.credit_neur, lowest=0, highest=CREDIT_NEUR_MAX)
    check_range(field="nonce", value=guarantee.nonce, lowest=1, highest=MAX_SAFE_INTEGER)
    digest = domain.digest(GUARANTEE, guarantee_values(guarantee))
    agreed = guarantee.account_signature
    return GuaranteeSigners(
        guarantor=_signer(digest, guarantee.signature), account=None if agreed is None else _signer(digest, agreed)
    )


def _signer(digest: bytes, signature: bytes) -> str:
    check_length(field="signature", value=signature, length=SIGNATURE_BYTES)
    return to_hex(recover(digest, signature))


def register_key(tx: Transaction, *, signer: str, key: OrderKey, organisations: Container[str], now: int) -> Entry:
    """Register the device key that signs an account's orders from an MTU on, whatever was registered before.

    It takes the place of every earlier key from there on, those still to begin included, so that a stolen key is out
    at once: it may begin with the MTU of `now` (market time), and at most KEY_AHEAD_MTUS later. `signer` is what
    `key_signer` gave, `organisations` as in `check_unclaimed`. Raises Malformed, OutOfRange, AlreadyBegun,
    NotRegistered, WrongParty, WrongSigner, AlreadyRegistered (an address plays one part).
    """

    def check() -> None:
        _check_begin(key, now=now)
        holder = _require_trader(tx, key.account)
        if holder.point != key.point:
            raise WrongParty(account=key.account, expected=f"its own point, which is {holder.point}")
        # Settlement accounts are not order keys: a stolen device must not move money.
        check_unclaimed(tx, address=key.order_key, organisations=organisations)
        _require_signer(signer, expected=key.account)

    return put(tx, make=partial(KeyRegistered, key), what="order key", name=key.order_key, check=check)


def _check_begin(key: OrderKey, *, now: int) -> None:
    check_mtu(field="valid_from_mtu", value=key.valid_from_mtu)
    current_mtu = mtu_of(now)
    if key.valid_from_mtu < current_mtu:
        raise AlreadyBegun(
            what="order key", name=key.order_key, valid_from_mtu=key.valid_from_mtu, earliest_mtu=current_mtu
        )
    check_range(
        field="valid_from_mtu", value=key.valid_from_mtu, lowest=current_mtu, highest=current_mtu + KEY_AHEAD_MTUS
    )


def give_guarantee(
    tx: Transaction,
    *,
    signers: GuaranteeSigners,
    guarantee: Guarantee,
    now: int,
    check_funds: Callable[[], None],
) -> Entry:
    """Record a guarantee and ask for it on chain: anyone's who trades, for itself or with the account's consent.

    `signers` is what `guarantee_signers` gave; `check_funds` refuses a line that is not free in the guarantor's
    balance. Raises Malformed, OutOfRange, NotRegistered, WrongParty, WrongSigner, ConsentMissing, NonceUsed,
    DeadlinePassed, AlreadyRegistered, and what `check_funds` does.
    """

    def check() -> None:
        guarantor, account = (_require_trader(tx, of) for of in (guarantee.guarantor, guarantee.account))
        if guarantor.area != account.area:
            raise WrongParty(account=guarantee.guarantor, expected=f"a participant of area {account.area}")
        _require_signer(signers.guarantor, expected=guarantee.guarantor)
        _check_consent(tx, guarantee, signer=signers.account)
        given = queries.guarantees(tx.connection, account=guarantee.account)
        last = max((item.nonce for item in given if item.guarantor == guarantee.guarantor), default=0)
        if guarantee.nonce <= last:
            raise NonceUsed(last=last, given=guarantee.nonce)
        check_range(field="nonce", value=guarantee.nonce, lowest=last + 1, highest=last + NONCE_STEP_MAX)
        if guarantee.deadline <= now:
            raise DeadlinePassed(deadline=guarantee.deadline, now=now)
        check_funds()

    name = f"{guarantee.guarantor}:{guarantee.account}:{guarantee.nonce}"
    entry = put(tx, make=partial(GuaranteeGiven, guarantee), what="guarantee", name=name, check=check)
    call = Guarantees.guarantee(
        guarantor=from_hex(guarantee.guarantor),
        account=from_hex(guarantee.account),
        credit_neur=guarantee.credit_neur,
        nonce=guarantee.nonce,
        deadline=guarantee.deadline,
        guarantor_signature=guarantee.signature,
        account_signature=guarantee.account_signature or b"",
    )
    request(tx, call, key=f"guarantee:{name}", role=ChainRole.OPERATOR, about=Subject(account=guarantee.account))
    return entry


def _require_trader(tx: Transaction, account: str) -> Participant:
    holder = queries.participant_of(tx.connection, account)
    if holder is None:
        raise NotRegistered(what="account", name=account)
    if holder.kind not in (ParticipantKind.HOUSEHOLD, ParticipantKind.RETAILER):
        raise WrongParty(account=account, expected="a household or retailer: others do not trade")
    return holder


def _check_consent(tx: Transaction, guarantee: Guarantee, *, signer: str | None) -> None:
    """Nobody gets a guarantor, a first or another one, whom it did not choose."""
    if signer is not None:
        _require_signer(signer, expected=guarantee.account)
        return
    counting = queries.guarantee_of(tx.connection, guarantee.account)
    known = counting is not None and counting.guarantor == guarantee.guarantor and counting.credit_neur > 0
    if guarantee.guarantor != guarantee.account and not known:
        raise ConsentMissing(guarantor=guarantee.guarantor, account=guarantee.account)


def _require_signer(signer: str, *, expected: str) -> None:
    if signer != expected:
        raise WrongSigner(expected=expected, signer=signer)
