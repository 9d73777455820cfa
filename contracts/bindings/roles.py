"""Roles: who may do what, changed only in the open and with a delay.

Made from src/interfaces/IRoles.sol by `python -m scripts.tools.make_bindings`; do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.bindings.base import LATEST, Binding, Block, Call, Event, Struct, none


@dataclass(frozen=True, slots=True)
class RolesConfig(Struct):
    """`RolesConfig` of the interface."""

    attester_threshold: int
    delay_seconds: int
    pause_seconds: int
    cool_down_seconds: int


@dataclass(frozen=True, slots=True)
class Grant(Struct):
    """`Grant` of the interface."""

    key: bytes
    role: int
    organisation: bytes
    area: bytes


@dataclass(frozen=True, slots=True)
class Proposal(Struct):
    """`Proposal` of the interface."""

    replaces: bytes
    ready_at: int
    proposer: bytes
    organisation: bytes
    confirmed: bool
    grant: Grant


@dataclass(frozen=True, slots=True)
class GrantConfirmed(Event):
    """A second security admin agreed to a grant or replacement."""

    CONTRACT = "Roles"
    NAME = "GrantConfirmed"

    key: bytes
    by: bytes


@dataclass(frozen=True, slots=True)
class GrantProposed(Event):
    """A grant was proposed; once it is confirmed, the key itself completes it with `acceptGrant` from `readyAt`
    on.
    """

    CONTRACT = "Roles"
    NAME = "GrantProposed"

    key: bytes
    role: int
    organisation: bytes
    area: bytes
    ready_at: int


@dataclass(frozen=True, slots=True)
class Paused(Event):
    """New books, programs and clearings stopped until block time `until` at the latest."""

    CONTRACT = "Roles"
    NAME = "Paused"

    by: bytes
    until: int


@dataclass(frozen=True, slots=True)
class ProposalCancelled(Event):
    """The proposal under this key was withdrawn."""

    CONTRACT = "Roles"
    NAME = "ProposalCancelled"

    key: bytes


@dataclass(frozen=True, slots=True)
class ReplacementProposed(Event):
    """A replacement of a key was proposed; once it is confirmed, the new key completes it with `acceptGrant` from
    `readyAt` on.
    """

    CONTRACT = "Roles"
    NAME = "ReplacementProposed"

    key: bytes
    new_key: bytes
    ready_at: int


@dataclass(frozen=True, slots=True)
class RevocationProposed(Event):
    """A revocation was proposed; a second security admin completes it with `revoke` from `readyAt` on."""

    CONTRACT = "Roles"
    NAME = "RevocationProposed"

    key: bytes
    ready_at: int


@dataclass(frozen=True, slots=True)
class RoleGranted(Event):
    """A key received its role."""

    CONTRACT = "Roles"
    NAME = "RoleGranted"

    key: bytes
    role: int
    organisation: bytes
    area: bytes


@dataclass(frozen=True, slots=True)
class RoleRevoked(Event):
    """A key lost its role."""

    CONTRACT = "Roles"
    NAME = "RoleRevoked"

    key: bytes
    role: int
    organisation: bytes
    area: bytes


@dataclass(frozen=True, slots=True)
class Unpaused(Event):
    """The pause was ended before it expired."""

    CONTRACT = "Roles"
    NAME = "Unpaused"

    by: bytes


class Roles(Binding):
    """Safety rests on: a key has one role; an organisation holds one kind of role; one organisation gives one vote
    in a quorum and m is at least 2; every change is proposed by a security admin, visible for `delaySeconds`,
    and agreed to by a security admin of another organisation, never by the key it takes a role from; what is
    not completed in time lapses. Liveness rests on: the roles operator, DSO, registrar and security admin never
    lose the last key of a scope (replace it instead), security admins of at least two organisations stay, and a
    pause ends by itself. Where an organisation of only two loses its one key or is to be removed, nobody is
    left to agree: appoint three. A replaced or revoked key's signatures in flight count no more: who relies on
    them signs again with the new key.
    """

    contract = "Roles"

    def proposal_seconds(self, *, block: Block = LATEST) -> int:
        """Block-time seconds after its delay in which a proposal may be completed."""
        return int(self._read("PROPOSAL_SECONDS", [], block=block))

    @classmethod
    def accept_grant(cls) -> Call:
        """Completes a confirmed grant or replacement, sent by the new key itself after the delay: shows that
        somebody holds the key.
        """
        return cls._call("acceptGrant", [])

    @classmethod
    def cancel_proposal(cls, *, key: bytes) -> Call:
        """Withdraws the proposal under `key` (for grant and replacement: the new key; for a revocation: the key to
        be revoked). Security admin only; no key of the organisation that would lose one, unless that proposed
        it.
        """
        return cls._call("cancelProposal", [key])

    def config(self, *, block: Block = LATEST) -> RolesConfig:
        """The fixed numbers given at deployment."""
        return RolesConfig.read(self._read("config", [], block=block))

    @classmethod
    def confirm_grant(cls, *, grant: Grant, replaces: bytes) -> Call:
        """Agrees to a grant or replacement, at any time before the new key accepts. Security admin of another
        organisation than the proposer's, not the key that would lose its role. `grant`: what the new key
        (`grant.key`) receives, exactly as proposed. `replaces`: the key whose role it takes over; 0 = none.
        """
        return cls._call("confirmGrant", [grant, replaces])

    def grant_of(self, *, key: bytes, block: Block = LATEST) -> Grant:
        """What `key` holds; role None if nothing."""
        return Grant.read(self._read("grantOf", [key], block=block))

    def has_role(self, *, key: bytes, role: int, area: bytes, block: Block = LATEST) -> bool:
        """Whether `key` holds `role` for `area`, by its own scope or for all areas."""
        return bool(self._read("hasRole", [key, role, area], block=block))

    def key_count(self, *, role: int, area: bytes, block: Block = LATEST) -> int:
        """Number of keys that hold `role` with exactly the scope `area` (0 = the keys for all areas)."""
        return int(self._read("keyCount", [role, area], block=block))

    def organisation_role(self, *, organisation: bytes, block: Block = LATEST) -> int:
        """The kind of role an organisation holds; None if it has no key."""
        return int(self._read("organisationRole", [organisation], block=block))

    @classmethod
    def pause(cls) -> Call:
        """Stops openSession, closeSession, recordProgram and clear for at most `pauseSeconds`. Security admin
        only; one organisation can pause again after its cool-down, whatever others do.
        """
        return cls._call("pause", [])

    def paused(self, *, block: Block = LATEST) -> bool:
        """Whether a pause is running."""
        return bool(self._read("paused", [], block=block))

    def paused_seconds_since(self, *, time: int, block: Block = LATEST) -> int:
        """Block-time seconds for which pauses have run since a block time."""
        return int(self._read("pausedSecondsSince", [time], block=block))

    def proposal_of(self, *, key: bytes, block: Block = LATEST) -> Proposal:
        """The proposal under `key`; `readyAt` 0 if none."""
        return Proposal.read(self._read("proposalOf", [key], block=block))

    @classmethod
    def propose_grant(cls, *, grant: Grant) -> Call:
        """Proposes that `grant.key` receives its role. Security admin only."""
        return cls._call("proposeGrant", [grant])

    @classmethod
    def propose_replacement(cls, *, key: bytes, new_key: bytes) -> Call:
        """Proposes that `newKey` takes over role, organisation and scope of `key`. Security admin only."""
        return cls._call("proposeReplacement", [key, new_key])

    @classmethod
    def propose_revocation(cls, *, key: bytes) -> Call:
        """Proposes that `key` loses its role. Security admin only."""
        return cls._call("proposeRevocation", [key])

    def require_not_paused(self, *, block: Block = LATEST) -> None:
        """Reverts with RolesPaused while a pause is running."""
        return none(self._read("requireNotPaused", [], block=block))

    def require_quorum(self, *, digest: bytes, area: bytes, signatures: Sequence[bytes], block: Block = LATEST) -> None:
        """Reverts unless at least m attesters of `area`, all of distinct organisations, signed `digest`. `digest`:
        EIP-712 digest of the calling contract. `signatures`: 65 bytes r‖s‖v each, in strictly ascending order
        of signer; each one must be valid.
        """
        return none(self._read("requireQuorum", [digest, area, signatures], block=block))

    def require_role(self, *, key: bytes, role: int, area: bytes, block: Block = LATEST) -> None:
        """Reverts with RolesMissing unless `hasRole`."""
        return none(self._read("requireRole", [key, role, area], block=block))

    @classmethod
    def revoke(cls, *, key: bytes) -> Call:
        """Second step of a revocation after the delay. Security admin of another organisation than the proposer's,
        not the key itself.
        """
        return cls._call("revoke", [key])

    @classmethod
    def unpause(cls) -> Call:
        """Ends the pause early. Security admin only; the cool-down of whose pause it was runs from now."""
        return cls._call("unpause", [])
