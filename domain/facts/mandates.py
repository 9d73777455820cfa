"""What agents may trade for an account, and until when."""

from __future__ import annotations

from domain.facts.base import Fact, fact
from domain.facts.trading import OrderRules
from domain.mandates import Mandate
from domain.members import Address, Seconds, Signature, Tag


def mandate_key(tag: bytes) -> str:
    """The journal key of a mandate."""
    return f"mandate:{tag.hex()}"


def revocation_key(tag: bytes) -> str:
    """The journal key of a mandate's end."""
    return f"mandate.revoked:{tag.hex()}"


@fact
class MandateGranted(Fact):
    """An account's order key lets an agent trade for it, in place of any mandate that it gave this agent before.

    `tag` is the mandate's, the first 16 bytes of what was signed; `order_key` signed it.
    """

    KIND = "mandate.granted"
    mandate: Mandate
    signature: Signature
    order_key: Address
    tag: Tag
    market_time: Seconds
    rules: OrderRules

    @property
    def journal_key(self) -> str:
        """A mandate is granted once."""
        return mandate_key(self.tag)


@fact
class MandateRevoked(Fact):
    """The mandate of this tag has ended: no order or cancel of its agent that is recorded later counts.

    `order_key` signed it; `tag` is that of the revocation, the first 16 bytes of what was signed.
    """

    KIND = "mandate.revoked"
    mandate: Tag
    account: Address
    agent: Address
    signature: Signature
    order_key: Address
    tag: Tag
    market_time: Seconds
    rules: OrderRules

    @property
    def journal_key(self) -> str:
        """A mandate ends once."""
        return revocation_key(self.mandate)
