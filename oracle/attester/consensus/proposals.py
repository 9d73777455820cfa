"""What one attester proposes to the others: the leaves of MTUs of one period, and up to when registers were known."""

from __future__ import annotations

from dataclasses import dataclass

from domain.attestations import Leaves
from domain.readings import Attestation, Reading


@dataclass(frozen=True)
class ProposedMtu:
    """One MTU of a proposal. `readings` are in leaf order."""

    mtu: int
    revision: int
    readings: tuple[Reading, ...]

    @property
    def leaves(self) -> Leaves:
        """Its readings by meter code."""
        return {reading.meter_code: reading for reading in self.readings}

    def attestation(self, area_id: bytes) -> Attestation:
        """What is signed for it."""
        return Attestation.of(area=area_id, mtu=self.mtu, revision=self.revision, readings=self.readings)


@dataclass(frozen=True)
class LeafProposal:
    """MTUs of one period, ascending, derived from registers up to the end of `horizon_mtu`."""

    period: int
    horizon_mtu: int
    mtus: tuple[ProposedMtu, ...]


@dataclass(frozen=True)
class LeafDifference:
    """Where a proposal and one's own derivation part: (meter, MTU), the proposed leaf and one's own (None = none)."""

    meter_code: str
    mtu: int
    proposed: Reading | None
    own: Reading | None
