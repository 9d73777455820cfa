"""Money that comes in, goes out, or covers a debt. Amounts in nEUR, above zero."""

from __future__ import annotations

from domain.facts.base import Fact, fact
from domain.hashing import to_hex
from domain.members import Address, AmountNeur, Hash, Seconds, Signature


@fact
class DepositBooked(Fact):
    """The treasurer received a payment for an account, under the payment's reference."""

    KIND = "deposit.booked"
    account: Address
    amount_neur: AmountNeur
    ref: Hash

    @property
    def journal_key(self) -> str:
        """One deposit per payment reference."""
        return f"deposit:{to_hex(self.ref)}"


@fact
class RedemptionRequested(Fact):
    """An account signed that it wants money paid out; the signature counts until the deadline (market time)."""

    KIND = "redemption.requested"
    account: Address
    amount_neur: AmountNeur
    ref: Hash
    deadline: Seconds
    signature: Signature

    @property
    def journal_key(self) -> str:
        """One redemption per reference of an account."""
        return f"redemption:{self.account}:{to_hex(self.ref)}"


@fact
class CoverGiven(Fact):
    """A guarantor signed that it pays debt of an account, which owes `debt_neur`; it counts until the deadline."""

    KIND = "cover.given"
    guarantor: Address
    account: Address
    amount_neur: AmountNeur
    debt_neur: AmountNeur
    ref: Hash
    deadline: Seconds
    signature: Signature

    @property
    def journal_key(self) -> str:
        """One cover per reference of a guarantor."""
        return f"cover:{self.guarantor}:{to_hex(self.ref)}"
