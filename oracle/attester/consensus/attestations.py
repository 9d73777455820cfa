"""Attestations as an attester meets them: made by others, or recorded by the service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from domain.attestations import SignedAttestation
from domain.meters import MeteringArea
from domain.readings import Attestation, in_leaf_order
from domain.signing import BadSignature, recover
from domain.strictness import UINT32_MAX, Unreadable, whole


def signed_by_enough(item: SignedAttestation, area: MeteringArea) -> SignedAttestation | None:
    """The attestation with one signature for each organisation that signed it; None where fewer than m did, or where
    it is not over its readings."""
    if item.attestation != Attestation.of(
        area=area.area_id, mtu=item.mtu, revision=item.revision, readings=item.readings
    ):
        return None
    digest = item.attestation.digest(area.readings_domain)
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
    return SignedAttestation(item.attestation, tuple(in_leaf_order(item.readings)), signatures)


@dataclass(frozen=True)
class RecordedMtu:
    """Where the service says an MTU stands: the revision it takes next, and its last attestation (None: there is none).

    An MTU marked Unread has taken revision 0 without an attestation.
    """

    mtu: int
    next_revision: int
    attestation: SignedAttestation | None

    @classmethod
    def from_json(cls, data: Any, *, area_id: bytes) -> RecordedMtu:
        """Read the service's answer about one MTU. Raises Unreadable."""
        try:
            mtu, next_revision = whole(data["mtu"]), whole(data["next_revision"], highest=UINT32_MAX + 1)
            shown = data["attestation"]
        except (KeyError, TypeError, ValueError) as error:
            raise Unreadable(what="where an MTU stands", reason=str(error)) from error
        attestation = None if shown is None else SignedAttestation.from_json(shown, area_id=area_id)
        return cls(mtu=mtu, next_revision=next_revision, attestation=attestation)
