"""Accounts: e-money balances in nEUR, their areas and lines, and what backs them.

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
    given_neur: int
    guarantor: bytes
    successor: bytes


@dataclass(frozen=True, slots=True)
class Cursor(Struct):
    """`Cursor` of the interface."""

    last: bytes
    crediting: bool
    sum_neur: int
    debits_neur: int
    waits_neur: int


@dataclass(frozen=True, slots=True)
class Lowering(Struct):
    """`Lowering` of the interface."""

    credit_neur: int
    until_period: int


@dataclass(frozen=True, slots=True)
class Standing(Struct):
    """`Standing` of the interface."""

    area: bytes
    guarantor: bytes
    credit_neur: int
    balance_neur: int
    backing_neur: int


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
    """An amount of a settlement, or the part of it that uncovered debts keep back, waits in the account's suspense
    account. In a settlement of several pages it counts once the settlement took effect.
    """

    CONTRACT = "Accounts"
    NAME = "AmountSuspended"

    account: bytes
    suspense: bytes
    amount_neur: int


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
class DebtUncovered(Event):
    """Nobody covers so much of what an account lacks (in total; 0 = it is covered again)."""

    CONTRACT = "Accounts"
    NAME = "DebtUncovered"

    account: bytes
    lacking_neur: int


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
class GuarantorCalled(Event):
    """A guarantor's balance is below what it gives: so much is missing (in total)."""

    CONTRACT = "Accounts"
    NAME = "GuarantorCalled"

    guarantor: bytes
    missing_neur: int


@dataclass(frozen=True, slots=True)
class LineSet(Event):
    """So much of the guarantor's balance stands behind the account from now on."""

    CONTRACT = "Accounts"
    NAME = "LineSet"

    account: bytes
    guarantor: bytes
    credit_neur: int


@dataclass(frozen=True, slots=True)
class ReservationCut(Event):
    """Debits left no more than so much for the account's open redemptions: later credits are not paid out by them."""

    CONTRACT = "Accounts"
    NAME = "ReservationCut"

    account: bytes
    left_neur: int


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
    replacement, and from one deployment to the next; by nothing else. Always: Σ balances (committed) = supply =
    deposits + what entered − redemptions − what left ≥ 0, and what waits in suspense in an area ≥ its uncovered
    debts. So everybody can redeem their free balance, in any order. Free balance = balance − Σ max(line given,
    debt under it) − own line − what open redemptions reserve. What an account gives and owes beyond its balance
    and the line another one gives it, it lacks: its guarantor answers for that, by more of its own balance;
    what nobody has is uncovered, and as much of the area's next credits waits until it is covered. Whoever
    guarantees for others stands on its own balance: nobody else guarantees for it. Safety assumes: the
    treasurer books only deposits that exist; what `Settlement` assumes of attesters. It does not assume an
    honest operator. An account belongs to one area, to which the registrar binds it, and only that area's
    settlements book it: attesters of another one cannot touch it. No account holds up a settlement: what cannot
    be booked on it (it is not bound to the area, or would leave the range) waits in the suspense account of
    (account, area), a debit beyond the range on its guarantor. Liveness assumes nobody: cover and replacement
    work in a pause and without the operator.
    """

    contract = "Accounts"

    def max_balance_neur(self, *, block: Block = LATEST) -> int:
        """Largest balance or amount, either sign, nEUR."""
        return int(self._read("MAX_BALANCE_NEUR", [], block=block))

    def max_supply_neur(self, *, block: Block = LATEST) -> int:
        """Largest supply, nEUR: 100 billion EUR, far below the range, so that no deposit keeps a settlement from
        crediting an account.
        """
        return int(self._read("MAX_SUPPLY_NEUR", [], block=block))

    def account_of(self, *, account: bytes, block: Block = LATEST) -> Account:
        """An account as it stands now; pages of an open settlement do not count."""
        return Account.read(self._read("accountOf", [account], block=block))

    def area_of(self, *, account: bytes, block: Block = LATEST) -> bytes:
        """The area an account belongs to; 0 = none yet."""
        return as_bytes(self._read("areaOf", [account], block=block))

    def balance_of(self, *, account: bytes, block: Block = LATEST) -> int:
        """Balance of an account, nEUR; + is a credit of the holder."""
        return int(self._read("balanceOf", [account], block=block))

    @classmethod
    def bind_account(cls, *, account: bytes, area: bytes) -> Call:
        """Binds an account to the area that may settle it. Registrar, and Handovers for who enters; what waits for
        it in that area comes to its balance.
        """
        return cls._call("bindAccount", [account, area])

    @classmethod
    def book(cls, *, area: bytes, batch: int, cursor: Cursor, words: Sequence[int]) -> Call:
        """Books amounts, at once (`batch` 0) or under the area's open batch. Settlement only. `cursor`: where the
        page before ended; all 0 with the first. `words`: `address:160 | amount:int96`, first the debits, then
        the credits, accounts of each strictly ascending. Returns where this page ends.
        """
        return cls._call("book", [area, batch, cursor, words])

    @classmethod
    def book_suspense(cls, *, account: bytes) -> Call:
        """Brings what waits for an account in its area to its balance, as far as no uncovered debt needs it to
        wait. Anyone, also in a pause.
        """
        return cls._call("bookSuspense", [account])

    @classmethod
    def burn(cls, *, account: bytes, amount_neur: int) -> Call:
        """Burns what was reserved for a redemption, or what is left of it: balance and supply fall. Redemptions
        only. Returns burned_neur: min(amount, what is left of what the account's redemptions reserve).
        """
        return cls._call("burn", [account, amount_neur])

    def calendar(self, *, block: Block = LATEST) -> bytes:
        """The calendar whose areas accounts belong to."""
        return as_bytes(self._read("calendar", [], block=block))

    @classmethod
    def change_area(cls, *, account: bytes, area: bytes) -> Call:
        """Binds an account without ties to another area than it is bound to; not while pages are open in that one.
        Successions only.
        """
        return cls._call("changeArea", [account, area])

    def change_seconds(self, *, block: Block = LATEST) -> int:
        """Market-time seconds before a change of area, or a successor for a lost key, takes effect."""
        return int(self._read("changeSeconds", [], block=block))

    @classmethod
    def close_batch(cls, *, area: bytes, takes_effect: bool) -> Call:
        """Ends the area's batch; without effect, all that was booked under it is as if it had never been.
        Settlement only.
        """
        return cls._call("closeBatch", [area, takes_effect])

    @classmethod
    def cover(cls, *, guarantor: bytes, account: bytes, amount_neur: int, debt_neur: int) -> Call:
        """Pays debt of an account from its guarantor's balance: what is called, and beyond it what is free.
        Guarantees only. `debt_neur`: all of the account's debt, as its guarantor knows it.
        """
        return cls._call("cover", [guarantor, account, amount_neur, debt_neur])

    @classmethod
    def deposit(cls, *, account: bytes, amount_neur: int, ref: bytes) -> Call:
        """Books money that came in. Treasurer only, at most 10^18 nEUR a day by one key. `ref` is the payment's
        unique reference.
        """
        return cls._call("deposit", [account, amount_neur, ref])

    def free_balance_of(self, *, account: bytes, block: Block = LATEST) -> int:
        """Balance − Σ max(line given, debt under it) − own line − what open redemptions reserve, nEUR: what may be
        redeemed, pay cover or be given as a line. Debits of an open settlement count already, its credits do
        not.
        """
        return int(self._read("freeBalanceOf", [account], block=block))

    def guarantees(self, *, block: Block = LATEST) -> bytes:
        """The contract that may set lines and cover debts."""
        return as_bytes(self._read("guarantees", [], block=block))

    def guarantor_of(self, *, account: bytes, block: Block = LATEST) -> bytes:
        """Present account of who gave the account its line, which may be itself; 0 = nobody."""
        return as_bytes(self._read("guarantorOf", [account], block=block))

    def handovers(self, *, block: Block = LATEST) -> bytes:
        """The contract that may let accounts leave and enter."""
        return as_bytes(self._read("handovers", [], block=block))

    def lacking_of(self, *, account: bytes, block: Block = LATEST) -> int:
        """What an account gives and owes beyond its balance and the line another one gives it, as counted, nEUR:
        its guarantor answers for it, and without one nobody covers it.
        """
        return int(self._read("lackingOf", [account], block=block))

    def line_of(self, *, account: bytes, block: Block = LATEST) -> int:
        """The account's line, nEUR: another one's or its own; while it is being lowered, the higher one."""
        return int(self._read("lineOf", [account], block=block))

    @classmethod
    def lower_line(cls, *, account: bytes, credit_neur: int, until_period: int) -> Call:
        """Notes the lower line that follows once all periods up to one are settled. Guarantees only."""
        return cls._call("lowerLine", [account, credit_neur, until_period])

    def lowering_of(self, *, account: bytes, block: Block = LATEST) -> Lowering:
        """The line that follows once trades under the present one are settled."""
        return Lowering.read(self._read("loweringOf", [account], block=block))

    @classmethod
    def move_in(cls, *, account: bytes, standing: Standing) -> Call:
        """Takes in what an account took along: balances and supply rise, and `creditNeur` is its line from now on.
        Handovers only.
        """
        return cls._call("moveIn", [account, standing])

    @classmethod
    def move_out(cls, *, account: bytes, standing: Standing) -> Call:
        """Takes out of this deployment what an account takes along, its line, and what backs that: balances and
        supply fall. Handovers only.
        """
        return cls._call("moveOut", [account, standing])

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
    def recount(cls, *, account: bytes) -> Call:
        """Counts anew what an account lacks, where it may be less than is counted: a settlement of several pages
        that brought it money took effect, or one that debited it was abandoned. Anyone.
        """
        return cls._call("recount", [account])

    def redeemable_of(self, *, account: bytes, block: Block = LATEST) -> int:
        """Balance less what is given to others, nEUR: open redemptions reserve no more of it than there is."""
        return int(self._read("redeemableOf", [account], block=block))

    def redemptions(self, *, block: Block = LATEST) -> bytes:
        """The contract that may reserve and burn."""
        return as_bytes(self._read("redemptions", [], block=block))

    @classmethod
    def replace(cls, *, account: bytes, successor: bytes) -> Call:
        """Moves balance, line and guarantor to a fresh account, and what the account guarantees for others; later,
        with the same pair, what reached it meanwhile. Successions only.
        """
        return cls._call("replace", [account, successor])

    def require_present(self, *, account: bytes, block: Block = LATEST) -> None:
        """Reverts where the account was replaced: its key signs nothing any more."""
        return none(self._read("requirePresent", [account], block=block))

    def reservation_of(self, *, account: bytes, block: Block = LATEST) -> tuple[int, int]:
        """What the account's open redemptions ask for in all, and what is left that they reserve, nEUR: debits
        that needed it have taken the rest, for good.
        """
        return cast(
            "tuple[int, int]", members(self._read("reservationOf", [account], block=block), ["uint256", "uint256"])
        )

    @classmethod
    def reserve(cls, *, account: bytes, amount_neur: int) -> Call:
        """Reserves free balance of a present account for a redemption. Redemptions only."""
        return cls._call("reserve", [account, amount_neur])

    def roles(self, *, block: Block = LATEST) -> bytes:
        """The roles that decide who may bind and deposit."""
        return as_bytes(self._read("roles", [], block=block))

    @classmethod
    def set_line(cls, *, guarantor: bytes, account: bytes, credit_neur: int) -> Call:
        """Sets the line of an account in place of the one it has, from the guarantor's free balance where it
        rises. Guarantees only.
        """
        return cls._call("setLine", [guarantor, account, credit_neur])

    def settlement(self, *, block: Block = LATEST) -> bytes:
        """The contract that may book settlements."""
        return as_bytes(self._read("settlement", [], block=block))

    def successions(self, *, block: Block = LATEST) -> bytes:
        """The contract that may replace accounts."""
        return as_bytes(self._read("successions", [], block=block))

    def successor_of(self, *, account: bytes, block: Block = LATEST) -> bytes:
        """The account that replaced this one; 0 = none."""
        return as_bytes(self._read("successorOf", [account], block=block))

    def supply(self, *, block: Block = LATEST) -> int:
        """Σ balances = deposits + entered − redemptions − left, nEUR."""
        return int(self._read("supply", [], block=block))

    def suspense_of(self, *, account: bytes, area: bytes, block: Block = LATEST) -> bytes:
        """The account at which amounts of an area wait for an account; it has no key."""
        return as_bytes(self._read("suspenseOf", [account, area], block=block))

    def uncovered_of(self, *, area: bytes, block: Block = LATEST) -> tuple[int, int]:
        """Debts of an area that nobody covers, and what waits in its suspense accounts, nEUR: never less."""
        return cast("tuple[int, int]", members(self._read("uncoveredOf", [area], block=block), ["int256", "int256"]))

    @classmethod
    def unreserve(cls, *, account: bytes, amount_neur: int) -> Call:
        """Takes back what was reserved for a redemption. Redemptions only."""
        return cls._call("unreserve", [account, amount_neur])
