"""What devices signed, and the books that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from domain.errors import DominoesError
from domain.facts.base import Fact, fact
from domain.hashing import text_id, to_hex
from domain.mandates import MandateUsed
from domain.members import (
    Address,
    Code,
    EnergyWh,
    Hash,
    Mtu,
    Natural,
    OrderId,
    RuleVersion,
    Says,
    Seconds,
    Session,
    Signature,
    Tag,
)
from domain.merkle import places_root
from domain.orders import Order


def _read_order(value: object) -> Order:
    if isinstance(value, Order):
        return value
    if not isinstance(value, Mapping):
        raise ValueError("expected a signed order")
    try:
        return Order.from_json(dict[str, Any](value))
    except DominoesError as error:
        raise ValueError(f"not a signed order: {error}") from error


SignedOrder = Annotated[
    Order, PlainValidator(_read_order), PlainSerializer(Order.as_json), Says("members of the signed Order")
]


def order_revision_key(*, account: str, order_id: bytes, revision: int) -> str:
    """The journal key of an order's revision: changes and cancels alike, each has one place."""
    return f"{own_orders_prefix(account)}{order_id.hex()}:{revision}"


def own_orders_prefix(account: str) -> str:
    """What the journal keys of all of an account's orders and cancels begin with."""
    return f"order:{account}:"


def schedule_revision_key(*, market: str, point: str, session: int, revision: int) -> str:
    """The journal key of a schedule's revision; market and point by their hashes, which keeps the key short."""
    return f"{own_schedules_prefix(market=market, point=point)}{session}:{revision}"


def own_schedules_prefix(*, market: str, point: str) -> str:
    """What the journal keys of all schedules of a point in a market begin with."""
    return f"schedule:{text_id(market).hex()[:32]}:{text_id(point).hex()[:32]}:"


def closed_key(*, market: str, session: int) -> str:
    """The journal key of a session's closed books."""
    return f"book:{market}:{session}"


@dataclass(frozen=True, slots=True)
class OrderRules:
    """Version of the rule by which the operator's receipt follows from the fact."""

    receipts: RuleVersion


@fact
class OrderAccepted(Fact):
    """A signed order, or a later revision of one, is in its book. `market_time` is when it was accepted.

    `market` is the market's code; inside the order it is the signed id. `point` is None for a retailer. `order_key`
    signed it: the account's own, or an agent's under a `mandate`.
    """

    KIND = "order.accepted"
    order: SignedOrder
    signature: Signature
    order_key: Address
    tag: Tag
    market: Code
    point: Code | None
    market_time: Seconds
    rules: OrderRules
    mandate: MandateUsed = None

    @property
    def journal_key(self) -> str:
        """One fact per revision of an order."""
        order = self.order
        return order_revision_key(account=to_hex(order.account), order_id=order.order_id, revision=order.revision)


@fact
class OrderCancelled(Fact):
    """The order with this tag is withdrawn from its book; a cancel takes a revision of its order.

    `order_key` signed it: the account's own, or that of the agent that signed the order, under a `mandate`.
    """

    KIND = "order.cancelled"
    market: Code
    session: Session
    mtu: Mtu
    order_id: OrderId
    revision: Natural
    account: Address
    order_key: Address
    tag: Tag
    signature: Signature
    market_time: Seconds
    rules: OrderRules
    mandate: MandateUsed = None

    @property
    def journal_key(self) -> str:
        """One fact per revision of an order."""
        return order_revision_key(account=self.account, order_id=self.order_id, revision=self.revision)


@fact
class ScheduleNominated(Fact):
    """A point's signed net schedule over a session, Wh per MTU from `first_mtu` on: + = import, - = export."""

    KIND = "schedule.nominated"
    market: Code
    session: Session
    first_mtu: Mtu
    point: Code
    net_wh: tuple[EnergyWh, ...]
    revision: Natural
    account: Address
    order_key: Address
    signature: Signature
    market_time: Seconds

    @property
    def journal_key(self) -> str:
        """One fact per revision of a schedule."""
        return schedule_revision_key(market=self.market, point=self.point, session=self.session, revision=self.revision)


@dataclass(frozen=True, slots=True)
class ClosedBook:
    """The commitment to one MTU's book: its tags ascending, the chain over its masked pages, its hash."""

    mtu: Mtu
    tags: tuple[Tag, ...]
    chain: Hash
    book_hash: Hash


@fact
class BookClosed(Fact):
    """At its gate the books of a session are closed: nothing can be added, dropped or changed."""

    KIND = "book.closed"
    market: Code
    session: Session
    first_mtu: Mtu
    count: Natural
    books: tuple[ClosedBook, ...]

    @property
    def books_root(self) -> bytes:
        """What the chain is told of them: the places root over their hashes."""
        return places_root([book.book_hash for book in self.books])

    @property
    def journal_key(self) -> str:
        """Books close once."""
        return closed_key(market=self.market, session=self.session)
