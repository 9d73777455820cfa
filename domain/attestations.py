"""Attestations with all that shows them: what is signed, the leaves it is over, and the signatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from pydantic import ConfigDict

from domain.hashing import text_id
from domain.members import Code, Hash, MeteredWh, Mtu, Number, Signature, Uint32
from domain.readings import Attestation, MeterReading, Reading

Leaves = Mapping[str, Reading]
"""Readings of one MTU by meter code."""


@dataclass(frozen=True)
class SignedAttestation:
    """The readings of one MTU under their root, in the order of its leaves, with the attesters' signatures.

    `count`, `import_wh` and `export_wh` are sums over all readings. Signatures ascend by signer. Which area it
    is of, is told where it stands; whether it holds, is for those to check who read it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, revalidate_instances="always")

    mtu: Mtu
    revision: Uint32
    root: Hash
    count: Uint32
    import_wh: MeteredWh
    export_wh: MeteredWh
    signatures: tuple[Signature, ...]
    readings: tuple[MeterReading, ...]

    @classmethod
    def of(
        cls, attestation: Attestation, *, readings: Sequence[Reading], signatures: Sequence[bytes]
    ) -> SignedAttestation:
        """What was signed, with the readings it is over (in leaf order) and the signatures."""
        return cls(
            mtu=attestation.mtu,
            revision=attestation.revision,
            root=attestation.root,
            count=attestation.count,
            import_wh=attestation.import_wh,
            export_wh=attestation.export_wh,
            signatures=tuple(signatures),
            readings=tuple(readings),
        )

    def of_area(self, area: str) -> Attestation:
        """What attesters of the area signed."""
        return Attestation(
            area=text_id(area),
            mtu=self.mtu,
            revision=self.revision,
            root=self.root,
            count=self.count,
            import_wh=self.import_wh,
            export_wh=self.export_wh,
        )

    @cached_property
    def leaves(self) -> Leaves:
        """Its readings by meter code."""
        return {reading.meter_code: reading for reading in self.readings}


@dataclass(frozen=True, slots=True)
class AttestationSet:
    """Attestations of one period of an area, ascending, with the meters' messages (compact JWS) behind their leaves."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    area: Code
    period: Number
    attestations: tuple[SignedAttestation, ...]
    messages: tuple[str, ...]
