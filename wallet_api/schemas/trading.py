"""Orders, receipts, schedules and order keys."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from domain.sessions import SESSION_MTUS_MAX
from edge.models import Answer, Body, Problem
from ledger_service.overview.queries import OrderState
from wallet_api.fields import (
    Address,
    Bytes16,
    Bytes32,
    Code,
    Int32,
    Lots,
    Mtu,
    NeurPerWh,
    OrderLots,
    PositiveInt,
    Revision,
    Sequence,
    Session,
    Signature,
    Uint53,
)
from wallet_api.schemas.base import AtMarketTime, AtMtu, Fact, MtuRun, ValidFrom

Side = Literal["bid", "ask"]
"""A bid buys, an ask sells."""


class Receipt(Answer):
    """The operator's signature that an order stands in the journal or was withdrawn, a mandate was granted or ended, or
    a term or key recorded.

    It makes an omission provable. Of all but orders market, session, MTU and revision are zero. The members but
    `signature` are those of the signed Receipt (docs/protocol.md, section 2).
    """

    market: Bytes32
    session: Session
    mtu: Mtu
    tag: Bytes16 = Field(description="First 16 bytes of the digest signed; of kind 5, of the hash of what was recorded")
    revision: Revision
    kind: Literal[1, 2, 3, 4, 5] = Field(
        description="Of orders 1 = accepted, 2 = cancelled; of mandates 3 = granted, 4 = revoked; 5 = recorded",
        examples=[1],
    )
    sequence: Sequence
    journalHead: Bytes32 = Field(description="Hash of the journal entry that holds what was signed")
    marketTime: Uint53 = Field(description="Unix seconds of market time at which it was accepted")
    signature: Signature


class ReceiptedFact(Fact):
    """What was recorded, its place in the journal, and the operator's receipt for it."""

    receipt: Receipt = Field(description="To be kept, kind 5: it proves the omission if no record shows the entry")


class Acceptance(Answer):
    """A submission that stands in the journal: just now, or from before."""

    status: Literal["accepted", "exists"]
    sequence: Sequence
    journal_head: Bytes32 = Field(description="Hash of its journal entry")
    receipt: Receipt | None = Field(description="Null where what was sent has none")


class RefusedSubmission(Answer):
    """A submission of a list that was refused and changed nothing."""

    status: Literal["refused"]
    problem: Problem


class Outcomes(Answer):
    """One outcome per submission of a list, in its order."""

    items: list[Acceptance | RefusedSubmission]


class Order(AtMtu, AtMarketTime):
    """An order in its last revision."""

    order_id: Bytes16
    market: Code
    session: Session
    side: Side
    limit_neur_per_wh: NeurPerWh = Field(description="The most a bid pays, the least an ask takes, in nEUR/Wh")
    quantity_lots: OrderLots
    revision: Revision
    tag: Bytes16
    point: Code | None = Field(description="Metering point it is for; null for a retailer, at the transformer")
    order_key: Address = Field(description="The key that signed it: the account's device, or its agent")
    mandate: Bytes16 | None = Field(description="Tag of the mandate that the agent signed under; null without agent")
    sequence: Sequence
    state: OrderState
    lapsed_reason: str | None = Field(description="Why its session was never opened on chain; null where it was")
    accepted_lots: Lots | None = Field(
        description="What was accepted of it, in lots, 0 where nothing was; null until its MTU has ended, or if void"
    )
    price_neur_per_wh: NeurPerWh | None = Field(
        description="Clearing price in nEUR/Wh; null without any trade, and until its MTU has ended"
    )


class Schedule(MtuRun):
    """The net schedule of one's point over a session, in its last revision."""

    market: Code
    session: Session
    point: Code
    revision: Revision
    net_wh: list[Int32] = Field(examples=[[-100, 50]], description="Net energy in Wh, one per MTU; + = import")


class KeyMembers(BaseModel):
    """A device key, the point it trades for, and the account's signature over its registration."""

    account: Address
    order_key: Address
    valid_from_mtu: Mtu = Field(description="First MTU whose orders it signs; the key before ends there")
    signature: Signature = Field(description="The account's signature over the KeyRegistration")


class KeyBody(KeyMembers, Body):
    """A device key, the point it trades for (none for a retailer), and the account's signature (KeyRegistration)."""

    point: Code | None = Field(default=None, description="Metering point it trades for; null for a retailer")


class OrderKey(KeyMembers, ValidFrom):
    """A device key as its account consented to it."""

    point: Code | None = Field(description="Metering point it trades for; null for a retailer")


class OrderKeyFact(ReceiptedFact, OrderKey):
    """A registered order key."""


class OrderMessage(Body):
    """The signed members of an Order, named as in its typed data. side 0 = bid (buys), 1 = ask (sells)."""

    market: Bytes32
    session: Session
    mtu: Mtu
    side: Literal[0, 1] = Field(description="0 = bid (buys), 1 = ask (sells)")
    limitPriceNeurPerWh: NeurPerWh = Field(description="The most a bid pays, the least an ask takes, in nEUR/Wh")
    quantityLots: OrderLots
    account: Address
    orderId: Bytes16 = Field(description="Made by the device; names the order through all its revisions")
    revision: Revision
    salt: Bytes32 = Field(description="Random, so that the order can't be guessed from its tag")


class OrderBody(Body):
    """An order, new (revision 0) or changed (last revision + 1), and its device's signature."""

    order: OrderMessage
    signature: Signature


class CancelMessage(Body):
    """The signed members of a Cancel; `revision` is the order's last one + 1."""

    market: Bytes32
    session: Session
    mtu: Mtu
    orderId: Bytes16
    revision: PositiveInt = Field(description="Last revision of the order + 1", examples=[1])


class CancelBody(Body):
    """A withdrawal and its signature."""

    cancel: CancelMessage
    signature: Signature


class ScheduleMessage(Body):
    """A net schedule over one session: Wh per MTU, + = import; the signature covers the hash of `netWh`."""

    market: Bytes32
    session: Session
    firstMtu: Mtu = Field(description="First MTU of the session")
    point: Code
    netWh: list[Int32] = Field(
        min_length=1, max_length=SESSION_MTUS_MAX, description="Net energy in Wh, one per MTU; + = import"
    )
    revision: Revision


class ScheduleBody(Body):
    """A schedule and its signature."""

    schedule: ScheduleMessage
    signature: Signature
