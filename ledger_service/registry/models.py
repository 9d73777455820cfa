"""The registry's nouns as facts carry them: addresses, keys and signatures as lower-case 0x hex."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from domain.hashing import text_id
from domain.units import MTUS_PER_HOUR


@dataclass(frozen=True, slots=True)
class Attester:
    """One of the organisations that verify readings and recompute settlements."""

    name: str
    address: str
    organisation: str


@dataclass(frozen=True)
class Area:
    """A grid area: one DSO, one set of attesters, one calendar. Deadlines in seconds of market time."""

    area: str
    zone: str
    attest_seconds: int
    horizon_seconds: int
    challenge_seconds: int
    grid_model: dict[str, Any]
    grid_model_hash: str
    attesters: tuple[Attester, ...]
    threshold: int

    @cached_property
    def area_id(self) -> bytes:
        """The area's id on chain."""
        return text_id(self.area)

    @cached_property
    def zone_info(self) -> ZoneInfo:
        """The zone in which local days and gates are meant."""
        return ZoneInfo(self.zone)


@dataclass(frozen=True, slots=True)
class Participant:
    """A party with a settlement account. A household stands at one `point`; a retailer at the transformer, without one.

    `kind` is household, retailer, dso or tax; connection powers in W, zero where there is no point.
    """

    participant: str
    kind: str
    area: str
    account: str
    point: str | None
    connection_import_w: int
    connection_export_w: int

    @property
    def import_limit_wh(self) -> int:
        """Most energy one MTU can bring in, rounded down."""
        return self.connection_import_w // MTUS_PER_HOUR

    @property
    def export_limit_wh(self) -> int:
        """Most energy one MTU can take out, rounded down."""
        return self.connection_export_w // MTUS_PER_HOUR


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter's signing key (Ed25519, hex) at a point, from an MTU until a later key or another meter there."""

    meter: str
    point: str
    public_key: str
    area: str
    valid_from_mtu: int


@dataclass(frozen=True, slots=True)
class OrderKey:
    """The device key that signs an account's orders from an MTU on, until one registered later begins or has begun."""

    account: str
    order_key: str
    point: str | None
    valid_from_mtu: int
    signature: str


@dataclass(frozen=True, slots=True)
class Guarantee:
    """How far below zero a guarantor (retailer) lets an account go, by its own signature."""

    guarantor: str
    account: str
    credit_neur: int
    nonce: int
    signature: str
