"""The states of an attester's consensus, and the moves between them (picture: docs/metering.md).

They are about what this attester proposes itself. It signs what others propose in every state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from domain.attestations import SignedAttestation
from domain.eip712 import Domain
from domain.metering_area import AttesterEntry
from domain.readings import Attestation
from domain.signing import BadSignature, recover
from oracle.attester.consensus.effects import HandOver
from oracle.attester.consensus.proposals import LeafProposal


@dataclass(frozen=True, slots=True)
class Learning:
    """The service is asked where MTUs stand; nothing is proposed before it answers.

    `asked`: the question is out. `to_take_over`: it is asked because those whose turn it was did not propose.
    """

    asked: bool = False
    to_take_over: bool = False


@dataclass(frozen=True, slots=True)
class Resting:
    """Nothing is due."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something is due, and it is another attester's turn to propose it."""


@dataclass(frozen=True, slots=True)
class Collecting:
    """A proposal of one's own is out. Seconds are of the wall clock; signatures are by organisation, with the signer's
    address, one for each attestation."""

    proposal: LeafProposal
    attestations: tuple[Attestation, ...]
    begun_at_s: float
    sent_at_s: float
    signatures: Mapping[str, tuple[bytes, tuple[bytes, ...]]] = field(default_factory=dict)

    def signed_by(self, entry: AttesterEntry, signatures: tuple[bytes, ...], *, domain: Domain) -> Collecting:
        """With an attester's signatures, if it has signed every attestation; unchanged otherwise."""
        if len(signatures) != len(self.attestations):
            return self
        for attestation, signature in zip(self.attestations, signatures, strict=True):
            try:
                if recover(attestation.digest(domain), signature) != entry.address:
                    return self
            except BadSignature:
                return self
        return replace(self, signatures={**self.signatures, entry.organisation: (entry.address, signatures)})

    def complete(self, *, threshold: int) -> HandOver | None:
        """What is handed over once `threshold` organisations have signed, with just as many signatures."""
        if len(self.signatures) < threshold:
            return None
        signers = sorted(self.signatures.values())[:threshold]
        signed = [
            SignedAttestation.of(
                attestation, readings=entry.readings, signatures=[signatures[at] for _, signatures in signers]
            )
            for at, (entry, attestation) in enumerate(zip(self.proposal.mtus, self.attestations, strict=True))
        ]
        return HandOver(self.proposal.period, tuple(signed))


@dataclass(frozen=True, slots=True)
class HandingOver:
    """m organisations have signed, and the service is to record it.

    `asked`: the service has been handed them. `in_doubt`: what is recorded has to be learnt once this is over.
    """

    hand_over: HandOver
    asked: bool = True
    in_doubt: bool = False


State = Learning | Resting | Waiting | Collecting | HandingOver


class Cause(Enum):
    """Why a state is left."""

    TOLD = "the service has told"
    TOLD_LESS = "the service lacks what m have signed"
    OTHERS_TURN = "due, another's turn"
    OWN_TURN = "due, own turn"
    NOTHING_DUE = "nothing is due"
    SIGNED = "m organisations have signed"
    RECORDED = "the service has recorded"
    REFUSED = "the service has refused"
    DOUBT = "others may have attested"


MOVES: Mapping[tuple[type[State], Cause], type[State]] = {
    (Learning, Cause.TOLD): Resting,
    (Learning, Cause.TOLD_LESS): HandingOver,
    (Resting, Cause.OTHERS_TURN): Waiting,
    (Resting, Cause.OWN_TURN): Collecting,
    (Resting, Cause.DOUBT): Learning,
    (Waiting, Cause.NOTHING_DUE): Resting,
    (Waiting, Cause.OWN_TURN): Collecting,
    (Waiting, Cause.DOUBT): Learning,
    (Collecting, Cause.NOTHING_DUE): Resting,
    (Collecting, Cause.SIGNED): HandingOver,
    (Collecting, Cause.DOUBT): Learning,
    (HandingOver, Cause.RECORDED): Resting,
    (HandingOver, Cause.REFUSED): Learning,
}
"""Every move there is. Within a state its members may change."""
