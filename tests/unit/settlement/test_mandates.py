"""What attesters see of agents: orders within mandates pass, and each way beyond one is refused before a settlement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from domain.eip712 import Domain
from domain.facts import MandateGranted, MandateRevoked, OrderAccepted, OrderRules
from domain.hashing import ZERO_HASH, text_id, to_hex
from domain.mandates import Mandate, revocation_digest
from domain.markets import Market
from domain.members import JsonDocument
from domain.orders import Order, tag_of
from domain.parties import Participant, ParticipantKind, Replacement
from domain.signing import SigningKey
from domain.words import Side
from settling.mandates import check_energies, check_mandates, check_under_mandate
from settling.package import Basis, PackagedClearing, PackagedSession
from settling.unpacking import WrongInput

pytestmark = pytest.mark.unit

DOMAIN = Domain(chain_id=31337, verifying_contract=b"\x11" * 20)
ACCOUNT, DEVICE, AGENT, STRANGER = (SigningKey(bytes([n]) * 32) for n in range(1, 5))
AREA, CODE, LOT_WH = "TEST", "TEST/DA", 10
FIRST, GATE = 1_629_015, 1_628_900 * 900
"""The last MTU of 2016-06-16 in Berlin, and a gate before."""

MANDATE = Mandate(
    account=to_hex(ACCOUNT.address),
    agent=to_hex(AGENT.address),
    points=("P1",),
    markets=(CODE,),
    highest_buy_neur_per_wh=120_000,
    lowest_sell_neur_per_wh=80_000,
    mtu_buy_wh=100,
    mtu_sell_wh=0,
    day_buy_wh=150,
    day_sell_wh=0,
    zone="Europe/Berlin",
    from_mtu=FIRST,
    to_mtu=FIRST + 96,
    nonce=1,
)
RULES = OrderRules(receipts=1)


def granted(mandate: Mandate = MANDATE, key: SigningKey = DEVICE, **changes: Any) -> MandateGranted:
    """The fact of a mandate that a key signed."""
    digest = mandate.digest(DOMAIN)
    signature, order_key = key.sign(digest), to_hex(DEVICE.address)
    fact = {"mandate": mandate, "signature": signature, "order_key": order_key, "tag": tag_of(digest)}
    return MandateGranted(**fact | {"market_time": 1_000, "rules": RULES} | changes)


def revoked(key: SigningKey = DEVICE, **changes: Any) -> MandateRevoked:
    """The fact of its end."""
    named = {"account": MANDATE.account, "agent": MANDATE.agent, "mandate": MANDATE.tag(DOMAIN)} | changes
    digest = revocation_digest(domain=DOMAIN, **named)
    signed = {"signature": key.sign(digest), "order_key": to_hex(DEVICE.address), "tag": tag_of(digest)}
    return MandateRevoked(**named, **signed, market_time=2_000, rules=RULES)


def order(mtu: int = FIRST, *, at: int = 1_500, mandate: Mandate = MANDATE, **changes: Any) -> OrderAccepted:
    """An order of the agent's, accepted at a market time: ten lots at 10 ct/kWh."""
    members: dict[str, Any] = {"market": text_id(CODE), "session": GATE, "mtu": mtu, "side": Side.BID}
    members |= {"limit_neur_per_wh": 100_000, "quantity_lots": 10, "account": ACCOUNT.address}
    signed = Order(**members | {"order_id": mtu.to_bytes(16, "big"), "revision": 0, "salt": ZERO_HASH} | changes)
    digest = signed.digest(DOMAIN)
    return OrderAccepted(
        order=signed,
        signature=AGENT.sign(digest),
        order_key=to_hex(AGENT.address),
        tag=tag_of(digest),
        market=CODE,
        point="P1",
        market_time=at,
        rules=RULES,
        mandate=mandate.tag(DOMAIN),
    )


def cleared(*orders: OrderAccepted) -> PackagedSession:
    """A session in which these orders were accepted whole, one in each MTU."""
    clearings = []
    for item in sorted(orders, key=lambda found: found.order.mtu):
        word = item.order.word(tag=item.tag)
        accepted = word.with_result(cap_lots=word.cap_lots, accepted_lots=word.quantity_lots)
        clearings.append(PackagedClearing(item.order.mtu, 90_000, (accepted.pack(),)))
    mask = sum(1 << item.mtu - FIRST for item in clearings)
    return PackagedSession(CODE, GATE, FIRST, 96, ZERO_HASH, ZERO_HASH, mask, 0, mask, (), tuple(clearings))


def basis(*orders: OrderAccepted, **changes: Any) -> Basis:
    """The facts of a day with these orders."""
    party = Participant(
        "household", ParticipantKind.HOUSEHOLD, AREA, to_hex(ACCOUNT.address), "P1", 1, 1, 0, bytes(65), bytes(65)
    )
    market = Market(CODE, AREA, LOT_WH, 1, -1, 1, 1, 1, 1, "12:00")
    names = ("meters", "keys", "tariffs", "agreements", "replacements", "programs", "attestations", "earlier")
    members: dict[str, Any] = dict.fromkeys((*names, "ends", "revocations"), ())
    members |= {"parties": (party,), "markets": (market,), "area": AREA, "period": 1, "revision": 0}
    members |= {"first_mtu": FIRST, "count": 96, "grid_model": JsonDocument({}), "mandates": (granted(),)}
    members |= {"orders": tuple(sorted(orders, key=lambda item: item.tag)), "sessions": (cleared(*orders),)}
    return Basis(**members | changes)


def check(day: Basis) -> str:
    """What an attester does with agents' orders; the account's key that they all rest on."""
    shown = check_mandates(day, DOMAIN)
    (key,) = {check_under_mandate(day, item, shown) for item in day.orders}
    check_energies(day, shown)
    return key


@pytest.mark.parametrize("at", [1_000, 1_500, 2_000])
def test_check__order_within_its_mandate__rests_on_the_accounts_key(at: int) -> None:
    assert check(basis(order(at=at), revocations=(revoked(),))) == to_hex(DEVICE.address)


def test_check__point_of_a_successor__is_that_of_the_first_account() -> None:
    successor = replace(MANDATE, account=to_hex(STRANGER.address))
    item = order(account=STRANGER.address, mandate=successor)
    gave_way = Replacement(MANDATE.account, successor.account, FIRST)

    day = basis(item, mandates=(granted(successor),), replacements=(gave_way,))
    assert check(day) == to_hex(DEVICE.address)


def _with(**changes: Any) -> Callable[[], Basis]:
    """A day under another mandate."""
    given = replace(MANDATE, **changes)
    return lambda: basis(order(mandate=given), mandates=(granted(given),))


WRONG: dict[str, tuple[Callable[[], Basis], str]] = {
    "no mandate shown": (lambda: basis(order(), mandates=()), "is not shown"),
    "forged": (lambda: basis(order(), mandates=(granted(key=AGENT),)), "not signed by its order key"),
    "another tag": (lambda: basis(order(), mandates=(granted(tag=bytes(16)),)), "its tag is not that"),
    "before it was recorded": (lambda: basis(order(at=999)), "recorded after it"),
    "after its end": (lambda: basis(order(at=2_001), revocations=(revoked(),)), "had been revoked"),
    "end signed by another": (lambda: basis(order(), revocations=(revoked(AGENT),)), "not signed by its order key"),
    "end of another mandate": (
        lambda: basis(order(), revocations=(revoked(agent=to_hex(STRANGER.address)),)),
        "it ends no mandate",
    ),
    "another agent's": (_with(agent=to_hex(STRANGER.address)), "another agent's"),
    "another account's": (_with(account=to_hex(STRANGER.address)), "another account's"),
    "another point": (_with(points=("P2",)), "its point is not in its mandate"),
    "another market": (_with(markets=("TEST/ID",)), "its market is not in its mandate"),
    "before its MTUs": (_with(from_mtu=FIRST + 1), "its mtu is not in its mandate"),
    "after its MTUs": (_with(to_mtu=FIRST), "its mtu is not in its mandate"),
    "beyond its price": (_with(highest_buy_neur_per_wh=99_999), "beyond its mandate's price"),
    "no zone": (_with(zone="Mars/Olympus"), "in no zone"),
    "beyond its energy in an MTU": (_with(mtu_buy_wh=99), "it allows 99 Wh"),
    "beyond its energy in a day": (
        lambda: basis(order(FIRST + 1), order(FIRST + 2)),
        "200 Wh in 2016-06-17, it allows 150 Wh",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_check__beyond_a_mandate__is_refused(name: str) -> None:
    make, reason = WRONG[name]

    with pytest.raises(WrongInput, match=reason):
        check(make())


def test_check__two_local_days__count_apart() -> None:
    assert check(basis(order(FIRST), order(FIRST + 1))) == to_hex(DEVICE.address)
