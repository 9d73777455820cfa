"""A fact with a member of another type, or out of its bounds, can't be made, so none can come into the journal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.errors import OutOfRange
from domain.facts import (
    ChainSigned,
    Fact,
    FactMalformed,
    GuaranteeGiven,
    MtuCleared,
    MtuUnread,
    OrderAccepted,
    SessionDone,
    SetpointsIssued,
    Subject,
    read_fact,
)
from domain.facts.programs import ClearingRules, PointEnvelope
from domain.facts.trading import OrderRules
from domain.orders import Order
from domain.parties import Guarantee
from domain.roles import ChainRole
from domain.strictness import WrongBytes
from domain.words import Side

pytestmark = pytest.mark.unit

ADDRESS = "0x" + "ab" * 20
ORDER = Order(bytes(32), 0, 1, Side.BID, 100, 1, bytes(20), bytes(16), 0, bytes(32))
ACCEPTED = OrderAccepted(
    order=ORDER,
    signature=bytes(65),
    order_key=ADDRESS,
    tag=bytes(16),
    market="M",
    point=None,
    market_time=0,
    rules=OrderRules(receipts=1),
)
UNREAD = MtuUnread(area="A", period=1, mtu=1)
GIVEN = Guarantee(guarantor=ADDRESS, account=ADDRESS, credit_neur=10**30, nonce=0, deadline=0, signature=bytes(65))
CAP = PointEnvelope(point="P", mtu=1, import_cap_wh=None, export_cap_wh=1)
CLEARED = MtuCleared(
    market="M",
    mtu=1,
    session=1,
    price_neur_per_wh=None,
    result_hash=bytes(32),
    words=(2**256 - 1,),
    tx_hash=bytes(32),
    rules=ClearingRules(ties=1),
)
DONE = SessionDone(market="M", session=1, cleared_mask=2**128 - 1, clearing_root=bytes(32))
SIGNED = ChainSigned(
    key="k",
    role=ChainRole.OPERATOR,
    sender=ADDRESS,
    nonce=0,
    contract="Market",
    function="clear",
    about=Subject(),
    tx_hash=bytes(32),
    raw=b"\x01",
    gas_price_wei=2**90,
)


@pytest.mark.parametrize(
    ("fact", "changed", "member"),
    [
        (ACCEPTED, {"tag": bytes(15)}, "tag"),
        (ACCEPTED, {"tag": "0x" + "00" * 16}, "tag"),
        (ACCEPTED, {"tag": bytearray(16)}, "tag"),
        (ACCEPTED, {"signature": bytes(66)}, "signature"),
        (ACCEPTED, {"order_key": ADDRESS.upper()}, "order_key"),
        (ACCEPTED, {"order_key": ADDRESS + "\n"}, "order_key"),
        (ACCEPTED, {"order_key": ADDRESS[2:]}, "order_key"),
        (ACCEPTED, {"market": ""}, "market"),
        (ACCEPTED, {"market": "M" * 101}, "market"),
        (ACCEPTED, {"market_time": 1.0}, "market_time"),
        (ACCEPTED, {"market_time": True}, "market_time"),
        (ACCEPTED, {"market_time": 2**53}, "market_time"),
        (ACCEPTED, {"order": None}, "order"),
        (ACCEPTED, {"rules": OrderRules(receipts=0)}, "rules.receipts"),
        (UNREAD, {"period": 0}, "period"),
        (UNREAD, {"mtu": -1}, "mtu"),
        (UNREAD, {"mtu": 2**32}, "mtu"),
        (CLEARED, {"words": (2**256,)}, "words.0"),
        (CLEARED, {"words": [1]}, "words"),
        (CLEARED, {"session": -1}, "session"),
        (DONE, {"cleared_mask": 2**128}, "cleared_mask"),
        (DONE, {"cleared_mask": "0x" + "00" * 16}, "cleared_mask"),
        (CLEARED, {"price_neur_per_wh": 2**31}, "price_neur_per_wh"),
        (SIGNED, {"gas_price_wei": -1}, "gas_price_wei"),
        (SIGNED, {"about": Subject(ref=bytes(31))}, "about.ref"),
        (GuaranteeGiven(GIVEN), {"guarantee": replace(GIVEN, credit_neur="1")}, "guarantee.credit_neur"),
        (
            SetpointsIssued("M", 1, (CAP,)),
            {"envelopes": (CAP, replace(CAP, export_cap_wh=2**53))},
            "envelopes.1.export_cap_wh",
        ),
    ],
)
def test_fact__made_with_a_wrong_member__is_refused_by_its_name(
    fact: Fact, changed: dict[str, Any], member: str
) -> None:
    with pytest.raises(FactMalformed) as refusal:
        replace(fact, **changed)

    assert (refusal.value.kind, refusal.value.member) == (fact.KIND, member)


def test_fact__made_without_a_member_or_with_another__is_refused() -> None:
    with pytest.raises(FactMalformed, match="mtu: "):
        MtuUnread(area="A", period=1)  # type: ignore[call-arg]
    with pytest.raises(FactMalformed, match="surplus: "):
        MtuUnread(area="A", period=1, mtu=1, surplus=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "fact", [ACCEPTED, UNREAD, CLEARED, DONE, SIGNED, GuaranteeGiven(GIVEN)], ids=lambda fact: fact.KIND
)
def test_fact__that_could_be_made__reads_back_as_itself(fact: Fact) -> None:
    assert read_fact(fact.KIND, fact.text()) == fact


@pytest.mark.parametrize("length", [0, 31, 33])
def test_order__bytes_of_another_length__can_not_be_made(length: int) -> None:
    with pytest.raises(WrongBytes) as refusal:
        replace(ORDER, salt=bytes(length))

    assert (refusal.value.field, refusal.value.length) == ("salt", 32)


def test_order__of_wrong_types__can_not_be_made() -> None:
    with pytest.raises(TypeError):
        replace(ORDER, side=0)
    with pytest.raises(OutOfRange):
        replace(ORDER, mtu=True)
