"""Accounts: e-money balances in nEUR, their areas, guarantees and keys.

Made from src/interfaces/IAccounts.sol by `python -m scripts.tools.make_bindings`; do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from contracts.bindings.base import LATEST, Binding, Block, Call, Event, Struct, members, none
from contracts.rpc import as_bytes


@dataclass(frozen=True, slots=True)
class Account(Struct):
    """`Account` of the interface."""

    balance_neur: int
    credit_neur: int
    guarantor: bytes
    successor: bytes


@dataclass(frozen=True, slots=True)
class AreaChange(Struct):
    """`AreaChange` of the interface."""

    area: bytes
    ready_at: int


@dataclass(frozen=True, slots=True)
class AccountBound(Event):
    """An account was bound to its area, for the first time or to correct a slip."""

    CONTRACT = "Accounts"
    NAME = "AccountBound"

    account: bytes
    area: bytes


@dataclass(frozen=True, slots=True)
class AccountReplaced(Event):
    """An account was replaced; balance, credit line and guarantor moved."""

    CONTRACT = "Accounts"
    NAME = "AccountReplaced"

    account: bytes
    successor: bytes
    balance_neur: int


@dataclass(frozen=True, slots=True)
class AmountSuspended(Event):
    """An amount of a settlement that could not be booked on its account waits in its suspense account. In a
    settlement of several pages it counts once the settlement took effect.
    """

    CONTRACT = "Accounts"
    NAME = "AmountSuspended"

    account: bytes
    suspense: bytes
    amount_neur: int


@dataclass(frozen=True, slots=True)
class AreaChangeCancelled(Event):
    """A change of area was withdrawn."""

    CONTRACT = "Accounts"
    NAME = "AreaChangeCancelled"

    account: bytes


@dataclass(frozen=True, slots=True)
class AreaChangeProposed(Event):
    """The registrar would bind an account to another area; anyone may complete it from market time `readyAt` on."""

    CONTRACT = "Accounts"
    NAME = "AreaChangeProposed"

    account: bytes
    area: bytes
    ready_at: int


@dataclass(frozen=True, slots=True)
class DebitPassedOn(Event):
    """A debit of a settlement that would have left the range was booked on the account's guarantor (`amountNeur` <
    0).
    """

    CONTRACT = "Accounts"
    NAME = "DebitPassedOn"

    account: bytes
    guarantor: bytes
    amount_neur: int


@dataclass(frozen=True, slots=True)
class DebtCovered(Event):
    """A guarantor paid debt of an account."""

    CONTRACT = "Accounts"
    NAME = "DebtCovered"

    guarantor: bytes
    account: bytes
    amount_neur: int
    ref: bytes


@dataclass(frozen=True, slots=True)
class Deposited(Event):
    """Money came in."""

    CONTRACT = "Accounts"
    NAME = "Deposited"

    account: bytes
    amount_neur: int
    ref: bytes


@dataclass(frozen=True, slots=True)
class GuaranteeCalled(Event):
    """Debt beyond the credit line: what the guarantor owes now (in total, not since the last call). In a
    settlement of several pages it counts once the settlement took effect.
    """

    CONTRACT = "Accounts"
    NAME = "GuaranteeCalled"

    account: bytes
    guarantor: bytes
    excess_neur: int


@dataclass(frozen=True, slots=True)
class GuaranteeSet(Event):
    """A guarantor's credit line for an account, by its own signature."""

    CONTRACT = "Accounts"
    NAME = "GuaranteeSet"

    guarantor: bytes
    account: bytes
    credit_neur: int
    nonce: int


@dataclass(frozen=True, slots=True)
class SuspenseBooked(Event):
    """What waited for an account came to its balance."""

    CONTRACT = "Accounts"
    NAME = "SuspenseBooked"

    account: bytes
    suspense: bytes
    amount_neur: int


class Accounts(Binding):
    """Money moves by a settlement of the account's own area, by deposit, redemption, cover of debt, and
    replacement; by nothing else. Always: Σ balances (committed) = supply = deposits − redemptions ≥ 0. Safety
    assumes: the treasurer books only deposits that exist; what `Settlement` assumes of attesters. It does not
    assume an honest operator. An account belongs to one area, to which the registrar binds it, and only that
    area's settlements book it: attesters of another one cannot touch it. No account holds up a settlement: what
    cannot be booked on it (it is not bound to the area, or would leave the range) waits in the suspense account
    of (account, area), a debit beyond the range on its guarantor. Liveness assumes nobody: cover and
    replacement work in a pause and without the operator. Nobody but its key moves an account: where the key is
    lost and `AccountReplacement` was not signed before, its balance stays where it is.
    """

    contract = "Accounts"

    def area_change_seconds(self, *, block: Block = LATEST) -> int:
        """Market-time seconds after its delay in which a change of area may be completed."""
        return int(self._read("AREA_CHANGE_SECONDS", [], block=block))

    def max_balance_neur(self, *, block: Block = LATEST) -> int:
        """Largest balance or amount, either sign, nEUR."""
        return int(self._read("MAX_BALANCE_NEUR", [], block=block))

    def max_deposit_neur(self, *, block: Block = LATEST) -> int:
        """Largest deposit, nEUR: a billion EUR."""
        return int(self._read("MAX_DEPOSIT_NEUR", [], block=block))

    def max_supply_neur(self, *, block: Block = LATEST) -> int:
        """Largest supply, nEUR: 100 billion EUR, far below the range, so that no deposit keeps a settlement from
        crediting an account.
        """
        return int(self._read("MAX_SUPPLY_NEUR", [], block=block))

    def account_of(self, *, account: bytes, block: Block = LATEST) -> Account:
        """An account as it stands now; pages of an open settlement do not count."""
        return Account.read(self._read("accountOf", [account], block=block))

    def area_change_of(self, *, account: bytes, block: Block = LATEST) -> AreaChange:
        """A proposed change of area."""
        return AreaChange.read(self._read("areaChangeOf", [account], block=block))

    def area_of(self, *, account: bytes, block: Block = LATEST) -> bytes:
        """The area an account belongs to; 0 = none yet."""
        return as_bytes(self._read("areaOf", [account], block=block))

    def balance_of(self, *, account: bytes, block: Block = LATEST) -> int:
        """Balance of an account, nEUR; + is a credit of the holder."""
        return int(self._read("balanceOf", [account], block=block))

    @classmethod
    def bind_account(cls, *, account: bytes, area: bytes) -> Call:
        """Binds an account to the area that may settle it. Registrar only; what waits for it in that area comes to
        its balance.
        """
        return cls._call("bindAccount", [account, area])

    @classmethod
    def book(cls, *, area: bytes, batch: int, last: bytes, words: Sequence[int]) -> Call:
        """Books amounts, at once (`batch` 0) or under the area's open batch. Settlement only. `last`: account
        before these; 0 with the first page. `words`: `address:160 | amount:int96`, accounts strictly ascending.
        Returns last_account: the last account of these. Returns sum_neur: sum of the amounts.
        """
        return cls._call("book", [area, batch, last, words])

    @classmethod
    def book_suspense(cls, *, account: bytes) -> Call:
        """Brings what waits for an account in its area to its balance, where that is possible. Anyone, also in a
        pause.
        """
        return cls._call("bookSuspense", [account])

    @classmethod
    def burn(cls, *, account: bytes, amount_neur: int) -> Call:
        """Burns reserved money of an account: balance and supply fall. Redemptions only."""
        return cls._call("burn", [account, amount_neur])

    def calendar(self, *, block: Block = LATEST) -> bytes:
        """The calendar whose areas accounts belong to."""
        return as_bytes(self._read("calendar", [], block=block))

    @classmethod
    def cancel_area_change(cls, *, account: bytes) -> Call:
        """Withdraws a change of area. Registrar or the account itself."""
        return cls._call("cancelAreaChange", [account])

    @classmethod
    def change_area(cls, *, account: bytes) -> Call:
        """Completes a change of area after its delay, within 30 days. Anyone; not while the account has ties in
        its area or pages are open there.
        """
        return cls._call("changeArea", [account])

    def change_seconds(self, *, block: Block = LATEST) -> int:
        """Market-time seconds before a change of area takes effect."""
        return int(self._read("changeSeconds", [], block=block))

    @classmethod
    def close_batch(cls, *, area: bytes, takes_effect: bool) -> Call:
        """Ends the area's batch; without effect, all that was booked under it is as if it had never been.
        Settlement only.
        """
        return cls._call("closeBatch", [area, takes_effect])

    @classmethod
    def cover(cls, *, guarantor: bytes, account: bytes, amount_neur: int, ref: bytes, signature: bytes) -> Call:
        """Pays debt of an account (all or part of what is below zero) from its guarantor's free balance, with the
        guarantor's signature (EIP-712 `Cover`). Anyone may relay, also in a pause.
        """
        return cls._call("cover", [guarantor, account, amount_neur, ref, signature])

    @classmethod
    def deposit(cls, *, account: bytes, amount_neur: int, ref: bytes) -> Call:
        """Books money that came in. Treasurer only. `ref` is the payment's unique reference."""
        return cls._call("deposit", [account, amount_neur, ref])

    def domain_separator(self, *, block: Block = LATEST) -> bytes:
        """The EIP-712 domain separator of this contract."""
        return as_bytes(self._read("domainSeparator", [], block=block))

    def eip712_domain(self, *, block: Block = LATEST) -> tuple[bytes, str, str, int, bytes, bytes, Sequence[int]]:
        """(no comment)"""
        return cast(
            "tuple[bytes, str, str, int, bytes, bytes, Sequence[int]]",
            members(
                self._read("eip712Domain", [], block=block),
                ["bytes1", "string", "string", "uint256", "address", "bytes32", "uint256[]"],
            ),
        )

    def free_balance_of(self, *, account: bytes, block: Block = LATEST) -> int:
        """Balance less open redemptions, nEUR: what may be redeemed or pay cover."""
        return int(self._read("freeBalanceOf", [account], block=block))

    @classmethod
    def guarantee(cls, *, guarantor: bytes, account: bytes, credit_neur: int, nonce: int, signature: bytes) -> Call:
        """Sets a guarantor's credit line for an account, with the guarantor's signature (EIP-712 `Guarantee`).
        Operator or the account itself; a line that does not rise: anyone.
        """
        return cls._call("guarantee", [guarantor, account, credit_neur, nonce, signature])

    def guarantee_nonce_of(self, *, guarantor: bytes, account: bytes, block: Block = LATEST) -> int:
        """Last nonce used by a guarantor for an account."""
        return int(self._read("guaranteeNonceOf", [guarantor, account], block=block))

    @classmethod
    def open_batch(cls, *, area: bytes) -> Call:
        """Opens the area's batch: what is booked under it takes effect together. Settlement only. Returns batch:
        unlike that of any other.
        """
        return cls._call("openBatch", [area])

    def open_batch_of(self, *, area: bytes, block: Block = LATEST) -> int:
        """Number of the area's open batch; 0 = none."""
        return int(self._read("openBatchOf", [area], block=block))

    @classmethod
    def propose_area_change(cls, *, account: bytes, area: bytes) -> Call:
        """Proposes to correct a slip: the account belongs to another area. Registrar only; the latest proposal
        stands.
        """
        return cls._call("proposeAreaChange", [account, area])

    def redemptions(self, *, block: Block = LATEST) -> bytes:
        """The contract that may reserve and burn."""
        return as_bytes(self._read("redemptions", [], block=block))

    @classmethod
    def replace_account(
        cls, *, account: bytes, successor: bytes, account_signature: bytes, successor_signature: bytes
    ) -> Call:
        """Moves balance, credit line and guarantor to a fresh account, with both signatures (EIP-712
        `AccountReplacement`); what the account guarantees for others goes with it. Anyone may relay, also in a
        pause. The account must be bound. From then on the replaced key signs nothing any more; its open
        redemptions end. What reaches the old account later can be moved by calling again with the same pair.
        Not while a settlement of several pages is open in their area.
        """
        return cls._call("replaceAccount", [account, successor, account_signature, successor_signature])

    def require_present(self, *, account: bytes, block: Block = LATEST) -> None:
        """Reverts where the account was replaced: its key signs nothing any more."""
        return none(self._read("requirePresent", [account], block=block))

    @classmethod
    def reserve(cls, *, account: bytes, amount_neur: int) -> Call:
        """Reserves free balance of a present account. Redemptions only."""
        return cls._call("reserve", [account, amount_neur])

    def roles(self, *, block: Block = LATEST) -> bytes:
        """The roles that decide who may bind and deposit."""
        return as_bytes(self._read("roles", [], block=block))

    def settlement(self, *, block: Block = LATEST) -> bytes:
        """The contract that may book settlements."""
        return as_bytes(self._read("settlement", [], block=block))

    def supply(self, *, block: Block = LATEST) -> int:
        """Σ balances = deposits − redemptions, nEUR."""
        return int(self._read("supply", [], block=block))

    def suspense_of(self, *, account: bytes, area: bytes, block: Block = LATEST) -> bytes:
        """The account at which amounts of an area wait for an account; it has no key."""
        return as_bytes(self._read("suspenseOf", [account, area], block=block))

    @classmethod
    def unreserve(cls, *, account: bytes, amount_neur: int) -> Call:
        """Takes a reservation back. Redemptions only."""
        return cls._call("unreserve", [account, amount_neur])
