"""Orders, receipts, schedules and order keys."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edge.models import Answer, Problem
from wallet_api.fields import (
    Address,
    Bytes16,
    Bytes32,
    Code,
    Int32,
    Lots,
    MarketTime,
    Mtu,
    NeurPerWh,
    OrderLots,
    Revision,
    Sequence,
    Signature,
    Uint53,
)
from wallet_api.schemas.base import Fact, Starts

Side = Literal["bid", "ask"]
"""A bid buys, an ask sells."""


class Receipt(Answer):
    """The operator's signature that an order stands in the journal, or was withdrawn: it makes an omission provable.

    The members but `signature` are those of the signed Receipt (docs/protocol.md, section 2).
    """

    market: Bytes32
    mtu: Mtu
    tag: Bytes16 = Field(description="First 16 bytes of the order's digest: what stands for it in public")
    revision: Revision
    kind: Literal[1, 2] = Field(description="1 = accepted, 2 = cancelled")
    sequence: Sequence
    journalHead: Bytes32 = Field(description="Hash of the journal entry that holds the order or cancel")
    marketTime: Uint53 = Field(description="Unix seconds of market time at which it was accepted")
    signature: Signature


class Acceptance(Answer):
    """A submission that stands in the journal: just now, or from before."""

    status: Literal["accepted", "exists"]
    sequence: Sequence
    journal_head: Bytes32 = Field(description="Hash of its journal entry")
    receipt: Receipt | None = Field(description="Null for schedules, which have none")


class RefusedSubmission(Answer):
    """A submission of a list that was refused and changed nothing."""

    status: Literal["refused"]
    problem: Problem


class Outcomes(Answer):
    """One outcome per submission of a list, in its order."""

    items: list[Acceptance | RefusedSubmission]


class Order(Starts):
    """An order in its last revision."""

    order_id: Bytes16
    market: Code
    mtu: Mtu
    side: Side
    limit_neur_per_wh: NeurPerWh = Field(description="The most a bid pays, the least an ask takes, in nEUR/Wh")
    quantity_lots: OrderLots
    revision: Revision
    tag: Bytes16
    point: Code | None = Field(description="Metering point it is for; null for a retailer, at the transformer")
    order_key: Address = Field(description="The device key that signed it")
    market_time: MarketTime = Field(description="Unix seconds of market time at which it was accepted")
    sequence: Sequence
    state: Literal["in-book", "withdrawn", "cleared", "void"]


class ClearedOrder(Order):
    """An order whose MTU is cleared."""

    state: Literal["cleared"]
    accepted_lots: Lots = Field(description="What was accepted of it, in lots; 0 where nothing was")
    price_neur_per_wh: NeurPerWh | None = Field(description="Clearing price in nEUR/Wh; null without any trade")


OrderNow = ClearedOrder | Order
"""An order, with its outcome once its MTU is cleared."""


class Schedule(Starts):
    """The net schedule of one's point over a program, in its last revision."""

    market: Code
    point: Code
    first_mtu: Mtu
    revision: Revision
    net_wh: list[Int32] = Field(examples=[[-100, 50]], description="Net energy in Wh, one per MTU; + = import")


class OrderKey(Answer):
    """A device key as its account consented to it."""

    account: Address
    order_key: Address
    point: Code | None = Field(description="Metering point it trades for; null for a retailer")
    valid_from_mtu: Mtu = Field(description="First MTU whose orders it signs; the key before ends there")
    signature: Signature = Field(description="The account's signature over the KeyRegistration")


class OrderKeyFact(Fact, OrderKey):
    """A registered order key."""
