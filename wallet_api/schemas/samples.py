"""Examples of the document: one value per name of a field, so that all speak of the same household and day."""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typing_extensions import is_typeddict

from domain.hashing import keccak, text_id
from edge.answers import eur_text
from ledger_service.access.roles import Role

FIRST_MTU = 1_627_584
"""2016-06-02T00:00:00Z, the first MTU of the day that the examples are about."""

GATE = 1_464_775_200
"""2016-06-01T10:00:00Z, the gate before that day: 12:00 in Berlin."""

_AMOUNTS_NEUR = {
    "amount": -15_000_000,
    "due": -15_000_000,
    "balance": 2_500_000_000,
    "credit": 50_000_000_000,
    "reserved": 20_000_000,
    "available": 52_480_000_000,
    "called": 0,
    "redeemed": 5_000_000_000,
}

SAMPLES: dict[str, Any] = {
    "area": "DE-LV1",
    "zone": "Europe/Berlin",
    "market": "DE-LV1/DA",
    "meter": "DE-LV1-M7",
    "point": "DE-LV1-P7",
    "participant": "household 7",
    "organisation": "testing institute north",
    "tariff": "household",
    "agreement": "agreement 7",
    "name": "household 7",
    "role": Role.PROSUMER.value,
    "mtu": FIRST_MTU,
    "mtus": [FIRST_MTU, FIRST_MTU + 1],
    "first_mtu": FIRST_MTU,
    "firstMtu": FIRST_MTU,
    "valid_from_mtu": FIRST_MTU,
    "valid_until_mtu": FIRST_MTU + 672,
    "count": 96,
    "starts": "2016-06-02T00:00:00Z",
    "program": 1,
    "period": 1,
    "revision": 0,
    "next_revision": 1,
    "version": 1,
    "agreement_version": 1,
    "sequence": 4_711,
    "position": 0,
    "gate": GATE,
    "gate_utc": "2016-06-01T10:00:00Z",
    "gate_local": "12:00",
    "book_deadline": GATE + 900,
    "sign_deadline": GATE + 7_200,
    "clear_deadline": GATE + 10_800,
    "verdict_deadline": GATE + 7_200,
    "deadline": GATE + 7_200,
    "deadline_utc": "2016-06-01T12:00:00Z",
    "resolved_mtus": 0,
    "market_time": GATE - 3_600,
    "marketTime": GATE - 3_600,
    "market_time_utc": "2016-06-01T09:00:00Z",
    "advance_to": GATE,
    "chain_time": GATE - 3_600,
    "speed": 1,
    "ready_at": GATE + 3_600,
    "ready_at_utc": "2016-06-01T11:00:00Z",
    "expires_at": 1_800_000_300,
    "expires_in": 900,
    "access_token": "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIweDVhLi4uIn0.c2lnbmF0dXJl",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "kid": "1f0c2a9b8d7e6f50",
    "attest_seconds": 3_600,
    "horizon_seconds": 86_400,
    "challenge_seconds": 3_600,
    "grace_seconds": 900,
    "sign_seconds": 7_200,
    "clear_seconds": 10_800,
    "threshold": 2,
    "lot_wh": 10,
    "tick_neur_per_wh": 100,
    "min_limit_neur_per_wh": -1_000_000,
    "max_limit_neur_per_wh": 5_000_000,
    "limit_neur_per_wh": 200_000,
    "limitPriceNeurPerWh": 200_000,
    "price_neur_per_wh": 150_000,
    "price_ct_per_kwh": "15.0000",
    "quantity_lots": 10,
    "quantityLots": 10,
    "accepted_lots": 10,
    "volume_wh": 200,
    "energy_wh": 100,
    "import_wh": 120,
    "export_wh": 0,
    "import_register_wh": 1_120,
    "export_register_wh": 0,
    "import_cap_wh": 2_500,
    "export_cap_wh": 500,
    "connection_import_w": 10_000,
    "connection_export_w": 5_000,
    "netWh": [-500, 120, 120, 120],
    "supply_neur_per_wh": 300_000,
    "feed_in_neur_per_wh": 80_000,
    "imbalance_surplus_neur_per_wh": 60_000,
    "imbalance_shortfall_neur_per_wh": 350_000,
    "excess_neur_per_wh": 400_000,
    "grid_fee_neur_per_wh": 80_000,
    "grid_fee_local_neur_per_wh": 40_000,
    "levy_neur_per_wh": 20_000,
    "compensation_neur_per_wh": 80_000,
    "vat_bp": 1_900,
    "base_neur": "30000000",
    "amount_neur": "-15000000",
    "settled_before_neur": "0",
    "due_neur": "-15000000",
    "credit_neur": "50000000000",
    "grid_model": {"nodes": [1, 2], "lines": [{"from": 1, "to": 2}]},
    "reason": "grid works on feeder 3",
    "report": {"binding": [{"mtu": FIRST_MTU, "element": "line 2", "loading_permille": 1_000}]},
    "rounds": 1,
    "schedules": {"DE-LV1-P7": [-500, 120, 120, 120]},
    "partial": False,
    "given_up": False,
    "given_up_mtus": 0,
    "unread": False,
    "erased": False,
    "complete": False,
    "stage": "settlement",
    "behind": 0,
    "key": "clear:DE-LV1/DA:1627584",
    "function": "clear",
    "contract": "Market",
    "pending_transactions": 1,
    "chain_id": 31_337,
    "chainId": 31_337,
    "block": 812,
    "origin_seconds": 1_464_652_800,
    "start_seconds": 1_464_652_800,
    "deployment": {"start_block": 7},
    "messages": [
        "eyJhbGciOiJFZERTQSIsImtpZCI6IkRFLUxWMS1NNyIsInR5cCI6Im1ldGVyK2p3cyJ9.eyJtZXRlciI6IkRFLUxWMS1NNyJ9.c2ln"
    ],
    "shape": "Cancel",
    "retryable": False,
    "status": "ok",
    "neur": "-15000000",
} | {name: {"neur": str(neur), "eur": eur_text(neur)} for name, neur in _AMOUNTS_NEUR.items()}
"""By name of field; what is not here follows from its type, bytes from the name."""

_IDS = {"market": text_id("DE-LV1/DA"), "market_id": text_id("DE-LV1/DA"), "area_id": text_id("DE-LV1")}
_HEX = re.compile(r"^\^0x\[0-9a-f\]\{(?:1,)?(\d+)\}\$$")


def example_of(shape: Any, name: str = "") -> Any:
    """A realistic value of a type. Raises ValueError where neither the name nor the type of a field gives one."""
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        return {member: _of_field(member, field) for member, field in shape.model_fields.items()}
    if is_typeddict(shape):
        hints = get_type_hints(shape, include_extras=True)
        return {member: example_of(hint, member) for member, hint in hints.items() if not member.startswith("_")}
    origin, parts = get_origin(shape), get_args(shape)
    if origin is list:
        return [example_of(parts[0], name)]
    if origin is dict and parts[1] is not Any:
        return {name: example_of(parts[1], name)}
    if origin in (Union, UnionType):
        return example_of(next(part for part in parts if part is not NoneType), name)
    if origin is Literal:
        return parts[0]
    if origin is Annotated:
        examples = [example for part in parts[1:] for example in getattr(part, "examples", None) or ()]
        return examples[-1] if examples else _of_parts(parts[0], parts[1:], name)
    if name in SAMPLES:
        return SAMPLES[name]
    raise ValueError(f"no example for {name or shape}; add one to the samples")


def _of_field(name: str, field: FieldInfo) -> Any:
    return field.examples[0] if field.examples else _of_parts(field.annotation, field.metadata, name)


def _of_parts(shape: Any, metadata: Iterable[Any], name: str) -> Any:
    digits = next((found for found in map(_hex_digits, metadata) if found), 0)
    if digits:
        return _bytes(name, digits)
    sample = SAMPLES.get(name)
    fits = isinstance(sample, dict) or not _holds_model(shape)
    return sample if name in SAMPLES and fits and get_origin(shape) is not Literal else example_of(shape, name)


def _holds_model(shape: Any) -> bool:
    """Whether a type is that of an object with members of its own; only a sample with members fits it."""
    return any(isinstance(part, type) and issubclass(part, BaseModel) for part in (shape, *get_args(shape)))


def _hex_digits(constraint: Any) -> int:
    """How many hex digits a constraint asks for; 0 where it asks for none."""
    pattern = getattr(constraint, "pattern", None)
    match = _HEX.match(pattern) if isinstance(pattern, str) else None
    return 0 if match is None else int(match[1])


def _bytes(name: str, digits: int) -> str:
    """Bytes that look like any others and are the same wherever a field has this name."""
    found = _IDS.get(name, keccak(name.encode())).hex()
    return "0x" + (found * (digits // len(found) + 1))[:digits]
