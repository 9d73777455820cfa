"""Forms every registered thing must have."""

from __future__ import annotations

import re
from collections.abc import Container
from datetime import time
from typing import Any

from domain.hashing import to_hex
from domain.members import CODE_LENGTH_MAX
from domain.mtu import is_zone, mtu_of
from domain.terms import Tariff
from domain.units import check_range
from ledger_service.registry.errors import AddressOfContract, AlreadyBegun, Malformed, TariffUnsafe, VersionOutOfOrder

_CODE = re.compile(r"[A-Za-z0-9](?: ?[A-Za-z0-9._/:-])*")
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_MTU_HIGHEST = 2**32 - 1

SECONDS_MAX = 10 * 365 * 86_400
"""Longest deadline an area or market may have: ten years, as the contracts check."""


def check_code(*, field: str, value: Any) -> None:
    """Codes are plain ASCII, so that they sort, compare and print the same everywhere. Raises Malformed."""
    if not isinstance(value, str) or len(value) > CODE_LENGTH_MAX or not _CODE.fullmatch(value):
        raise Malformed(field=field, value=value, expected="1 to 100 letters, digits, single spaces or . _ / : - signs")


def check_length(*, field: str, value: bytes, length: int) -> None:
    """`length` bytes. Raises Malformed."""
    if len(value) != length:
        raise Malformed(field=field, value=to_hex(value), expected=f"{length} bytes")


def check_address(*, field: str, value: Any) -> None:
    """An address other than zero. Raises Malformed."""
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value) or int(value, 16) == 0:
        raise Malformed(field=field, value=value, expected="an address as lower-case 0x hex, not zero")


def check_no_contract(*, field: str, address: str, contracts: Container[str]) -> None:
    """Somebody can have the key of this address: it is none of the contracts (0x hex). Raises AddressOfContract."""
    if address in contracts:
        raise AddressOfContract(field=field, address=address)


def check_mtu(*, field: str, value: Any) -> None:
    """An MTU index. Raises OutOfRange."""
    check_range(field=field, value=value, lowest=0, highest=_MTU_HIGHEST)


def check_not_begun(*, what: str, name: str, valid_from_mtu: int, now: int, gated_until_mtu: int = 0) -> None:
    """Nobody changes what was in force: the first MTU must begin after `now` (market time).

    Nor what was traded under: with `gated_until_mtu` it must also be one whose gate is still to come. Raises
    AlreadyBegun.
    """
    earliest_mtu = max(mtu_of(now) + 1, gated_until_mtu)
    if valid_from_mtu < earliest_mtu:
        raise AlreadyBegun(what=what, name=name, valid_from_mtu=valid_from_mtu, earliest_mtu=earliest_mtu)


def check_zone(value: Any) -> None:
    """A zone of the IANA table, so that it is the same on every machine. Raises Malformed."""
    if not isinstance(value, str) or not is_zone(value):
        raise Malformed(field="zone", value=value, expected="an IANA zone such as Europe/Berlin")


def check_gate_local(value: Any) -> None:
    """A local time of day, "HH:MM". Raises Malformed."""
    try:
        if not re.fullmatch(r"\d\d:\d\d", value):
            raise ValueError(value)
        time.fromisoformat(value)
    except (ValueError, TypeError) as error:
        raise Malformed(field="gate_local", value=value, expected="a local time such as 12:00") from error


def check_successor(*, what: str, name: str, version: int, valid_from_mtu: int, last: tuple[int, int] | None) -> None:
    """Versions are 1, 2, … and each begins after the one before (`last` = its version and first MTU)."""
    expected, earliest = (1, -1) if last is None else (last[0] + 1, last[1])
    if version != expected:
        raise VersionOutOfOrder(what=what, name=name, version=version, reason=f"version {expected} is next")
    if valid_from_mtu <= earliest:
        reason = f"it begins at MTU {valid_from_mtu}, not after MTU {earliest}"
        raise VersionOutOfOrder(what=what, name=name, version=version, reason=reason)


def check_safe(tariff: Tariff) -> None:
    """Nobody gains from deviating on purpose from what was traded, or from driving energy in a circle.

    Energy bought and not drawn earns no more than energy fed in, which earns no more than supply costs; energy sold
    and not delivered costs no less than supply; what flows beyond an envelope is never paid for. Raises TariffUnsafe.
    """
    feed_in, supply = tariff.feed_in_neur_per_wh, tariff.supply_neur_per_wh
    relations = (
        ("imbalance_surplus_neur_per_wh", tariff.imbalance_surplus_neur_per_wh, "feed_in_neur_per_wh", feed_in),
        ("feed_in_neur_per_wh", feed_in, "supply_neur_per_wh", supply),
        ("supply_neur_per_wh", supply, "imbalance_shortfall_neur_per_wh", tariff.imbalance_shortfall_neur_per_wh),
        ("0", 0, "excess_neur_per_wh", tariff.excess_neur_per_wh),
    )
    for lower, low, higher, high in relations:
        if low > high:
            raise TariffUnsafe(lower=lower, low=low, higher=higher, high=high)
