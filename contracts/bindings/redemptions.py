"""Redemptions: the way out of e-money, after the window in which a wrong settlement can be corrected.

Made from src/interfaces/IRedemptions.sol by `python -m scripts.tools.make_bindings`; do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from contracts.bindings.base import LATEST, Binding, Block, Call, Event, Struct, members
from contracts.rpc import as_bytes


@dataclass(frozen=True, slots=True)
class Redemption(Struct):
    """`Redemption` of the interface."""

    amount_neur: int
    ready_at: int


@dataclass(frozen=True, slots=True)
class Redeemed(Event):
    """E-money was burned; the amount is to be paid out."""

    CONTRACT = "Redemptions"
    NAME = "Redeemed"

    account: bytes
    amount_neur: int
    ref: bytes


@dataclass(frozen=True, slots=True)
class RedemptionCancelled(Event):
    """So much of a redemption is not paid: its account withdrew it, it expired, or debits took what it reserved."""

    CONTRACT = "Redemptions"
    NAME = "RedemptionCancelled"

    account: bytes
    amount_neur: int
    ref: bytes


@dataclass(frozen=True, slots=True)
class RedemptionRequested(Event):
    """A redemption was requested; anyone may complete it from market time `readyAt` on."""

    CONTRACT = "Redemptions"
    NAME = "RedemptionRequested"

    account: bytes
    amount_neur: int
    ref: bytes
    ready_at: int


class Redemptions(Binding):
    """Safety assumes: a correction comes within the challenge window, which outlasts the replacement of attesters
    and the pages of a correction. Liveness assumes nobody: redemption works in a pause and without the
    operator.
    """

    contract = "Redemptions"

    def redeem_seconds(self, *, block: Block = LATEST) -> int:
        """Market-time seconds after its challenge window in which a redemption may be completed."""
        return int(self._read("REDEEM_SECONDS", [], block=block))

    @classmethod
    def cancel_redemption(cls, *, account: bytes, ref: bytes) -> Call:
        """Withdraws a redemption. The account itself at any time; anyone once it expired, seven days after it was
        ready.
        """
        return cls._call("cancelRedemption", [account, ref])

    def challenge_seconds(self, *, block: Block = LATEST) -> int:
        """Market-time seconds between request and completion of a redemption."""
        return int(self._read("challengeSeconds", [], block=block))

    @classmethod
    def complete_redemption(cls, *, account: bytes, ref: bytes) -> Call:
        """Ends a redemption once its challenge window passed, within seven days: burns min(requested, what is left
        of what the account's redemptions reserve). Anyone, also in a pause.
        """
        return cls._call("completeRedemption", [account, ref])

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

    def redemption_of(self, *, account: bytes, ref: bytes, block: Block = LATEST) -> Redemption:
        """A redemption that is not completed; `amountNeur` is what is left of it."""
        return Redemption.read(self._read("redemptionOf", [account, ref], block=block))

    @classmethod
    def request_redemption(
        cls, *, account: bytes, amount_neur: int, ref: bytes, deadline: int, signature: bytes
    ) -> Call:
        """Asks for a redemption of at most the free balance, with the account's signature (EIP-712 `Redemption`).
        Anyone may relay, also in a pause. `deadline`: market time until which the signature may be used.
        """
        return cls._call("requestRedemption", [account, amount_neur, ref, deadline, signature])
