"""Everything an attester's consensus wants done: writes to its store, messages to other attesters, questions."""

from __future__ import annotations

from dataclasses import dataclass

from domain.attestations import SignedAttestation
from domain.readings import Attestation
from oracle.attester.consensus.proposals import LeafProposal

# ---- the store: on disk before any later effect of the same event


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep attestations that m attesters signed, until the chain shows them or something else."""

    attestations: tuple[SignedAttestation, ...]


@dataclass(frozen=True, slots=True)
class Forget:
    """Drop the attestations of an MTU from this revision on: they are not, or not any more, on the chain."""

    mtu: int
    from_revision: int


@dataclass(frozen=True, slots=True)
class NoteIncluded:
    """One's own node shows this attestation."""

    mtu: int
    revision: int


@dataclass(frozen=True, slots=True)
class DropFinal:
    """Drop what no correction can need any more: attestations before `first_kept_mtu`, and readings on which no leaf
    from `first_open_mtu` on can depend. All readings of the meters `unheard` are needed: of those nothing was known
    when the MTU before was attested, and a balancing entry goes back to the first one."""

    first_kept_mtu: int
    first_open_mtu: int
    unheard: frozenset[str] = frozenset()


# ---- other attesters


@dataclass(frozen=True, slots=True)
class Propose:
    """Publish a proposal."""

    proposal: LeafProposal


@dataclass(frozen=True, slots=True)
class Sign:
    """Note that these attestations are signed, then sign them and send the signatures to an attester, or to oneself."""

    to: str
    attestations: tuple[Attestation, ...]


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask an attester for the messages that hold these (meter, sequence)."""

    to: str
    wanted: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class ShowMessages:
    """Send an attester the messages held that hold these (meter, sequence)."""

    to: str
    wanted: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell all attesters what the service has recorded."""

    attestations: tuple[SignedAttestation, ...]


# ---- questions, each asked once until it is answered


@dataclass(frozen=True, slots=True)
class AskStates:
    """Ask the service where MTUs stand; `count` may be 0: then nothing has to be asked, and nothing is told."""

    first_mtu: int
    count: int


@dataclass(frozen=True, slots=True)
class HandOver:
    """Hand attestations of one period to the service, with the meters' messages that show their leaves."""

    period: int
    attestations: tuple[SignedAttestation, ...]


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask one's own node where MTUs stand."""

    mtus: tuple[int, ...]


# ---- for people


@dataclass(frozen=True, slots=True)
class Warn:
    """Log why something of another party is not done or taken."""

    reason: str


Effect = (
    Keep
    | Forget
    | NoteIncluded
    | DropFinal
    | Propose
    | Sign
    | Fetch
    | ShowMessages
    | Announce
    | AskStates
    | HandOver
    | LookUp
    | Warn
)
