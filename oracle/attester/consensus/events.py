"""Everything that can happen to an attester's consensus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from domain.attestations import SignedAttestation
from domain.metering_area import MeteringArea
from oracle.attester.consensus.attestations import RecordedMtu
from oracle.attester.consensus.proposals import LeafProposal


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happens: market time in unix seconds, and seconds of any clock that only goes forward."""

    market_s: int
    wall_s: float


class OnChain(Protocol):
    """What the Readings contract shows of an MTU: revisions taken (Unread counts as one) and the last root."""

    @property
    def revisions(self) -> int: ...

    @property
    def root(self) -> bytes: ...


class Question(Enum):
    """What is asked of others, and answered later."""

    SERVICE_STATES = "where MTUs stand at the service"
    HAND_OVER = "that the service records attestations"
    CHAIN_STATES = "where MTUs stand at one's own node"


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker session is new, at the start or after a break: messages of others may have been missed."""


@dataclass(frozen=True, slots=True)
class AreaChanged:
    """The area's meters, attesters, periods or deadlines are others now."""

    area: MeteringArea


@dataclass(frozen=True, slots=True)
class ReadingsCame:
    """Something new is known of meters, from this MTU on each; `shown_by` is the attester who showed it, if one did."""

    lowest_mtus: Mapping[str, int]
    shown_by: str | None = None


@dataclass(frozen=True, slots=True)
class ProposalHeard:
    """An attester proposes leaves."""

    sender: str
    proposal: LeafProposal


@dataclass(frozen=True, slots=True)
class SignaturesHeard:
    """An attester (oneself included) has signed each MTU of the proposal in hand."""

    sender: str
    signatures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AttestedHeard:
    """An attester says that the service has recorded these attestations."""

    sender: str
    attestations: tuple[SignedAttestation, ...]


@dataclass(frozen=True, slots=True)
class ReadingsWanted:
    """An attester asks for the messages that hold these (meter, sequence)."""

    sender: str
    readings: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class StatesTold:
    """The service says where MTUs stand, ascending."""

    states: tuple[RecordedMtu, ...]


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The service has recorded attestations."""

    attestations: tuple[SignedAttestation, ...]


@dataclass(frozen=True, slots=True)
class HandOverRefused:
    """The service refuses attestations."""

    attestations: tuple[SignedAttestation, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class ChainShown:
    """One's own node shows where MTUs stand."""

    states: Mapping[int, OnChain]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question got no answer that can be used; it is asked again."""

    question: Question


Event = (
    Tick
    | Connected
    | AreaChanged
    | ReadingsCame
    | ProposalHeard
    | SignaturesHeard
    | AttestedHeard
    | ReadingsWanted
    | StatesTold
    | HandedOver
    | HandOverRefused
    | ChainShown
    | Unanswered
)
