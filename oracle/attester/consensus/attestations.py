"""Attestations as attesters keep and show them: what is signed, the leaves it is over, and the signatures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from domain.errors import DominoesError
from domain.hashing import MAX_SAFE_INTEGER, from_hex, to_hex
from domain.meters import MeteringArea
from domain.readings import Attestation, Reading, in_leaf_order
from domain.signing import BadSignature, recover
from oracle.strictness import UINT32_MAX, Unreadable, text, whole

Leaves = Mapping[str, Reading]
"""Readings of one MTU by meter code."""


@dataclass(frozen=True)
class SignedAttestation:
    """An attestation of one MTU with its readings in leaf order and signatures over it, ascending by signer."""

    attestation: Attestation
    readings: tuple[Reading, ...]
    signatures: tuple[bytes, ...]

    @property
    def mtu(self) -> int:
        """The MTU it is about."""
        return self.attestation.mtu

    @property
    def revision(self) -> int:
        """Its revision, from 0."""
        return self.attestation.revision

    @property
    def root(self) -> bytes:
        """The root over its leaves."""
        return self.attestation.root

    @cached_property
    def leaves(self) -> Leaves:
        """Its readings by meter code."""
        return {reading.meter_code: reading for reading in self.readings}

    def as_json(self) -> dict[str, Any]:
        """The member of `reading.attested`."""
        return {
            "mtu": self.mtu,
            "revision": self.revision,
            "root": to_hex(self.root),
            "count": self.attestation.count,
            "import_wh": self.attestation.import_wh,
            "export_wh": self.attestation.export_wh,
            "signatures": [to_hex(item) for item in self.signatures],
            "readings": [reading.as_json() for reading in self.readings],
        }

    @classmethod
    def from_json(cls, data: Any, *, area_id: bytes) -> SignedAttestation:
        """Read the JSON form; whether it holds is for `signed_by_enough`. Raises Unreadable."""
        try:
            mtu = whole(data["mtu"])
            attestation = Attestation(
                area=area_id,
                mtu=mtu,
                revision=whole(data["revision"]),
                root=from_hex(text(data["root"])),
                count=whole(data["count"]),
                import_wh=whole(data["import_wh"], highest=MAX_SAFE_INTEGER),
                export_wh=whole(data["export_wh"], highest=MAX_SAFE_INTEGER),
            )
            readings = tuple(in_leaf_order([_reading(item, mtu) for item in data["readings"]]))
            signatures = tuple(from_hex(text(item)) for item in data["signatures"])
        except (KeyError, TypeError, ValueError, AttributeError, DominoesError) as error:
            raise Unreadable(what="an attestation", reason=str(error)) from error
        return cls(attestation=attestation, readings=readings, signatures=signatures)


def _reading(data: Any, mtu: int) -> Reading:
    reading = Reading.from_json(data)
    text(reading.meter_code)
    if type(reading.mtu) is not int or reading.mtu != mtu or len(reading.nonce) != 32:
        raise ValueError("a reading is of another MTU, or its nonce has not 32 bytes")
    return reading


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
    return SignedAttestation(item.attestation, item.readings, in_signer_order(by_organisation.values()))


def in_signer_order(signed: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, ...]:
    """The signatures of (address, signature) pairs, ascending by address, as the contract wants them."""
    return tuple(signature for _, signature in sorted(signed))


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
