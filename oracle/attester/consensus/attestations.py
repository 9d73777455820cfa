"""Attestations as an attester meets them: made by others, or recorded by the service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from domain.attestations import SignedAttestation
from domain.members import Mtu
from domain.metering_area import MeteringArea
from domain.readings import Attestation, in_leaf_order
from domain.signing import BadSignature, recover
from domain.strictness import UINT32_MAX


def signed_by_enough(item: SignedAttestation, area: MeteringArea) -> SignedAttestation | None:
    """The attestation with one signature for each organisation that signed it; None where fewer than m did, or where
    it is not over its readings."""
    signed = item.of_area(area.code)
    made = Attestation.of(area=area.area_id, mtu=item.mtu, revision=item.revision, readings=item.readings)
    if signed != made or any(reading.mtu != item.mtu for reading in item.readings):
        return None
    digest = signed.digest(area.readings_domain)
    by_organisation: dict[str, tuple[bytes, bytes]] = {}
    for signature in item.signatures:
        try:
            address = recover(digest, signature)
        except BadSignature:
            return None
        entry = area.attester_at(address)
        if entry is not None:
            by_organisation[entry.organisation] = (address, signature)
    if len(by_organisation) < area.threshold:
        return None
    signatures = tuple(signature for _, signature in sorted(by_organisation.values()))
    return SignedAttestation.of(signed, readings=in_leaf_order(item.readings), signatures=signatures)


@dataclass(frozen=True)
class RecordedMtu:
    """Where the service says an MTU stands: the revision it takes next, and its last attestation (None: there is none).

    An MTU marked Unread has taken revision 0 without an attestation.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="ignore", strict=True)

    mtu: Mtu
    next_revision: Annotated[int, Field(ge=0, le=UINT32_MAX + 1)]
    attestation: SignedAttestation | None
