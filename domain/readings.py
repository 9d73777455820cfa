"""Meter readings: cumulative registers, the interval energy between them, and the leaf that commits to both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from domain.eip712 import ATTESTATION, Domain
from domain.errors import DominoesError
from domain.hashing import MAX_SAFE_INTEGER, keccak, text_id, to_hex
from domain.members import Says, is_written_as
from domain.merkle import merkle_root
from domain.strictness import check_bytes, hex_bytes, text, whole
from domain.units import check_range

NONCE_BYTES = 32
"""Random bytes in each reading, so that its leaf on chain can't be guessed (at least 128 bits, design section 5)."""


class Quality(IntEnum):
    """How a reading came about (IEC 61968-9 reading quality, reduced)."""

    MEASURED = 0
    SUBSTITUTE = 1


@dataclass(frozen=True, slots=True)
class Reading:
    """Registers of one meter at the end of one MTU, and the energy of that MTU. All energies in Wh, never negative.

    Its two balancing energies alone may be: what the meter metered before this MTU beyond what was attested there, and
    can't be corrected there any more. They are zero but in the first MTU that takes corrections (`settling.balancing`).
    """

    meter_code: str
    mtu: int
    import_register_wh: int
    export_register_wh: int
    import_wh: int
    export_wh: int
    sequence: int
    quality: Quality
    nonce: bytes
    balancing_import_wh: int = 0
    balancing_export_wh: int = 0

    def __post_init__(self) -> None:
        for name in ("balancing_import_wh", "balancing_export_wh"):
            check_range(field=name, value=getattr(self, name), lowest=-MAX_SAFE_INTEGER, highest=MAX_SAFE_INTEGER)
        for name in ("import_register_wh", "export_register_wh", "import_wh", "export_wh"):
            check_range(field=name, value=getattr(self, name), lowest=0, highest=MAX_SAFE_INTEGER)
        check_range(field="sequence", value=self.sequence, lowest=0, highest=2**32 - 1)
        check_range(field="mtu", value=self.mtu, lowest=0, highest=2**32 - 1)
        if not isinstance(self.meter_code, str) or not isinstance(self.quality, Quality):
            raise TypeError(f"meter_code is {self.meter_code!r}, quality {self.quality!r}; give text and a Quality")
        check_bytes(field="nonce", value=self.nonce, length=NONCE_BYTES)

    @property
    def meter_id(self) -> bytes:
        """keccak of the meter code."""
        return text_id(self.meter_code)

    @property
    def begins_wh(self) -> tuple[int, int]:
        """(import, export) registers at the beginning of its MTU."""
        return self.import_register_wh - self.import_wh, self.export_register_wh - self.export_wh

    @property
    def balancing_wh(self) -> tuple[int, int]:
        """(import, export) of its balancing entry."""
        return self.balancing_import_wh, self.balancing_export_wh

    def hash(self) -> bytes:
        """`readingHash` of docs/protocol.md section 4; the random nonce keeps it from being guessed."""
        numbers = (
            self.mtu,
            self.import_register_wh,
            self.export_register_wh,
            self.import_wh,
            self.export_wh,
            self.sequence,
            int(self.quality),
        )
        balancing = self.balancing_wh if any(self.balancing_wh) else ()
        return keccak(
            self.meter_id
            + b"".join(number.to_bytes(32, "big") for number in numbers)
            + self.nonce
            + b"".join(energy_wh.to_bytes(32, "big", signed=True) for energy_wh in balancing)
        )

    def as_json(self) -> dict[str, Any]:
        """JSON form: a balancing entry stands there only where there is one."""
        balancing = {"balancing_import_wh": self.balancing_import_wh, "balancing_export_wh": self.balancing_export_wh}
        return {
            "meter": self.meter_code,
            "mtu": self.mtu,
            "import_register_wh": self.import_register_wh,
            "export_register_wh": self.export_register_wh,
            "import_wh": self.import_wh,
            "export_wh": self.export_wh,
            "sequence": self.sequence,
            "quality": int(self.quality),
            "nonce": to_hex(self.nonce),
            **(balancing if any(self.balancing_wh) else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reading:
        """Read the JSON form, strictly. Raises KeyError, TypeError, ValueError or OutOfRange."""
        return cls(
            meter_code=text(data["meter"]),
            mtu=whole(data["mtu"]),
            import_register_wh=data["import_register_wh"],
            export_register_wh=data["export_register_wh"],
            import_wh=data["import_wh"],
            export_wh=data["export_wh"],
            sequence=data["sequence"],
            quality=Quality(whole(data["quality"])),
            nonce=hex_bytes(data["nonce"], length=NONCE_BYTES),
            balancing_import_wh=data.get("balancing_import_wh", 0),
            balancing_export_wh=data.get("balancing_export_wh", 0),
        )


def _read_reading(value: object) -> Reading:
    if isinstance(value, Reading):
        return value
    if not isinstance(value, Mapping):
        raise ValueError("expected a reading")
    try:
        reading = Reading.from_json(value)
    except (KeyError, TypeError, DominoesError) as error:
        raise ValueError(f"not a reading: {error}") from error
    if not is_written_as(value, reading.as_json()):
        raise ValueError("a reading has other members, or writes them differently")
    return reading


MeterReading = Annotated[
    Reading, PlainValidator(_read_reading), PlainSerializer(Reading.as_json), Says("members of a Reading")
]
"""A Reading as a member of other nouns and facts."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """What attesters sign for one area and MTU. Energies are sums over all leaves, in Wh."""

    area: bytes
    mtu: int
    revision: int
    root: bytes
    count: int
    import_wh: int
    export_wh: int

    @classmethod
    def of(cls, *, area: bytes, mtu: int, revision: int, readings: Sequence[Reading]) -> Attestation:
        """The attestation over these readings, put into ascending order of meter id."""
        ordered = in_leaf_order(readings)
        return cls(
            area=area,
            mtu=mtu,
            revision=revision,
            root=merkle_root([reading.hash() for reading in ordered]),
            count=len(ordered),
            import_wh=sum(reading.import_wh for reading in ordered),
            export_wh=sum(reading.export_wh for reading in ordered),
        )

    def values(self) -> dict[str, Any]:
        """The members of the signed struct."""
        return {
            "area": self.area,
            "mtu": self.mtu,
            "revision": self.revision,
            "root": self.root,
            "count": self.count,
            "importWh": self.import_wh,
            "exportWh": self.export_wh,
        }

    def digest(self, domain: Domain) -> bytes:
        """What an attester signs (domain: the Readings contract)."""
        return domain.digest(ATTESTATION, self.values())


def in_leaf_order(readings: Sequence[Reading]) -> list[Reading]:
    """Readings by ascending meter id, the order of leaves under an attestation's root."""
    return sorted(readings, key=lambda reading: reading.meter_id)


def chain_readings_root(previous: bytes, attestation: Attestation) -> bytes:
    """The next value of an area and period's running `readingsRoot`."""
    numbers = (attestation.mtu, attestation.revision)
    totals = (attestation.count, attestation.import_wh, attestation.export_wh)
    return keccak(
        previous
        + b"".join(number.to_bytes(32, "big") for number in numbers)
        + attestation.root
        + b"".join(number.to_bytes(32, "big") for number in totals)
    )
