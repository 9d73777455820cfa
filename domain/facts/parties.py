"""Who takes part: participants, meters, order keys, accounts replaced."""

from __future__ import annotations

from domain.facts.base import Fact, fact
from domain.parties import Meter, OrderKey, Participant, Replacement


@fact
class ParticipantRegistered(Fact):
    """A party with its settlement account. Its members are those of `Participant`."""

    KIND = "participant.registered"
    FLAT = "participant"
    participant: Participant

    @property
    def journal_key(self) -> str:
        """One registration per participant."""
        return f"participant:{self.participant.participant}"


@fact
class MeterRegistered(Fact):
    """A meter at a point, or a new key of it. Its members are those of `Meter`."""

    KIND = "meter.registered"
    FLAT = "meter"
    meter: Meter

    @property
    def journal_key(self) -> str:
        """One fact per meter and beginning."""
        return f"meter:{self.meter.meter}:{self.meter.valid_from_mtu}"


@fact
class KeyRegistered(Fact):
    """A device key that may sign an account's orders. Its members are those of `OrderKey`."""

    KIND = "key.registered"
    FLAT = "order_key"
    order_key: OrderKey

    @property
    def journal_key(self) -> str:
        """A key serves one account, once."""
        return f"key:{self.order_key.order_key}"


@fact
class AccountReplaced(Fact):
    """A participant's account gave way to its successor, as a final block says. Its members are those of
    `Replacement`.
    """

    KIND = "account.replaced"
    FLAT = "replacement"
    replacement: Replacement

    @property
    def journal_key(self) -> str:
        """An account is replaced once."""
        return f"replaced:{self.replacement.account}"
