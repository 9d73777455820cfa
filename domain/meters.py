"""Keys of meters: which signs what, from when until when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from domain.hashing import from_hex, to_hex


@dataclass(frozen=True, slots=True)
class MeterKey:
    """One Ed25519 key of a meter. It signs registers at the end of MTUs from `valid_from_mtu` - 1 (the baseline) on,
    before `valid_until_mtu` (None while no later registration replaced it). Connection powers in W.
    """

    meter_code: str
    point_code: str
    public_key: bytes
    valid_from_mtu: int
    valid_until_mtu: int | None
    connection_import_w: int
    connection_export_w: int

    def covers(self, mtu: int) -> bool:
        """Whether a register at the end of this MTU may be signed with the key."""
        return self.valid_from_mtu - 1 <= mtu and (self.valid_until_mtu is None or mtu < self.valid_until_mtu)

    def as_json(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "meter": self.meter_code,
            "point": self.point_code,
            "public_key": to_hex(self.public_key),
            "valid_from_mtu": self.valid_from_mtu,
            "valid_until_mtu": self.valid_until_mtu,
            "connection_import_w": self.connection_import_w,
            "connection_export_w": self.connection_export_w,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> MeterKey:
        """Read the JSON form. Raises KeyError or ValueError."""
        return cls(
            meter_code=data["meter"],
            point_code=data["point"],
            public_key=from_hex(data["public_key"]),
            valid_from_mtu=data["valid_from_mtu"],
            valid_until_mtu=data["valid_until_mtu"],
            connection_import_w=data["connection_import_w"],
            connection_export_w=data["connection_export_w"],
        )


def close_validity(entries: Iterable[MeterKey]) -> tuple[MeterKey, ...]:
    """End each registration where a later key of the meter, or another meter at its point, begins."""
    begins: dict[tuple[str, str], int] = {}
    closed = []
    for entry in sorted(entries, key=lambda entry: entry.valid_from_mtu, reverse=True):
        keys = (("meter", entry.meter_code), ("point", entry.point_code))
        closed.append(replace(entry, valid_until_mtu=min((begins[key] for key in keys if key in begins), default=None)))
        begins.update(dict.fromkeys(keys, entry.valid_from_mtu))
    return tuple(reversed(closed))
