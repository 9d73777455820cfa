"""Grid areas and the attesters that watch over each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

from domain.hashing import text_id
from domain.members import Address, Code, Document, Hash, Natural, Seconds


@dataclass(frozen=True, slots=True)
class Attester:
    """One of the organisations' keys that verify readings and recompute settlements."""

    name: Code
    address: Address
    organisation: Code


@dataclass(frozen=True)
class Area:
    """A grid area: one DSO, one set of attesters, one calendar.

    `zone` is the IANA zone in which its local days and gates are meant. Deadlines in seconds of market time:
    `attest_seconds` from the end of an MTU, `horizon_seconds` (the end of corrections) from when a period is resolved,
    `challenge_seconds` from a redemption's request. `threshold` attesters of distinct organisations must agree.
    """

    area: Code
    zone: str
    attest_seconds: Seconds
    horizon_seconds: Seconds
    challenge_seconds: Seconds
    grid_model: Document
    grid_model_hash: Hash
    attesters: tuple[Attester, ...]
    threshold: Natural

    @cached_property
    def area_id(self) -> bytes:
        """The area's id on chain."""
        return text_id(self.area)

    @cached_property
    def zone_info(self) -> ZoneInfo:
        """The zone in which local days and gates are meant."""
        return ZoneInfo(self.zone)
