"""Handovers: an area goes from one deployment to the next.

Made from src/interfaces/IHandovers.sol by `python -m scripts.tools.make_bindings`; do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from contracts.bindings.base import LATEST, Binding, Block, Call, Event, Struct, members, none
from contracts.rpc import as_bytes


@dataclass(frozen=True, slots=True)
class Handover(Struct):
    """`Handover` of the interface."""

    area: bytes
    period: int
    successor: bytes
    codes_hash: bytes
    deadline: int


@dataclass(frozen=True, slots=True)
class HandoverSignatures(Struct):
    """`HandoverSignatures` of the interface."""

    operator: bytes
    dso: bytes
    attesters: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Agreement(Struct):
    """`Agreement` of the interface."""

    successor: bytes
    period: int
    effective_at: int


@dataclass(frozen=True, slots=True)
class Standing(Struct):
    """`Standing` of the interface."""

    area: bytes
    guarantor: bytes
    credit_neur: int
    balance_neur: int
    backing_neur: int


@dataclass(frozen=True, slots=True)
class AccountLeft(Event):
    """An account left this deployment with what it took along."""

    CONTRACT = "Handovers"
    NAME = "AccountLeft"

    account: bytes
    area: bytes
    successor: bytes
    standing: Standing


@dataclass(frozen=True, slots=True)
class AccountTakenOver(Event):
    """An account entered this deployment with what it took along; `holder` is the account here, the same or, of a
    key that was replaced here, its successor. The guarantor is named likewise.
    """

    CONTRACT = "Handovers"
    NAME = "AccountTakenOver"

    account: bytes
    holder: bytes
    predecessor: bytes
    standing: Standing


@dataclass(frozen=True, slots=True)
class HandoverAgreed(Event):
    """An area's handover was agreed."""

    CONTRACT = "Handovers"
    NAME = "HandoverAgreed"

    area: bytes
    successor: bytes
    period: int
    codes_hash: bytes
    deadline: int
    effective_at: int


@dataclass(frozen=True, slots=True)
class HandoverSigned(Event):
    """By whom it was signed beside the registrar; comes with it."""

    CONTRACT = "Handovers"
    NAME = "HandoverSigned"

    area: bytes
    digest: bytes
    operator_signature: bytes
    dso_signature: bytes
    attester_signatures: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class HandoverWithdrawn(Event):
    """An agreed handover was withdrawn before it took effect."""

    CONTRACT = "Handovers"
    NAME = "HandoverWithdrawn"

    area: bytes
    by: bytes


class Handovers(Binding):
    """Agreed by registrar, operator and DSO of the area and m of its attesters; in effect after more than the
    challenge window, and until then any of the first three, or a security admin, may withdraw it. From the
    agreement on no period is declared here; the next deployment's first one begins where the last one here
    ends. Once all periods here are Final anyone may let an account leave: it takes its balance, its line and
    what backs that along, and what is burnt here is minted there. Whatever stays (open redemptions, what waits
    in suspense, a debt whose guarantor is called) keeps all its rights here and leaves later, in the same way.
    Safety: Σ of both supplies never changes by it; money goes to the agreed deployment alone; no line and no
    debt goes without what backs it. Nothing a roles' minority does brings a handover about. Liveness: leaving
    assumes nobody. Redeeming is as before, also for who does not want to go.
    """

    contract = "Handovers"

    def accounts(self, *, block: Block = LATEST) -> bytes:
        """The accounts that leave and enter."""
        return as_bytes(self._read("accounts", [], block=block))

    @classmethod
    def agree(cls, *, handover: Handover, parts: Sequence[bytes], signatures: HandoverSignatures) -> Call:
        """Agrees that an area goes to another deployment after its last period. Registrar only, with the
        signatures of the others. `parts`: all contracts of the other deployment, in the order in which their
        codes were signed.
        """
        return cls._call("agree", [handover, parts, signatures])

    def agreement_of(self, *, area: bytes, block: Block = LATEST) -> Agreement:
        """The handover agreed for an area."""
        return Agreement.read(self._read("agreementOf", [area], block=block))

    def begin_of(self, *, area: bytes, block: Block = LATEST) -> int:
        """First MTU of an area here, where it had periods in the deployment before; 0 = any. Reverts where it did
        and its handover to this deployment is not in effect.
        """
        return int(self._read("beginOf", [area], block=block))

    def calendar(self, *, block: Block = LATEST) -> bytes:
        """The calendar whose periods end and begin."""
        return as_bytes(self._read("calendar", [], block=block))

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

    def end_for(self, *, area: bytes, successor: bytes, block: Block = LATEST) -> int:
        """First MTU after the area's last period, 0 where it has none; reverts unless its handover to `successor`
        is in effect.
        """
        return int(self._read("endFor", [area, successor], block=block))

    @classmethod
    def move_out(cls, *, account: bytes) -> Call:
        """Lets an account leave. Only the successor that its area's roles agreed to, once that took effect and all
        periods are Final. Returns what the account takes along.
        """
        return cls._call("moveOut", [account])

    def predecessor(self, *, block: Block = LATEST) -> bytes:
        """Handovers of the deployment this one takes over from; 0 = none."""
        return as_bytes(self._read("predecessor", [], block=block))

    def require_stays(self, *, area: bytes, block: Block = LATEST) -> None:
        """Reverts where it is agreed that the area goes to another deployment."""
        return none(self._read("requireStays", [area], block=block))

    @classmethod
    def take_over(cls, *, account: bytes) -> Call:
        """Takes over an account from the predecessor; again, what reached it there later. Binds who is not bound
        yet; a key that was replaced here meanwhile stands for its successor. Anyone.
        """
        return cls._call("takeOver", [account])

    @classmethod
    def withdraw(cls, *, area: bytes) -> Call:
        """Withdraws an agreed handover before it takes effect. Registrar, operator or DSO of the area, or a
        security admin. The same signatures cannot agree to it again.
        """
        return cls._call("withdraw", [area])
