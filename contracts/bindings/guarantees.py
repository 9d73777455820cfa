"""Guarantees: lines that let an account trade, and the payment of debt under them.

Made from src/interfaces/IGuarantees.sol by `python -m scripts.tools.make_bindings`; do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from contracts.bindings.base import LATEST, Binding, Block, Call, Event, members
from contracts.rpc import as_bytes


@dataclass(frozen=True, slots=True)
class DebtCovered(Event):
    """A guarantor paid debt of an account."""

    CONTRACT = "Guarantees"
    NAME = "DebtCovered"

    guarantor: bytes
    account: bytes
    amount_neur: int
    ref: bytes


@dataclass(frozen=True, slots=True)
class GuaranteeSet(Event):
    """A guarantor's line for an account, by its own signature: what new orders count with."""

    CONTRACT = "Guarantees"
    NAME = "GuaranteeSet"

    guarantor: bytes
    account: bytes
    credit_neur: int
    nonce: int


class Guarantees(Binding):
    """Anyone may guarantee for an account of its area, with the account's consent, or for itself; every line comes
    from the guarantor's free balance. Signatures name a deadline, so that none waits for a worse moment.
    Liveness assumes nobody: all work in a pause and without the operator.
    """

    contract = "Guarantees"

    def nonce_step_max(self, *, block: Block = LATEST) -> int:
        """How far one signature takes the nonce at most, so that none can be the last."""
        return int(self._read("NONCE_STEP_MAX", [], block=block))

    @classmethod
    def cover(
        cls,
        *,
        guarantor: bytes,
        account: bytes,
        amount_neur: int,
        debt_neur: int,
        ref: bytes,
        deadline: int,
        signature: bytes,
    ) -> Call:
        """Pays debt of an account (all or part of what is below zero) from its guarantor's balance, with the
        guarantor's signature (EIP-712 `Cover`). Anyone may relay. `deadline`: market time until which the
        signature may be used. `debt_neur`: the debt that it is for: all that the account owes, or the cover is
        refused.
        """
        return cls._call("cover", [guarantor, account, amount_neur, debt_neur, ref, deadline, signature])

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

    @classmethod
    def guarantee(
        cls,
        *,
        guarantor: bytes,
        account: bytes,
        credit_neur: int,
        nonce: int,
        deadline: int,
        guarantor_signature: bytes,
        account_signature: bytes,
    ) -> Call:
        """Sets a guarantor's line for an account, with the guarantor's signature (EIP-712 `Guarantee`) and, unless
        it guarantees already, the account's over the same. Anyone may relay. `account_signature`: not looked at
        where the guarantor has the account's consent already, or is the account. `deadline`: market time until
        which the signatures may be used. `guarantor`: may be the account itself.
        """
        return cls._call(
            "guarantee", [guarantor, account, credit_neur, nonce, deadline, guarantor_signature, account_signature]
        )

    def nonce_of(self, *, guarantor: bytes, account: bytes, block: Block = LATEST) -> int:
        """Last nonce used by a guarantor for an account."""
        return int(self._read("nonceOf", [guarantor, account], block=block))

    @classmethod
    def release(cls, *, account: bytes) -> Call:
        """Puts a lowered line in place of the higher one, once all that could stand under that is settled. Anyone."""
        return cls._call("release", [account])
