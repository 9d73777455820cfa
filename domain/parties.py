"""Who takes part in an area: participants with their accounts, their meters, keys and guarantees."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from domain.members import Address, AmountNeur, Code, Hash, Mtu, Natural, PowerW, Seconds, Signature
from domain.units import MTUS_PER_HOUR


class ParticipantKind(StrEnum):
    """What part a participant plays."""

    HOUSEHOLD = "household"
    """Trades at its connection point."""

    RETAILER = "retailer"
    """Trades at the transformer."""

    DSO = "dso"
    """Receives grid fees and bears losses; does not trade."""

    TAX = "tax"
    """Receives taxes and levies; does not trade."""


@dataclass(frozen=True, slots=True)
class Participant:
    """A party with a settlement account, from an MTU on. A household stands at one `point`; others have none.

    Connection powers in W, zero where there is no point. The account signed all that stands before the signatures, and
    the area's DSO the same: whom it admits, and who stands at which connection (`domain.signed_terms`).
    """

    participant: Code
    kind: ParticipantKind
    area: Code
    account: Address
    point: Code | None
    connection_import_w: PowerW
    connection_export_w: PowerW
    valid_from_mtu: Mtu
    account_signature: Signature
    dso_signature: Signature

    @property
    def connection(self) -> tuple[int, int]:
        """The connection's powers in W, import and export: those of a point do not change with who stands there."""
        return self.connection_import_w, self.connection_export_w

    @property
    def import_limit_wh(self) -> int:
        """Most energy one MTU can bring in, rounded down."""
        return self.connection_import_w // MTUS_PER_HOUR

    @property
    def export_limit_wh(self) -> int:
        """Most energy one MTU can take out, rounded down."""
        return self.connection_export_w // MTUS_PER_HOUR


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter's signing key (Ed25519) at a point, from an MTU until a later key or another meter there.

    The area's DSO signed all that stands before its signature (`domain.signed_terms`).
    """

    meter: Code
    point: Code
    public_key: Hash
    area: Code
    valid_from_mtu: Mtu
    dso_signature: Signature


@dataclass(frozen=True, slots=True)
class OrderKey:
    """The device key that signs an account's orders from an MTU on, until one registered later begins or has begun.

    `signature` is the account's. `point` is None for a retailer.
    """

    account: Address
    order_key: Address
    point: Code | None
    valid_from_mtu: Mtu
    signature: Signature


@dataclass(frozen=True, slots=True)
class Guarantee:
    """How far below zero (`credit_neur` >= 0) a guarantor lets an account go, by the guarantor's own signature.

    The signatures count until `deadline` (market time). `account_signature` is the account's consent to a guarantor
    that it did not have before; None where it is the account itself, or guarantees already. An account that is its own
    guarantor keeps so much of its balance for its trades.
    """

    guarantor: Address
    account: Address
    credit_neur: AmountNeur
    nonce: Natural
    deadline: Seconds
    signature: Signature
    account_signature: Signature | None = None


@dataclass(frozen=True, slots=True)
class Replacement:
    """The chain let `successor` take the place of `account`; `valid_from_mtu` is the first MTU to begin after its
    block. Settlements of periods that reach beyond that MTU's beginning pay the successor (ADR 55).
    """

    account: Address
    successor: Address
    valid_from_mtu: Mtu


def first_accounts(replacements: Iterable[Replacement]) -> Callable[[str], str]:
    """Gives the first account of a participant, by its present one or any before it.

    >>> first_accounts([Replacement("0xa", "0xb", 5), Replacement("0xb", "0xc", 8)])("0xc")
    '0xa'
    """
    before = {item.successor: item.account for item in replacements}

    def first(account: str) -> str:
        seen = {account}
        while before.get(account, account) not in seen:  # whoever tells of a circle comes to an end too
            account = before[account]
            seen.add(account)
        return account

    return first


def successors_in_period(replacements: Iterable[Replacement], *, end_mtu: int) -> dict[str, str]:
    """The account that stands in for each replaced one in a settlement of MTUs before `end_mtu`, at the chain's end.

    >>> found = [Replacement("0xa", "0xb", 5), Replacement("0xb", "0xc", 8)]
    >>> successors_in_period(found, end_mtu=8), successors_in_period(found, end_mtu=9)
    ({'0xa': '0xb'}, {'0xa': '0xc', '0xb': '0xc'})
    """
    direct = {item.account: item.successor for item in replacements if item.valid_from_mtu < end_mtu}
    last: dict[str, str] = {}
    for account in direct:
        present, seen = account, set[str]()
        while present in direct and present not in seen:  # whoever tells of a circle comes to an end too
            seen.add(present)
            present = direct[present]
        last[account] = present
    return last
