"""Deposits, redemptions and cover: checked, journaled, and asked of the chain. Amounts in nEUR, above zero."""

from __future__ import annotations

from typing import Any

from domain.eip712 import COVER, REDEMPTION, Domain, Shape
from domain.errors import DominoesError
from domain.hashing import to_hex
from domain.signing import recover
from domain.units import check_range
from ledger_service.money.queries import available_neur, balance_neur
from ledger_service.outbox import request_transaction
from ledger_service.record import Entry, Transaction

AMOUNT_HIGHEST_NEUR = 2**79 - 1
"""Largest amount the contract books at once (its balances stay within 2^79)."""

ADDRESS_BYTES, REF_BYTES = 20, 32


class WrongHolder(DominoesError):
    """The signature is not by the account that must consent."""

    status = 403
    code = "wrong-holder"

    def __init__(self, *, expected: str, signer: str) -> None:
        self.expected, self.signer = expected, signer
        super().__init__(f"signed by {signer} instead of {expected}; sign the typed data with that account's key")


class DeadlinePassed(DominoesError):
    """The signature may not be used any more."""

    code = "deadline-passed"

    def __init__(self, *, deadline: int, now: int) -> None:
        self.deadline, self.now = deadline, now
        super().__init__(f"the deadline {deadline} is not after market time {now}; sign again with a later one")


class BalanceTooLow(DominoesError):
    """The account holds less than it wants to give."""

    status = 409
    code = "balance-too-low"
    retryable = True

    def __init__(self, *, account: str, balance_neur: int, amount_neur: int) -> None:
        self.account, self.balance_neur, self.amount_neur = account, balance_neur, amount_neur
        super().__init__(
            f"account {account} holds {balance_neur} nEUR, not {amount_neur}; deposit first or ask for less"
        )


class BadReference(DominoesError):
    """An account or reference has the wrong length, or is zero."""

    code = "bad-reference"

    def __init__(self, *, field: str, expected: str) -> None:
        self.field, self.expected = field, expected
        super().__init__(f"{field} is not {expected}; send it as 0x hex")


def deposit_key(ref: str) -> str:
    """What names a deposit and its transaction: the payment reference, 0x hex."""
    return f"deposit:{ref}"


def deposit(tx: Transaction, *, account: bytes, amount_neur: int, ref: bytes) -> Entry:
    """Book money that came in, once per payment reference; only the treasurer may ask for it.

    A repeat returns the first fact. Raises OutOfRange, BadReference, KeyReused.
    """
    _check(account=account, ref=ref, amount_neur=amount_neur)
    payload = {"account": to_hex(account), "amount_neur": str(amount_neur), "ref": to_hex(ref)}
    entry = tx.append("deposit.booked", payload, key=deposit_key(to_hex(ref)))
    _request(
        tx,
        key=deposit_key(to_hex(ref)),
        role="treasurer",
        function="deposit",
        args=[to_hex(account), str(amount_neur), to_hex(ref)],
    )
    return entry


def request_redemption(
    tx: Transaction,
    *,
    account: bytes,
    amount_neur: int,
    ref: bytes,
    deadline: int,
    signature: bytes,
    now: int,
    domain: Domain,
) -> Entry:
    """Ask for money to be paid out, with the account's signature; it completes after the challenge window.

    A repeat returns the first fact. Raises OutOfRange, BadReference, BadSignature, WrongHolder, DeadlinePassed,
    BalanceTooLow, KeyReused.
    """
    _check(account=account, ref=ref, amount_neur=amount_neur)
    check_range(field="deadline", value=deadline, lowest=0, highest=2**53 - 1)
    values = {"account": account, "amountNeur": amount_neur, "ref": ref, "deadline": deadline}
    _check_signer(REDEMPTION, values, signature=signature, expected=account, domain=domain)
    payload = {
        "account": to_hex(account),
        "amount_neur": str(amount_neur),
        "ref": to_hex(ref),
        "deadline": deadline,
        "signature": to_hex(signature),
    }
    key = f"redemption:{to_hex(account)}:{to_hex(ref)}"
    if tx.find(key) is None:
        if deadline <= now:
            raise DeadlinePassed(deadline=deadline, now=now)
        _check_balance(tx, account=account, amount_neur=amount_neur)
    entry = tx.append("redemption.requested", payload, key=key)
    args = [to_hex(account), str(amount_neur), to_hex(ref), deadline, to_hex(signature)]
    _request(tx, key=f"requestRedemption:{key[11:]}", role="operator", function="requestRedemption", args=args)
    return entry


def give_cover(
    tx: Transaction,
    *,
    guarantor: bytes,
    account: bytes,
    amount_neur: int,
    ref: bytes,
    signature: bytes,
    domain: Domain,
) -> Entry:
    """Pay debt of an account from its guarantor's balance, with the guarantor's signature.

    A repeat returns the first fact. Raises OutOfRange, BadReference, BadSignature, WrongHolder, BalanceTooLow,
    KeyReused.
    """
    _check(account=account, ref=ref, amount_neur=amount_neur)
    _check(account=guarantor, ref=ref, amount_neur=amount_neur)
    values = {"guarantor": guarantor, "account": account, "amountNeur": amount_neur, "ref": ref}
    _check_signer(COVER, values, signature=signature, expected=guarantor, domain=domain)
    payload = {
        "guarantor": to_hex(guarantor),
        "account": to_hex(account),
        "amount_neur": str(amount_neur),
        "ref": to_hex(ref),
        "signature": to_hex(signature),
    }
    key = f"cover:{to_hex(guarantor)}:{to_hex(ref)}"
    if tx.find(key) is None:
        _check_balance(tx, account=guarantor, amount_neur=amount_neur)
    entry = tx.append("cover.given", payload, key=key)
    args = [to_hex(guarantor), to_hex(account), str(amount_neur), to_hex(ref), to_hex(signature)]
    _request(tx, key=key, role="operator", function="cover", args=args)
    return entry


def request_completion(tx: Transaction, *, account: bytes, ref: bytes) -> Entry:
    """Ask the chain to complete a redemption whose challenge window has passed."""
    return _request(
        tx,
        key=f"completeRedemption:{to_hex(account)}:{to_hex(ref)}",
        role="operator",
        function="completeRedemption",
        args=[to_hex(account), to_hex(ref)],
    )


def may_spend_neur(tx: Transaction, *, account: bytes) -> int:
    """What an account may still commit to: balance and credit line, never below zero."""
    return max(available_neur(tx.connection, account=account), 0)


def _request(tx: Transaction, *, key: str, role: str, function: str, args: list[Any]) -> Entry:
    return request_transaction(tx, key=key, role=role, contract="Settlement", function=function, args=args)


def _check(*, account: bytes, ref: bytes, amount_neur: int) -> None:
    if len(account) != ADDRESS_BYTES or not any(account):
        raise BadReference(field="account", expected=f"a non-zero address of {ADDRESS_BYTES} bytes")
    if len(ref) != REF_BYTES:
        raise BadReference(field="ref", expected=f"{REF_BYTES} bytes")
    check_range(field="amount_neur", value=amount_neur, lowest=1, highest=AMOUNT_HIGHEST_NEUR)


def _check_signer(shape: Shape, values: dict[str, Any], *, signature: bytes, expected: bytes, domain: Domain) -> None:
    signer = recover(domain.digest(shape, values), signature)
    if signer != expected:
        raise WrongHolder(expected=to_hex(expected), signer=to_hex(signer))


def _check_balance(tx: Transaction, *, account: bytes, amount_neur: int) -> None:
    held = balance_neur(tx.connection, account=account)
    if held < amount_neur:
        raise BalanceTooLow(account=to_hex(account), balance_neur=held, amount_neur=amount_neur)
