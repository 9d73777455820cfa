"""Meters at points where households stand, signed by whom they bind, for tests of metering."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.eip712 import Domain
from domain.hashing import text_id, to_hex
from domain.parties import Meter, Participant, ParticipantKind
from domain.signed_terms import UNSIGNED, signed_by
from domain.signing import SigningKey

DSO = SigningKey(text_id("dso"))

TERMS_DOMAIN = Domain(chain_id=31_337, verifying_contract=b"\x22" * 20)
"""Where the signatures count."""


def meter_at(code: str, point: str, public_key: bytes, *, area: str, valid_from_mtu: int) -> Meter:
    """A meter that the DSO signed."""
    unsigned = Meter(code, point, public_key, area, valid_from_mtu, UNSIGNED)
    return signed_by(unsigned, {"dso": DSO}, domain=TERMS_DOMAIN)


def household_at(point: str, *, area: str, power_w: int) -> Participant:
    """A household at a point from the beginning, whose connection carries so much both ways."""
    key = SigningKey(text_id(f"household at {point}"))
    place = (area, to_hex(key.address), point, power_w, power_w, 0)
    unsigned = Participant(f"household at {point}", ParticipantKind.HOUSEHOLD, *place, UNSIGNED, UNSIGNED)
    return signed_by(unsigned, {"account": key, "dso": DSO}, domain=TERMS_DOMAIN)


def registered(*meters: Meter, power_w: int) -> dict[str, Any]:
    """The meters, and a household at each of their points, as members of a metering area."""
    points = dict.fromkeys((meter.point, meter.area) for meter in meters)
    parties = tuple(household_at(point, area=area, power_w=power_w) for point, area in points)
    return {"meters": meters, "parties": parties}


def each_at_its_own(keys: Mapping[str, bytes], *, area: str, valid_from_mtu: int, power_w: int) -> dict[str, Any]:
    """Meters by code with their public keys, each alone at a point, as members of a metering area."""
    meters = (meter_at(code, f"P-{code}", key, area=area, valid_from_mtu=valid_from_mtu) for code, key in keys.items())
    return registered(*meters, power_w=power_w)
