"""Audits and erasures."""

from __future__ import annotations

from pydantic import Field

from edge.models import Answer, Body
from wallet_api.fields import Address, Bytes32, MarketTime, Mtu, Sequence, Signature, Uint32


class AuditBody(Body):
    """An auditor's signed word that all up to an entry of the journal is clean."""

    sequence: Sequence = Field(description="The last entry of the bundle that was verified", ge=1)
    head: Bytes32 = Field(description="That entry's hash")
    signature: Signature = Field(description="By the auditor, over Audit (`/v1/typed-data`)")


class AuditFact(Answer):
    """An audit as it stands in the journal; `sequence` is where the audit ends, not its own place."""

    auditor: Address
    sequence: Sequence
    head: Bytes32


class ErasureBody(Body):
    """What of one's own is to be erased for good."""

    before_mtu: Mtu = Field(description="Orders, cancels and schedules for MTUs before this one", examples=[1_627_680])
    deadline: MarketTime = Field(description="Until when the request counts, in unix seconds of market time")
    signature: Signature = Field(description="The account's own signature over the Erasure")


class Erasure(Answer):
    """What was erased; nothing where nothing was left."""

    erased_entries: Uint32 = Field(description="Entries of the journal that were emptied", examples=[96])
    erased_orders: Uint32 = Field(description="Orders among them, counted by revision", examples=[80])
    erasure_sequence: Sequence | None = Field(
        description="The entry that says so in public, without a name", examples=[4_712]
    )
    more: bool = Field(description="Whether there is more: ask again", examples=[False])
