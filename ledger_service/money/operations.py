"""Deposits, redemptions and cover: checked, journaled, and asked of the chain. Amounts in nEUR, above zero."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete

from contracts.bindings import Accounts, Guarantees, Redemptions
from domain.eip712 import COVER, REDEMPTION, Domain, Shape
from domain.errors import DominoesError
from domain.facts import CoverGiven, DepositBooked, RedemptionRequested, Subject
from domain.hashing import MAX_SAFE_INTEGER, from_hex, to_hex
from domain.parties import Guarantee
from domain.roles import ChainRole
from domain.signing import recover
from domain.units import check_range
from ledger_service.money.queries import balance_neur, free_neur, guarantor_of, locked_neur
from ledger_service.money.tables import money_failed
from ledger_service.money.views import account_row, completion_key
from ledger_service.outbox import ask_again, request
from ledger_service.record import Entry, KeyReused, Record, Transaction
from ledger_service.registry.errors import DeadlinePassed

BALANCE_HIGHEST_NEUR = 2**70 - 1
"""Largest balance, and so the largest amount, that the contract keeps."""

DEPOSIT_HIGHEST_NEUR = 10**18
"""Largest deposit, 1 billion EUR: what waits for the chain can't lift a balance over BALANCE_HIGHEST_NEUR unseen."""

ADDRESS_BYTES, REF_BYTES = 20, 32


class WrongHolder(DominoesError):
    """The signature is not by the account that must consent."""

    status = 403
    code = "wrong-holder"
    remedy = "Let the account's own key sign."

    def __init__(self, *, expected: str, signer: str) -> None:
        self.expected, self.signer = expected, signer
        super().__init__(f"signed by {signer} instead of {expected}; sign the typed data with that account's key")


class BalanceTooLow(DominoesError):
    """The account holds less than it wants to give, open redemptions taken off."""

    status = 409
    code = "balance-too-low"
    remedy = "Ask for less, or wait until more money has come or a redemption was withdrawn."
    retryable = True

    def __init__(self, *, account: str, free_neur: int, amount_neur: int) -> None:
        self.account, self.free_neur, self.amount_neur = account, free_neur, amount_neur
        super().__init__(
            f"account {account} has {free_neur} nEUR free, not {amount_neur}; deposit first or ask for less"
        )


class NotTheGuarantor(DominoesError):
    """Only the guarantor of an account covers its debt."""

    status = 403
    code = "not-the-guarantor"
    remedy = "Leave the cover to the retailer that guarantees for the account."

    def __init__(self, *, account: str, guarantor: str) -> None:
        self.account, self.guarantor = account, guarantor
        super().__init__(f"{guarantor} does not guarantee {account}; give a guarantee first")


class DebtTooLow(DominoesError):
    """A cover pays debt and nothing beyond."""

    status = 409
    code = "debt-too-low"
    remedy = "Read the debt as it is now and cover at most that; it may grow with the next settlement."
    retryable = True

    def __init__(self, *, account: str, debt_neur: int, amount_neur: int) -> None:
        self.account, self.debt_neur, self.amount_neur = account, debt_neur, amount_neur
        super().__init__(f"account {account} owes {debt_neur} nEUR, not {amount_neur}; cover at most that")


class OtherDebt(DominoesError):
    """A cover names the debt that it is for; the account owes another one by now."""

    status = 409
    code = "other-debt"
    remedy = "Read the debt as it is now, and sign a cover that names it."

    def __init__(self, *, account: str, debt_neur: int, named_neur: int) -> None:
        self.account, self.debt_neur, self.named_neur = account, debt_neur, named_neur
        super().__init__(f"account {account} owes {debt_neur} nEUR, not {named_neur}; sign a cover of that debt")


class BalanceTooHigh(DominoesError):
    """The deposit would lift the account over what the contract keeps."""

    status = 409
    code = "balance-too-high"
    remedy = "Book less, or let the account redeem first: no balance may exceed the bound that `detail` gives."

    def __init__(self, *, account: str, balance_neur: int, amount_neur: int) -> None:
        self.account, self.balance_neur, self.amount_neur = account, balance_neur, amount_neur
        super().__init__(
            f"account {account} holds {balance_neur} nEUR and can't take {amount_neur} more; "
            f"no balance exceeds {BALANCE_HIGHEST_NEUR} nEUR, so redeem first or book less"
        )


class ReferenceUsed(DominoesError):
    """The reference names another payment already."""

    code = "reference-used"
    remedy = "Take a reference of its own for each payment."

    def __init__(self, *, ref: str) -> None:
        self.ref = ref
        super().__init__(f"reference {ref} was used for another payment; use a new one for a new payment")


class BadReference(DominoesError):
    """An account or reference has the wrong length, or is zero."""

    code = "bad-reference"
    remedy = "Give 20 bytes for the account and 32 bytes, not all zero, for the reference."

    def __init__(self, *, field: str, expected: str) -> None:
        self.field, self.expected = field, expected
        super().__init__(f"{field} is not {expected}; send it as 0x hex")


def deposit_key(ref: bytes) -> str:
    """Key of the request that books a deposit: the payment's reference names it."""
    return f"deposit:{to_hex(ref)}"


def deposit(tx: Transaction, *, account: bytes, amount_neur: int, ref: bytes) -> Entry:
    """Book money that came in, once per payment reference; only the treasurer may ask for it.

    A repeat returns the first fact. Raises OutOfRange, BadReference, BalanceTooHigh, ReferenceUsed.
    """
    _check(account=account, ref=ref, amount_neur=amount_neur, highest_neur=DEPOSIT_HIGHEST_NEUR)
    fact = DepositBooked(account=to_hex(account), amount_neur=amount_neur, ref=ref)
    if tx.find(fact.journal_key) is None:
        held = balance_neur(tx.connection, account=account)
        if held + amount_neur > BALANCE_HIGHEST_NEUR:
            raise BalanceTooHigh(account=to_hex(account), balance_neur=held, amount_neur=amount_neur)
    entry = _append(tx, fact, ref=ref)
    call = Accounts.deposit(account=account, amount_neur=amount_neur, ref=ref)
    request(tx, call, key=deposit_key(ref), role=ChainRole.TREASURER, about=Subject(account=fact.account, ref=ref))
    return entry


def request_redemption(
    record: Record,
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
    BalanceTooLow, ReferenceUsed.
    """
    _check(account=account, ref=ref, amount_neur=amount_neur)
    check_range(field="deadline", value=deadline, lowest=0, highest=MAX_SAFE_INTEGER)
    values = {"account": account, "amountNeur": amount_neur, "ref": ref, "deadline": deadline}
    _check_signer(REDEMPTION, values, signature=signature, expected=account, domain=domain)
    fact = RedemptionRequested(
        account=to_hex(account), amount_neur=amount_neur, ref=ref, deadline=deadline, signature=signature
    )
    call = Redemptions.request_redemption(
        account=account, amount_neur=amount_neur, ref=ref, deadline=deadline, signature=signature
    )
    with record.begin() as tx:
        if tx.find(fact.journal_key) is None:
            if deadline <= now:
                raise DeadlinePassed(deadline=deadline, now=now)
            _check_balance(tx, account=account, amount_neur=amount_neur)
        entry = _append(tx, fact, ref=ref)
        key = f"requestRedemption:{fact.account}:{to_hex(ref)}"
        request(tx, call, key=key, role=ChainRole.OPERATOR, about=Subject(account=fact.account, ref=ref))
    return entry


def give_cover(
    record: Record,
    *,
    guarantor: bytes,
    account: bytes,
    amount_neur: int,
    debt_neur: int,
    ref: bytes,
    deadline: int,
    signature: bytes,
    now: int,
    domain: Domain,
) -> Entry:
    """Pay debt of an account from its guarantor's balance, with the guarantor's signature, which names the debt.

    A repeat returns the first fact. Raises OutOfRange, BadReference, BadSignature, WrongHolder, DeadlinePassed,
    NotTheGuarantor, OtherDebt, DebtTooLow, BalanceTooLow, ReferenceUsed.
    """
    check_range(field="debt_neur", value=debt_neur, lowest=1, highest=BALANCE_HIGHEST_NEUR)
    check_range(field="deadline", value=deadline, lowest=0, highest=MAX_SAFE_INTEGER)
    _check(account=account, ref=ref, amount_neur=amount_neur)
    _check(account=guarantor, ref=ref, amount_neur=amount_neur)
    values = {"guarantor": guarantor, "account": account, "amountNeur": amount_neur, "debtNeur": debt_neur, "ref": ref}
    values["deadline"] = deadline
    _check_signer(COVER, values, signature=signature, expected=guarantor, domain=domain)
    fact = CoverGiven(
        guarantor=to_hex(guarantor),
        account=to_hex(account),
        amount_neur=amount_neur,
        debt_neur=debt_neur,
        ref=ref,
        deadline=deadline,
        signature=signature,
    )
    call = Guarantees.cover(
        guarantor=guarantor,
        account=account,
        amount_neur=amount_neur,
        debt_neur=debt_neur,
        ref=ref,
        deadline=deadline,
        signature=signature,
    )
    with record.begin() as tx:
        if tx.find(fact.journal_key) is None:
            if deadline <= now:
                raise DeadlinePassed(deadline=deadline, now=now)
            _check_cover(tx, fact, guarantor=guarantor, account=account)
        entry = _append(tx, fact, ref=ref)
        key = f"cover:{fact.guarantor}:{to_hex(ref)}"
        request(tx, call, key=key, role=ChainRole.OPERATOR, about=Subject(account=fact.account, ref=ref))
    return entry


def request_completion(tx: Transaction, *, account: bytes, ref: bytes) -> Entry:
    """Ask the chain to end a redemption whose challenge window has passed: it burns what is left of it."""
    key = completion_key(account=account, ref=ref)
    call = Redemptions.complete_redemption(account=account, ref=ref)
    return request(tx, call, key=key, role=ChainRole.OPERATOR, about=Subject(account=to_hex(account), ref=ref))


def retry_completion(tx: Transaction, *, failed_key: str) -> Entry:
    """Ask again for a completion that failed, under the key of its next attempt."""
    tx.connection.execute(delete(money_failed).where(money_failed.c.key == failed_key))
    return ask_again(tx, failed_key=failed_key)


def _append(tx: Transaction, fact: DepositBooked | RedemptionRequested | CoverGiven, *, ref: bytes) -> Entry:
    """The fact, or the first one of the same reference. Raises ReferenceUsed."""
    try:
        return tx.append(fact)
    except KeyReused as error:
        raise ReferenceUsed(ref=to_hex(ref)) from error


def _check(*, account: bytes, ref: bytes, amount_neur: int, highest_neur: int = BALANCE_HIGHEST_NEUR) -> None:
    if len(account) != ADDRESS_BYTES or not any(account):
        raise BadReference(field="account", expected=f"a non-zero address of {ADDRESS_BYTES} bytes")
    if len(ref) != REF_BYTES or not any(ref):
        raise BadReference(field="ref", expected=f"a non-zero reference of {REF_BYTES} bytes")
    check_range(field="amount_neur", value=amount_neur, lowest=1, highest=highest_neur)


def _check_signer(shape: Shape, values: dict[str, Any], *, signature: bytes, expected: bytes, domain: Domain) -> None:
    signer = recover(domain.digest(shape, values), signature)
    if signer != expected:
        raise WrongHolder(expected=to_hex(expected), signer=to_hex(signer))


def check_line(tx: Transaction, guarantee: Guarantee) -> None:
    """A line that rises comes from the guarantor's free balance. Raises BalanceTooLow."""
    account, guarantor = from_hex(guarantee.account), from_hex(guarantee.guarantor)
    row = account_row(tx.connection, account)
    same = row is not None and row.guarantor == guarantor
    owed = 0 if row is None or guarantor == account else -int(row.balance_neur)
    stands = max(int(row.locked_neur), owed) if row is not None and same else 0
    more = max(guarantee.credit_neur, owed) - stands
    if more > 0:
        _check_balance(tx, account=guarantor, amount_neur=more)


def _check_cover(tx: Transaction, fact: CoverGiven, *, guarantor: bytes, account: bytes) -> None:
    """Debt as the guarantor knows it, paid from what is called, and beyond that from what is free."""
    if guarantor_of(tx.connection, account=account) != guarantor or guarantor == account:
        raise NotTheGuarantor(account=fact.account, guarantor=fact.guarantor)
    debt = max(-balance_neur(tx.connection, account=account), 0)
    if debt != fact.debt_neur:
        raise OtherDebt(account=fact.account, debt_neur=debt, named_neur=fact.debt_neur)
    if debt < fact.amount_neur:
        raise DebtTooLow(account=fact.account, debt_neur=debt, amount_neur=fact.amount_neur)
    held = balance_neur(tx.connection, account=guarantor)
    called = max(debt - locked_neur(tx.connection, account=account), 0)
    free = free_neur(tx.connection, account=guarantor)
    beyond = fact.amount_neur - called
    if fact.amount_neur > held or (beyond > 0 and free < beyond):
        free = min(max(free, 0) + called, held)
        raise BalanceTooLow(account=fact.guarantor, free_neur=free, amount_neur=fact.amount_neur)


def _check_balance(tx: Transaction, *, account: bytes, amount_neur: int) -> None:
    free = free_neur(tx.connection, account=account)
    if free < amount_neur:
        raise BalanceTooLow(account=to_hex(account), free_neur=free, amount_neur=amount_neur)
