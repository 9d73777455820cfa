"""Cumulative registers as meters sign them: one by one, and those of a message as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.hashing import to_hex
from domain.readings import NONCE_BYTES


@dataclass(frozen=True, slots=True)
class RegisterReading:
    """Cumulative registers in Wh at the end of an MTU, as the meter signed them; `sequence` counts from 1."""

    mtu: int
    import_register_wh: int
    export_register_wh: int
    sequence: int
    nonce: bytes

    def as_json(self) -> dict[str, Any]:
        """The member of the message's `readings`."""
        return {
            "export_wh": self.export_register_wh,
            "import_wh": self.import_register_wh,
            "mtu": self.mtu,
            "nonce": to_hex(self.nonce),
            "sequence": self.sequence,
        }


@dataclass(slots=True)
class ReadingRun:
    """Readings of one message as columns: sequences ascend by one from `first_sequence`, MTUs rise."""

    first_sequence: int
    mtus: list[int]
    import_registers_wh: list[int]
    export_registers_wh: list[int]
    nonces: bytes

    @classmethod
    def of(cls, readings: Sequence[RegisterReading]) -> ReadingRun:
        """The columns of readings that ascend by one in sequence."""
        return cls(
            first_sequence=readings[0].sequence,
            mtus=[reading.mtu for reading in readings],
            import_registers_wh=[reading.import_register_wh for reading in readings],
            export_registers_wh=[reading.export_register_wh for reading in readings],
            nonces=b"".join(reading.nonce for reading in readings),
        )

    def readings(self) -> tuple[RegisterReading, ...]:
        """The readings one by one."""
        return tuple(
            RegisterReading(
                mtu=mtu,
                import_register_wh=import_wh,
                export_register_wh=export_wh,
                sequence=self.first_sequence + at,
                nonce=self.nonces[at * NONCE_BYTES : (at + 1) * NONCE_BYTES],
            )
            for at, (mtu, import_wh, export_wh) in enumerate(
                zip(self.mtus, self.import_registers_wh, self.export_registers_wh, strict=True)
            )
        )
