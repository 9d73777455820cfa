"""What attesters verify against, hand in and sign."""

from __future__ import annotations

from pydantic import Field

from edge.models import Answer
from wallet_api.fields import (
    Address,
    Bytes32,
    Code,
    Mtu,
    MtuCount,
    Number,
    PositiveInt,
    Revision,
    Seconds,
    Sequence,
    SettlementState,
    Signature,
    Uint32,
    Uint53,
    Watt,
    Wh,
)
from wallet_api.schemas.own import Reading
from wallet_api.schemas.public import Attester


class MeterKey(Answer):
    """A meter's key, and the connection it stands at."""

    meter: Code
    point: Code
    public_key: Bytes32 = Field(description="Ed25519 public key")
    valid_from_mtu: Mtu = Field(description="First MTU it signs for; its baseline is the register one MTU before")
    valid_until_mtu: Mtu | None = Field(description="First MTU it no longer signs for; null while it is in force")
    connection_import_w: Watt
    connection_export_w: Watt


class Period(Answer):
    """A run of MTUs settled together."""

    period: Number
    first_mtu: Mtu
    count: MtuCount


class Registry(Answer):
    """Everything an attester needs to know of its area."""

    area: Code
    attesters: list[Attester]
    threshold: PositiveInt = Field(description="How many attesters of distinct organisations must agree")
    attest_seconds: Seconds = Field(description="Seconds after an MTU's end by which its readings must be attested")
    horizon_seconds: Seconds = Field(description="Seconds after a period's end within which readings may be corrected")
    chain_id: Uint53
    readings_contract: Address = Field(description="Where attestations and reading receipts count")
    settlement_contract: Address = Field(description="Where settlement signatures count")
    meters: list[MeterKey]
    periods: list[Period]


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


class AttestationStates(Answer):
    """The MTUs of a range, ascending."""

    items: list[AttestationState]


class AttestedFact(Answer):
    """Recorded attestations."""

    sequence: Sequence
    mtus: list[Mtu]


class ProposedSettlement(Answer):
    """The newest proposal of a period."""

    area: Code
    period: Number
    revision: Revision
    first_mtu: Mtu
    count: MtuCount
    state: SettlementState


class CollectedSignatures(Answer):
    """How many attesters of distinct organisations have signed a settlement."""

    signatures: Uint32 = Field(examples=[1])
    threshold: PositiveInt = Field(description="How many it takes")
    complete: bool = Field(description="Whether it has them and goes to the chain")
