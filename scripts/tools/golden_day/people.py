"""Who and where: keys, contracts, MTUs and gates of the golden day, all derived from text."""

from __future__ import annotations

from datetime import UTC, datetime

import nacl.signing

from domain.eip712 import SHAPES_OF, Domain
from domain.hashing import keccak, to_hex
from domain.mtu import MTU_SECONDS
from domain.signing import SigningKey

CHAIN_ID = 31_337
AREA, MARKET = "GOLD", "GOLD/DA"
ZONE = "Europe/Berlin"

FIRST = int(datetime(2026, 7, 15, 10, tzinfo=UTC).timestamp()) // MTU_SECONDS
"""The first MTU: noon of a Wednesday where the area is."""

COUNT = 7
"""MTUs of the period, and of the session of the first gate."""

GATE = int(datetime(2026, 7, 14, 10, tzinfo=UTC).timestamp())
LATER_GATE = int(datetime(2026, 7, 14, 16, tzinfo=UTC).timestamp())
"""The two gates, noon and 18:00 of the day before."""

HOUSEHOLDS = {"h1": "p1", "h2": "p2", "h3": "p3", "h4": "p4"}
"""Households and their points."""

ATTESTERS = ("a1", "a2", "a3")
THRESHOLD = 2
ROLES = ("operator", "dso", "registrar")
PARTIES = (*HOUSEHOLDS, "retail", "net", "tax")
DEVICES = tuple(f"{name}-device" for name in (*HOUSEHOLDS, "retail"))
AGENT = "h2-agent"
"""The key that trades for h2 under a mandate."""

LEAVES, LEFT = "h4", FIRST + COUNT - 1
"""The household that moves out, and the first MTU in which it takes no part any more: the day's last one."""


def noise(label: str) -> bytes:
    """32 bytes that stand for random ones."""
    return keccak(f"golden day: {label}".encode())


def key_of(name: str) -> SigningKey:
    """The key of a party, a role, an attester or a device."""
    return SigningKey(noise(f"key {name}"))


def address(name: str) -> str:
    """Its address."""
    return to_hex(key_of(name).address)


def meter_key(code: str) -> nacl.signing.SigningKey:
    """The key of a meter."""
    return nacl.signing.SigningKey(noise(f"meter key {code}"))


def contract(name: str) -> bytes:
    """Where a contract stands."""
    return noise(f"contract {name}")[12:]


def domain_of(name: str) -> Domain:
    """The EIP-712 domain of a contract."""
    return Domain(chain_id=CHAIN_ID, verifying_contract=contract(name))


def chain_json() -> dict[str, object]:
    """The deployment, as a bundle names it (`chain.json`)."""
    return {"chain_id": CHAIN_ID, "contracts": {name: to_hex(contract(name)) for name in sorted(SHAPES_OF)}}


def meter_keys_json() -> dict[str, str]:
    """The secret of each meter's Ed25519 key."""
    codes = [f"meter-{point}" for point in HOUSEHOLDS.values()]
    return {code: to_hex(bytes(meter_key(code))) for code in codes}


def keys_json() -> dict[str, dict[str, str]]:
    """Every key with its secret: these are keys of nobody."""
    return {
        name: {"secret": to_hex(key_of(name).secret), "address": address(name)}
        for name in (*PARTIES, *DEVICES, AGENT, *ROLES, *ATTESTERS)
    }
