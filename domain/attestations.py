"""Attestations with all that shows them: what is signed, the leaves it is over, and the signatures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from domain.errors import DominoesError
from domain.hashing import MAX_SAFE_INTEGER, from_hex, to_hex
from domain.readings import Attestation, Reading
from domain.strictness import Unreadable, text, whole

Leaves = Mapping[str, Reading]
"""Readings of one MTU by meter code."""


@dataclass(frozen=True)
class SignedAttestation:
    """An attestation of one MTU with the readings it is over, in leaf order, and signatures, ascending by signer.

    Whether it holds is for those to check who read it.
    """

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
        """Read the JSON form, in the order it is in. Raises Unreadable."""
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
            readings = tuple(_reading(item, mtu) for item in data["readings"])
            signatures = tuple(from_hex(text(item)) for item in data["signatures"])
        except (KeyError, TypeError, ValueError, AttributeError, DominoesError) as error:
            raise Unreadable(what="an attestation", reason=str(error)) from error
        return cls(attestation=attestation, readings=readings, signatures=signatures)


def _reading(data: Any, mtu: int) -> Reading:
    reading = Reading.from_json(data)
    if reading.mtu != mtu:
        raise ValueError("a reading is of another MTU")
    return reading
