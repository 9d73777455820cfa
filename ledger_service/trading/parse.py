"""Reading signed submissions from JSON, strictly: what is not exactly the shape is refused with the field's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.members import CODE_LENGTH_MAX
from domain.orders import ORDER_ID_BYTES, SALT_BYTES, Order
from domain.signing import SIGNATURE_BYTES
from domain.units import check_range
from domain.words import Side
from ledger_service.trading.errors import MalformedSubmission

SCHEDULE_VALUES_MAX = 128
"""Most MTUs of one schedule: the largest program the Market contract opens."""

_UINT32_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order, new or changed, and its device's signature."""

    order: Order
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedCancel:
    """A withdrawal. `revision` is the order's last revision plus one."""

    market: bytes
    mtu: int
    order_id: bytes
    revision: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedSchedule:
    """The net schedule of a point (by its code) over one program, Wh per MTU, + = import. `revision` counts from 0."""

    market: bytes
    first_mtu: int
    point: str
    net_wh: tuple[int, ...]
    revision: int
    signature: bytes


Submission = SignedOrder | SignedCancel | SignedSchedule
"""What a device may send."""

_ORDER_BYTES = {"market": 32, "account": 20, "orderId": ORDER_ID_BYTES, "salt": SALT_BYTES}
_ORDER_INTEGERS = ("mtu", "side", "limitPriceNeurPerWh", "quantityLots", "revision")


def _members(data: object, names: set[str]) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise MalformedSubmission(field="body", reason="must be a JSON object")
    for name in sorted(names - data.keys()):
        raise MalformedSubmission(field=name, reason="is missing")
    for extra in sorted(str(key) for key in data.keys() - names):
        raise MalformedSubmission(field=extra, reason="is not part of what is signed")
    return data


def _bytes(field: str, value: object, length: int) -> bytes:
    if not isinstance(value, str) or len(value) != 2 + 2 * length or not value.startswith("0x"):
        raise MalformedSubmission(field=field, reason=f"must be {length} bytes as 0x hex")
    try:
        found = bytes.fromhex(value[2:])
    except ValueError as error:
        raise MalformedSubmission(field=field, reason=f"must be {length} bytes as 0x hex") from error
    if len(found) != length:  # bytes.fromhex skips white space
        raise MalformedSubmission(field=field, reason=f"must be {length} bytes as 0x hex")
    return found


def _integer(field: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise MalformedSubmission(field=field, reason="must be a whole number")
    return value


def parse_signature(value: object) -> bytes:
    """65 bytes of 0x hex. Raises MalformedSubmission."""
    return _bytes("signature", value, SIGNATURE_BYTES)


def parse_order(data: object, *, signature: object) -> SignedOrder:
    """An order from the message of its typed data. Raises MalformedSubmission naming the field, or OutOfRange."""
    members = _members(data, {*_ORDER_BYTES, *_ORDER_INTEGERS})
    raw = {name: _bytes(name, members[name], length) for name, length in _ORDER_BYTES.items()}
    numbers = {name: _integer(name, members[name]) for name in _ORDER_INTEGERS}
    check_range(field="side", value=numbers["side"], lowest=0, highest=1)
    order = Order(
        market=raw["market"],
        mtu=numbers["mtu"],
        side=Side(numbers["side"]),
        limit_neur_per_wh=numbers["limitPriceNeurPerWh"],
        quantity_lots=numbers["quantityLots"],
        account=raw["account"],
        order_id=raw["orderId"],
        revision=numbers["revision"],
        salt=raw["salt"],
    )
    return SignedOrder(order=order, signature=parse_signature(signature))


def parse_cancel(data: object, *, signature: object) -> SignedCancel:
    """A cancel from the message of its typed data. Raises MalformedSubmission, OutOfRange."""
    members = _members(data, {"market", "mtu", "orderId", "revision"})
    return SignedCancel(
        market=_bytes("market", members["market"], 32),
        mtu=check_range(field="mtu", value=members["mtu"], lowest=0, highest=_UINT32_MAX),
        order_id=_bytes("orderId", members["orderId"], ORDER_ID_BYTES),
        revision=check_range(field="revision", value=members["revision"], lowest=1, highest=_UINT32_MAX),
        signature=parse_signature(signature),
    )


def parse_schedule(data: object, *, signature: object) -> SignedSchedule:
    """A schedule `{"market","firstMtu","point"(code),"netWh":[…],"revision"}`.

    Raises MalformedSubmission, OutOfRange.
    """
    members = _members(data, {"market", "firstMtu", "point", "netWh", "revision"})
    values = members["netWh"]
    if not isinstance(values, list) or not 1 <= len(values) <= SCHEDULE_VALUES_MAX:
        raise MalformedSubmission(field="netWh", reason=f"must be a list of 1 to {SCHEDULE_VALUES_MAX} whole numbers")
    point = members["point"]
    if not isinstance(point, str) or not point.isascii() or not 1 <= len(point) <= CODE_LENGTH_MAX:
        raise MalformedSubmission(field="point", reason="must be the code of a metering point")
    bound = 2**31 - 1
    return SignedSchedule(
        market=_bytes("market", members["market"], 32),
        first_mtu=check_range(field="firstMtu", value=members["firstMtu"], lowest=0, highest=_UINT32_MAX),
        point=point,
        net_wh=tuple(check_range(field="netWh", value=value, lowest=-bound, highest=bound) for value in values),
        revision=check_range(field="revision", value=members["revision"], lowest=0, highest=_UINT32_MAX),
        signature=parse_signature(signature),
    )


def check_order(order: Order) -> None:
    """The lengths an Order object built in Python must have too. Raises MalformedSubmission."""
    for field, value, length in (
        ("market", order.market, 32),
        ("account", order.account, 20),
        ("orderId", order.order_id, ORDER_ID_BYTES),
        ("salt", order.salt, SALT_BYTES),
    ):
        if len(value) != length:
            raise MalformedSubmission(field=field, reason=f"must be {length} bytes")
