"""Successions: one account takes another's place, or another area takes the first one's.

Made from src/interfaces/ISuccessions.sol by `python -m scripts.tools.make_bindings`; do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from contracts.bindings.base import LATEST, Binding, Block, Call, Event, Struct, members
from contracts.rpc import as_bytes


@dataclass(frozen=True, slots=True)
class AreaChange(Struct):
    """`AreaChange` of the interface."""

    area: bytes
    ready_at: int


@dataclass(frozen=True, slots=True)
class Succession(Struct):
    """`Succession` of the interface."""

    successor: bytes
    ready_at: int


@dataclass(frozen=True, slots=True)
class AreaChangeCancelled(Event):
    """A change of area was withdrawn."""

    CONTRACT = "Successions"
    NAME = "AreaChangeCancelled"

    account: bytes


@dataclass(frozen=True, slots=True)
class AreaChangeProposed(Event):
    """The registrar would bind an account to another area; anyone may complete it from market time `readyAt` on."""

    CONTRACT = "Successions"
    NAME = "AreaChangeProposed"

    account: bytes
    area: bytes
    ready_at: int


@dataclass(frozen=True, slots=True)
class SuccessorCancelled(Event):
    """A proposed successor was withdrawn."""

    CONTRACT = "Successions"
    NAME = "SuccessorCancelled"

    account: bytes


@dataclass(frozen=True, slots=True)
class SuccessorProposed(Event):
    """The registrar and whoever agrees (the guarantor, or the operator) would let a successor take over; anyone
    may complete it from market time `readyAt` on.
    """

    CONTRACT = "Successions"
    NAME = "SuccessorProposed"

    account: bytes
    successor: bytes
    by: bytes
    ready_at: int


class Successions(Binding):
    """A successor with the old key at once. Without it the registrar proposes one with the agreement of the
    account's guarantor; it takes over after more than the challenge window, and the old key may cancel: nobody
    takes an account from a key that is there. A slip of the registrar's binding is corrected in the same way:
    it proposes another area, after the same delay anyone completes the change, and the account may cancel until
    then. Liveness assumes nobody where the old key signs: replacement works in a pause and without the
    operator.
    """

    contract = "Successions"

    def completion_seconds(self, *, block: Block = LATEST) -> int:
        """Market-time seconds after its delay in which a proposal may be completed."""
        return int(self._read("COMPLETION_SECONDS", [], block=block))

    def area_change_of(self, *, account: bytes, block: Block = LATEST) -> AreaChange:
        """A proposed change of area."""
        return AreaChange.read(self._read("areaChangeOf", [account], block=block))

    @classmethod
    def cancel_area_change(cls, *, account: bytes) -> Call:
        """Withdraws a change of area. Registrar or the account itself."""
        return cls._call("cancelAreaChange", [account])

    @classmethod
    def cancel_successor(cls, *, account: bytes) -> Call:
        """Withdraws a proposed successor. The account's old key, or the registrar."""
        return cls._call("cancelSuccessor", [account])

    @classmethod
    def change_area(cls, *, account: bytes) -> Call:
        """Completes a change of area after its delay, within 30 days. Anyone; not while the account has ties in
        its area or pages are open there.
        """
        return cls._call("changeArea", [account])

    @classmethod
    def collect(cls, *, account: bytes) -> Call:
        """Moves what reached a replaced account later to its successor. Anyone, also in a pause; not while pages
        are open in the area.
        """
        return cls._call("collect", [account])

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
    def propose_area_change(cls, *, account: bytes, area: bytes) -> Call:
        """Proposes to correct a slip: the account belongs to another area. Registrar only; the latest proposal
        stands.
        """
        return cls._call("proposeAreaChange", [account, area])

    @classmethod
    def propose_successor(
        cls, *, account: bytes, successor: bytes, deadline: int, guarantor_signature: bytes, successor_signature: bytes
    ) -> Call:
        """Proposes a successor for an account whose key was lost. Registrar, with the signatures (EIP-712
        `AccountReplacement`) of the successor and of the account's guarantor; where nobody but itself
        guarantees for it, of an operator of its area. The latest proposal stands. `deadline`: market time until
        which the signatures may be used.
        """
        return cls._call("proposeSuccessor", [account, successor, deadline, guarantor_signature, successor_signature])

    @classmethod
    def replace_account(
        cls, *, account: bytes, successor: bytes, deadline: int, account_signature: bytes, successor_signature: bytes
    ) -> Call:
        """Moves balance, line and guarantor to a fresh account, with both signatures (EIP-712
        `AccountReplacement`); what the account guarantees for others goes with it. Anyone may relay, also in a
        pause. The account must be bound. From then on the replaced key signs nothing any more; its open
        redemptions end. Not while a settlement of several pages is open in their area. `deadline`: market time
        until which the signatures may be used.
        """
        return cls._call("replaceAccount", [account, successor, deadline, account_signature, successor_signature])

    @classmethod
    def succeed(cls, *, account: bytes) -> Call:
        """Lets a proposed successor take over after its delay, within 30 days. Anyone; not while pages are open in
        the area.
        """
        return cls._call("succeed", [account])

    def succession_of(self, *, account: bytes, block: Block = LATEST) -> Succession:
        """A proposed successor."""
        return Succession.read(self._read("successionOf", [account], block=block))
