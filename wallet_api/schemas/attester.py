"""What attesters verify against, hand in and sign."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from domain import readings
from domain.attestations import AttestationSet, SignedAttestation
from domain.hashing import from_hex
from edge.models import Answer, Body
from ledger_service.settlement.queries import SettlementState
from settling.attestations import ATTESTATIONS_MAX, MESSAGES_MAX
from wallet_api.fields import (
    Address,
    Bytes32,
    Code,
    MarketTime,
    Mtu,
    MtuCount,
    Number,
    PositiveInt,
    Revision,
    Seconds,
    Sequence,
    Signature,
    Uint32,
    Uint53,
    Wh,
)
from wallet_api.schemas.base import MtuRun
from wallet_api.schemas.own import Reading
from wallet_api.schemas.public import Attester
from wallet_api.schemas.registry import EndTerm, MeterTerm, ParticipantTerm


class PeriodSpan(Answer):
    """A run of MTUs settled together."""

    period: Number
    first_mtu: Mtu
    count: MtuCount
    declared_at: MarketTime = Field(description="When it was declared: deadlines never begin before it")
    resolved_at: MarketTime | None = Field(
        description="When its last MTU was attested or marked Unread, null before: the horizon follows"
    )


class Registry(Answer):
    """Everything an attester needs to know of its area."""

    area: Code
    zone: Code = Field(description="The IANA zone in which its local days are meant")
    attesters: list[Attester]
    threshold: PositiveInt = Field(description="How many attesters of distinct organisations must agree")
    attest_seconds: Seconds = Field(description="Seconds after an MTU's end by which its readings must be attested")
    horizon_seconds: Seconds = Field(description="Seconds after a period was resolved in which it may be corrected")
    chain_id: Uint53
    readings_contract: Address = Field(description="Where attestations and reading receipts count")
    settlement_contract: Address = Field(description="Where signatures of settlements and terms count")
    meters: list[MeterTerm] = Field(description="Every registration, as signed")
    parties: list[ParticipantTerm] = Field(description="Whoever stands, or stood, at a point, as signed")
    ends: list[EndTerm] = Field(description="Ends of meters, as signed")
    periods: list[PeriodSpan]


class Attestation(Answer):
    """The attested readings of one MTU."""

    mtu: Mtu
    revision: Revision
    root: Bytes32 = Field(description="Merkle root over the reading hashes in ascending meter id")
    count: Uint32 = Field(description="How many readings are under the root")
    import_wh: Wh = Field(description="Sum of energy drawn, in Wh")
    export_wh: Wh = Field(description="Sum of energy fed in, in Wh")
    signatures: list[Signature] = Field(description="Of m or more attesters, ascending by signer")
    readings: list[Reading] = Field(description="In leaf order")


class AttestationState(Answer):
    """Where one MTU stands."""

    mtu: Mtu
    next_revision: Revision = Field(description="The revision its next attestation carries")
    unread: bool = Field(description="Whether it was marked Unread: its readings were not attested in time")
    attestation: Attestation | None = Field(description="The last one; null before the first")


class AttestedFact(Answer):
    """Recorded attestations."""

    sequence: Sequence
    mtus: list[Mtu]


class ProposedSettlement(MtuRun):
    """The newest proposal of a period."""

    area: Code
    period: Number
    revision: Revision
    state: SettlementState


class CollectedSignatures(Answer):
    """How many attesters of distinct organisations have signed a settlement."""

    signatures: Uint32 = Field(examples=[1])
    threshold: PositiveInt = Field(description="How many it takes")
    complete: bool = Field(description="Whether it has them and goes to the chain")


_STRICT = ConfigDict(extra="forbid", strict=True)


class ReadingBody(TypedDict):
    """Registers of one meter at the end of one MTU, and the energy of that MTU, in Wh."""

    # A plain dict once validated, as attestations are: a body may hold a hundred thousand. `python -m benchmarks
    # metering` measures their intake: 0.13 s for a day of 1,000 meters instead of 0.81 s with nested models.
    __pydantic_config__ = _STRICT  # type: ignore[misc]

    meter: Code
    mtu: Mtu
    import_register_wh: Annotated[Wh, Field(description="Cumulative import register in Wh (OBIS 1.8.0)")]
    export_register_wh: Annotated[Wh, Field(description="Cumulative export register in Wh (OBIS 2.8.0)")]
    import_wh: Annotated[Wh, Field(description="Energy drawn in the MTU, in Wh")]
    export_wh: Annotated[Wh, Field(description="Energy fed in in the MTU, in Wh")]
    sequence: Annotated[Uint32, Field(description="Place among the meter's readings, from 1; 0 for a substitute")]
    quality: Annotated[Literal[0, 1], Field(description="0 = measured, 1 = substitute")]
    nonce: Bytes32


class AttestationBody(TypedDict):
    """One MTU: what attesters signed (docs/protocol.md, section 4), and the readings it is over."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    mtu: Mtu
    revision: Revision
    root: Annotated[Bytes32, Field(description="Merkle root over the reading hashes in ascending meter id")]
    count: Annotated[Uint32, Field(description="How many readings are under the root", examples=[1])]
    import_wh: Annotated[Wh, Field(description="Sum of energy drawn, in Wh")]
    export_wh: Annotated[Wh, Field(description="Sum of energy fed in, in Wh")]
    signatures: Annotated[list[Signature], Field(description="Of m or more attesters, ascending by signer")]
    readings: Annotated[list[ReadingBody], Field(description="In leaf order")]


class AttestationsBody(Body):
    """Attested MTUs of one period: readings in leaf order, roots and sums, signatures, and the meters' own messages."""

    area: Code
    period: Number
    attestations: list[AttestationBody] = Field(max_length=ATTESTATIONS_MAX)
    messages: list[str] = Field(max_length=MESSAGES_MAX, description="Compact JWS, as the meters published them")

    def typed(self) -> AttestationSet:
        """The set that is handed in."""
        return AttestationSet(
            area=self.area,
            period=self.period,
            attestations=tuple(map(_attestation, self.attestations)),
            messages=tuple(self.messages),
        )


def _attestation(body: AttestationBody) -> SignedAttestation:
    return SignedAttestation(
        mtu=body["mtu"],
        revision=body["revision"],
        root=from_hex(body["root"]),
        count=body["count"],
        import_wh=body["import_wh"],
        export_wh=body["export_wh"],
        signatures=tuple(map(from_hex, body["signatures"])),
        readings=tuple(map(readings.Reading.from_json, body["readings"])),
    )


class SettlementSignatureBody(Body):
    """An attester's signature over the Settlement; `attester`, where given, must be one's own address."""

    signature: Signature
    attester: Address | None = None
