"""An order as its holder signs it, and the tag and word that stand for it in a book."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.eip712 import CANCEL, ORDER, SCHEDULE, Domain
from domain.hashing import MAX_SAFE_INTEGER, hash_json, keccak, to_hex
from domain.strictness import check_bytes, hex_bytes, whole
from domain.units import MAX_LOTS, NO_PRICE, check_range
from domain.words import OrderWord, Side

ORDER_ID_BYTES = 16
TAG_BYTES = 16
ACCOUNT_BYTES = 20
HASH_BYTES = 32
SALT_BYTES = 32


_MEMBERS = frozenset(name for _, name in ORDER.fields)


@dataclass(frozen=True, slots=True)
class Order:
    """A limit order of one session of a market and one MTU. `order_id` and the random `salt` are made by the device.

    `session` is the session's gate in unix seconds: the order counts in it alone, and its rest lapses with it.

    `limit_neur_per_wh` in nEUR/Wh: the most a bid pays, the least an ask takes. `revision` counts from 0 and rises
    with each change or cancel of the same `order_id`.
    """

    market: bytes
    session: int
    mtu: int
    side: Side
    limit_neur_per_wh: int
    quantity_lots: int
    account: bytes
    order_id: bytes
    revision: int
    salt: bytes

    def __post_init__(self) -> None:
        check_range(field="session", value=self.session, lowest=0, highest=MAX_SAFE_INTEGER)
        check_range(field="mtu", value=self.mtu, lowest=0, highest=2**32 - 1)
        check_range(field="limit_neur_per_wh", value=self.limit_neur_per_wh, lowest=NO_PRICE + 1, highest=2**31 - 1)
        check_range(field="quantity_lots", value=self.quantity_lots, lowest=1, highest=MAX_LOTS)
        check_range(field="revision", value=self.revision, lowest=0, highest=2**32 - 1)
        if not isinstance(self.side, Side):
            raise TypeError(f"side is {self.side!r}; give a Side")
        check_bytes(field="market", value=self.market, length=HASH_BYTES)
        check_bytes(field="account", value=self.account, length=ACCOUNT_BYTES)
        check_bytes(field="order_id", value=self.order_id, length=ORDER_ID_BYTES)
        check_bytes(field="salt", value=self.salt, length=SALT_BYTES)

    def values(self) -> dict[str, Any]:
        """The members of the signed struct."""
        return {
            "market": self.market,
            "session": self.session,
            "mtu": self.mtu,
            "side": int(self.side),
            "limitPriceNeurPerWh": self.limit_neur_per_wh,
            "quantityLots": self.quantity_lots,
            "account": self.account,
            "orderId": self.order_id,
            "revision": self.revision,
            "salt": self.salt,
        }

    def digest(self, domain: Domain) -> bytes:
        """What the order key signs."""
        return domain.digest(ORDER, self.values())

    def as_json(self) -> dict[str, Any]:
        """JSON form: the signed members, bytes as hex."""
        return self.values() | {
            "market": to_hex(self.market),
            "account": to_hex(self.account),
            "orderId": to_hex(self.order_id),
            "salt": to_hex(self.salt),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Order:
        """Read the JSON form, strictly: no other member, each in its one spelling. Raises ValueError or OutOfRange."""
        if data.keys() != _MEMBERS:
            raise ValueError("a signed order has other members")
        return cls(
            market=hex_bytes(data["market"], length=HASH_BYTES),
            session=data["session"],
            mtu=data["mtu"],
            side=Side(whole(data["side"])),
            limit_neur_per_wh=data["limitPriceNeurPerWh"],
            quantity_lots=data["quantityLots"],
            account=hex_bytes(data["account"], length=ACCOUNT_BYTES),
            order_id=hex_bytes(data["orderId"], length=ORDER_ID_BYTES),
            revision=data["revision"],
            salt=hex_bytes(data["salt"], length=SALT_BYTES),
        )

    def word(self, *, tag: bytes) -> OrderWord:
        """The order as it stands in the book, not yet cleared."""
        return OrderWord(
            tag=int.from_bytes(tag, "big"),
            side=self.side,
            limit_neur_per_wh=self.limit_neur_per_wh,
            quantity_lots=self.quantity_lots,
        )


def tag_of(digest: bytes) -> bytes:
    """The 16 bytes by which an order is known in its book; only who holds order and salt can open them."""
    return digest[:TAG_BYTES]


def cancel_digest(*, domain: Domain, market: bytes, session: int, mtu: int, order_id: bytes, revision: int) -> bytes:
    """What the order key signs to withdraw an order; `revision` is the last one plus one."""
    values = {"market": market, "session": session, "mtu": mtu, "orderId": order_id, "revision": revision}
    return domain.digest(CANCEL, values)


def schedule_hash(net_wh: Sequence[int]) -> bytes:
    """`valuesHash` of one point: keccak of its net energies in Wh, one int32 big-endian per MTU, + = import."""
    return keccak(b"".join(value.to_bytes(4, "big", signed=True) for value in net_wh))


def envelopes_hash(points: Sequence[str], entries: Sequence[Mapping[str, Any]]) -> bytes:
    """keccak of the hash of each point's own envelopes (JSON, by MTU), in the order of the grid model's `points`.

    So a point's envelopes can be shown with the others' hashes, and nothing is said of anybody else.
    """
    own: dict[str, list[Mapping[str, Any]]] = {point: [] for point in points}
    for entry in entries:
        own.setdefault(entry["point"], []).append(entry)  # one of an unknown point changes the hash
    return keccak(b"".join(hash_json(items) for items in own.values()))


def schedule_digest(
    *, domain: Domain, market: bytes, session: int, first_mtu: int, point: bytes, net_wh: list[int], revision: int
) -> bytes:
    """What the order key signs to nominate the net schedule of its connection point."""
    values = {
        "market": market,
        "session": session,
        "firstMtu": first_mtu,
        "point": point,
        "valuesHash": schedule_hash(net_wh),
        "revision": revision,
    }
    return domain.digest(SCHEDULE, values)
