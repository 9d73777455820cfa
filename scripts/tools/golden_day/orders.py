"""What devices send in the golden day: orders, changes, cancels, schedules and mandates, signed, with their facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.eip712 import CANCEL
from domain.facts import (
    MandateGranted,
    MandateRevoked,
    OrderAccepted,
    OrderCancelled,
    OrderRules,
    ScheduleNominated,
)
from domain.hashing import text_id, to_hex
from domain.mandates import Mandate, revocation_digest
from domain.orders import Order, cancel_digest, schedule_digest, schedule_hash, tag_of
from domain.signing import recover
from domain.words import Side, word_bytes
from ledger_service.market.queries import Session
from ledger_service.trading.queries import BookOrder
from ledger_service.trading.receipts import RECEIPT_RULE
from scripts.tools.golden_day.people import (
    AGENT,
    COUNT,
    FIRST,
    GATE,
    HOUSEHOLDS,
    LATER_GATE,
    MARKET,
    ZONE,
    address,
    domain_of,
    key_of,
    noise,
)

BID, ASK = Side.BID, Side.ASK
DOMAIN = domain_of("Market")
SECONDS_BETWEEN = 10
"""From one message to the next."""

BEFORE_GATE_S = 3_600
"""When the first message comes."""


@dataclass(frozen=True, slots=True)
class SentOrder:
    """An order of a party: the MTU counted from the day's first, limit in nEUR/Wh, lots; `name` is that of its id.

    `agent` signs it in place of the party's device, under the last mandate that it was given.
    """

    who: str
    mtu: int
    side: Side
    limit: int
    lots: int
    name: str
    revision: int = 0
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A mandate that a household's device gives an agent for its point and the day's MTUs."""

    who: str
    agent: str
    highest_buy: int
    lowest_sell: int
    nonce: int


@dataclass(frozen=True, slots=True)
class Revocation:
    """The end of the last mandate that a household gave an agent."""

    who: str
    agent: str


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A cancel of a party's order."""

    who: str
    name: str


@dataclass(frozen=True, slots=True)
class Nomination:
    """A schedule of a household's point, Wh per MTU."""

    who: str
    net_wh: tuple[int, ...]
    revision: int = 0


Row = SentOrder | Withdrawal | Nomination | Grant | Revocation
Sent = OrderAccepted | OrderCancelled | ScheduleNominated | MandateGranted | MandateRevoked

SENT: dict[int, tuple[Row, ...]] = {
    GATE: (
        Nomination("h1", (-900, -4_000, -600, -900, -300, -200, -150)),
        Nomination("h1", (-900, -5_000, -600, -900, -300, -200, -150), revision=1),
        Nomination("h2", (250, 1_500, 200, 320, 90, 310, 100)),
        Nomination("h4", (60, 1_400, 130, 90, 7_000, 80, 120)),
        # A tie among bids, one of them a change; a cancel.
        SentOrder("h1", 0, ASK, 60_000, 30, "a"),
        SentOrder("h4", 0, BID, 200_000, 5, "a"),
        SentOrder("h2", 0, BID, 110_000, 20, "a"),
        SentOrder("h3", 0, BID, 120_000, 20, "a"),
        SentOrder("h3", 0, ASK, 50_000, 10, "x"),
        SentOrder("h2", 0, BID, 120_000, 25, "a", revision=1),
        Withdrawal("h3", "x"),
        # More than p1's cable bears.
        SentOrder("h1", 1, ASK, 50_000, 200, "b"),
        SentOrder("h1", 1, ASK, 70_000, 200, "c"),
        SentOrder("h2", 1, BID, 150_000, 150, "b"),
        SentOrder("h3", 1, BID, 140_000, 120, "b"),
        SentOrder("h4", 1, BID, 130_000, 150, "b"),
        # Below zero, and between two limits.
        SentOrder("h1", 2, ASK, -61_000, 25, "d"),
        SentOrder("h2", 2, BID, -20_000, 15, "c"),
        SentOrder("h4", 2, BID, -40_000, 10, "c"),
        # The retailer buys what is left.
        SentOrder("h1", 3, ASK, 80_000, 80, "e"),
        SentOrder("h2", 3, BID, 100_000, 30, "d"),
        SentOrder("retail", 3, BID, 90_000, 50, "a"),
        # Nothing crosses.
        SentOrder("h1", 4, ASK, 90_000, 10, "f"),
        SentOrder("h3", 4, BID, 30_000, 10, "c"),
        # A bid filled in part.
        SentOrder("h3", 5, ASK, 70_000, 20, "d"),
        SentOrder("h2", 5, BID, 95_000, 30, "e"),
        # Traded, and not read in time: by an agent, whose second mandate takes the place of the first.
        SentOrder("h1", 6, ASK, 75_000, 12, "g"),
        Grant("h2", AGENT, highest_buy=90_000, lowest_sell=60_000, nonce=1),
        Grant("h2", AGENT, highest_buy=140_000, lowest_sell=60_000, nonce=2),
        SentOrder("h2", 6, BID, 132_000, 9, "h", agent=AGENT),
        SentOrder("h2", 6, BID, 132_000, 12, "h", revision=1, agent=AGENT),
    ),
    LATER_GATE: (
        Nomination("h1", (-850, -4_800)),
        # What was bought is sold again, by the agent; what it sent stands when its mandate ends.
        SentOrder("h2", 0, ASK, 100_000, 8, "g", agent=AGENT),
        Revocation("h2", AGENT),
        SentOrder("h3", 0, BID, 130_000, 8, "e"),
        # What was sold before uses the cap up.
        SentOrder("h1", 1, ASK, 40_000, 20, "i"),
        SentOrder("h3", 1, BID, 100_000, 20, "f"),
    ),
}
"""What comes in before each gate, in its order."""


def sent_in(session: Session, before: Sequence[Sent]) -> tuple[Sent, ...]:
    """The facts of all that was sent to a session, in order; `before`: what was sent to earlier ones."""
    facts: list[Sent] = []
    for number, row in enumerate(SENT[session.session]):
        market_time = session.session - BEFORE_GATE_S + number * SECONDS_BETWEEN
        match row:
            case SentOrder():
                facts.append(_accepted(row, session, market_time, [*before, *facts]))
            case Withdrawal():
                facts.append(_cancelled(row, session, market_time, facts))
            case Nomination():
                facts.append(_nominated(row, session, market_time))
            case Grant():
                facts.append(_granted(row, market_time))
            case Revocation():
                facts.append(_revoked(row, market_time, [*before, *facts]))
    return tuple(facts)


def _mandates(account: str, agent: str, before: Sequence[Sent]) -> list[MandateGranted]:
    """The mandates that an account gave an agent, of which the last one counts."""
    given = [fact for fact in before if isinstance(fact, MandateGranted)]
    return [fact for fact in given if (fact.mandate.account, fact.mandate.agent) == (account, agent)]


def _granted(row: Grant, market_time: int) -> MandateGranted:
    mandate = Mandate(
        account=address(row.who),
        agent=address(row.agent),
        points=(HOUSEHOLDS[row.who],),
        markets=(MARKET,),
        highest_buy_neur_per_wh=row.highest_buy,
        lowest_sell_neur_per_wh=row.lowest_sell,
        mtu_buy_wh=300,
        mtu_sell_wh=200,
        day_buy_wh=2_000,
        day_sell_wh=1_000,
        zone=ZONE,
        from_mtu=FIRST,
        to_mtu=FIRST + COUNT,
        nonce=row.nonce,
    )
    device = key_of(f"{row.who}-device")
    return MandateGranted(
        mandate=mandate,
        signature=device.sign(mandate.digest(DOMAIN)),
        order_key=address(f"{row.who}-device"),
        tag=mandate.tag(DOMAIN),
        market_time=market_time,
        rules=OrderRules(receipts=RECEIPT_RULE),
    )


def _revoked(row: Revocation, market_time: int, before: Sequence[Sent]) -> MandateRevoked:
    account, agent = address(row.who), address(row.agent)
    granted = _mandates(account, agent, before)[-1]
    digest = revocation_digest(domain=DOMAIN, account=account, agent=agent, mandate=granted.tag)
    return MandateRevoked(
        mandate=granted.tag,
        account=account,
        agent=agent,
        signature=key_of(f"{row.who}-device").sign(digest),
        order_key=address(f"{row.who}-device"),
        tag=tag_of(digest),
        market_time=market_time,
        rules=OrderRules(receipts=RECEIPT_RULE),
    )


def _order_id(who: str, name: str) -> bytes:
    return noise(f"order {who} {name}")[:16]


def _accepted(row: SentOrder, session: Session, market_time: int, before: Sequence[Sent]) -> OrderAccepted:
    signer = row.agent or f"{row.who}-device"
    granted = _mandates(address(row.who), address(signer), before)
    order = Order(
        market=text_id(MARKET),
        session=session.session,
        mtu=FIRST + row.mtu,
        side=row.side,
        limit_neur_per_wh=row.limit,
        quantity_lots=row.lots,
        account=key_of(row.who).address,
        order_id=_order_id(row.who, row.name),
        revision=row.revision,
        salt=noise(f"salt {row.who} {row.name} {row.revision}"),
    )
    digest = order.digest(DOMAIN)
    return OrderAccepted(
        order=order,
        signature=key_of(signer).sign(digest),
        order_key=address(signer),
        tag=tag_of(digest),
        market=MARKET,
        point=HOUSEHOLDS.get(row.who),
        market_time=market_time,
        rules=OrderRules(receipts=RECEIPT_RULE),
        mandate=granted[-1].tag if granted else None,
    )


def _cancelled(row: Withdrawal, session: Session, market_time: int, before: Sequence[Sent]) -> OrderCancelled:
    found = [fact for fact in before if isinstance(fact, OrderAccepted)]
    last = next(fact for fact in reversed(found) if fact.order.order_id == _order_id(row.who, row.name))
    order, revision = last.order, last.order.revision + 1
    digest = cancel_digest(
        domain=DOMAIN,
        market=order.market,
        session=order.session,
        mtu=order.mtu,
        order_id=order.order_id,
        revision=revision,
    )
    return OrderCancelled(
        market=MARKET,
        session=order.session,
        mtu=order.mtu,
        order_id=order.order_id,
        revision=revision,
        account=to_hex(order.account),
        order_key=last.order_key,
        tag=last.tag,
        signature=key_of(f"{row.who}-device").sign(digest),
        market_time=market_time,
        rules=OrderRules(receipts=RECEIPT_RULE),
    )


def _nominated(row: Nomination, session: Session, market_time: int) -> ScheduleNominated:
    device, point = f"{row.who}-device", HOUSEHOLDS[row.who]
    digest = schedule_digest(
        domain=DOMAIN,
        market=text_id(MARKET),
        session=session.session,
        first_mtu=session.first_mtu,
        point=text_id(point),
        net_wh=list(row.net_wh),
        revision=row.revision,
    )
    return ScheduleNominated(
        market=MARKET,
        session=session.session,
        first_mtu=session.first_mtu,
        point=point,
        net_wh=row.net_wh,
        revision=row.revision,
        account=address(row.who),
        order_key=address(device),
        signature=key_of(device).sign(digest),
        market_time=market_time,
    )


def live_orders(sent: Sequence[Sent]) -> list[BookOrder]:
    """The last revisions of the orders that were not withdrawn, by MTU and ascending tag."""
    live: dict[bytes, BookOrder] = {}
    for sequence, fact in enumerate(sent, 1):
        match fact:
            case OrderAccepted(order=order):
                live[order.order_id] = BookOrder.of(fact, sequence)
            case OrderCancelled():
                del live[fact.order_id]
    return sorted(live.values(), key=lambda order: (order.mtu, order.tag))


# ---- documents


def sent_input(fact: Sent) -> dict[str, Any]:
    """What came in: the fact's payload without what follows from it."""
    follows = {"tag", "rules"} if isinstance(fact, MandateGranted) else {"tag", "rules", "mandate"}
    payload = fact.payload()
    return {"kind": fact.KIND} | {name: value for name, value in payload.items() if name not in follows}


def sent_values(fact: Sent, sent: Sequence[Sent]) -> dict[str, Any]:
    """What follows from one message; `sent`: all that was sent on the day."""
    digest, own = _followed(fact, sent)
    return {"kind": fact.KIND, "digest": to_hex(digest), **own, "signer": to_hex(recover(digest, fact.signature))}


def _followed(fact: Sent, sent: Sequence[Sent]) -> tuple[bytes, dict[str, Any]]:
    """(what was signed, what else follows)."""
    match fact:
        case OrderAccepted(order=order):
            own = {"tag": to_hex(fact.tag), "word": to_hex(word_bytes(order.word(tag=fact.tag).pack()))}
            return order.digest(DOMAIN), own | _under_mandate(fact, sent)
        case OrderCancelled():
            values = {"market": text_id(fact.market), "session": fact.session, "mtu": fact.mtu}
            values |= {"orderId": fact.order_id, "revision": fact.revision}
            return DOMAIN.digest(CANCEL, values), {"tag": to_hex(fact.tag)}
        case MandateGranted():
            return fact.mandate.digest(DOMAIN), {"tag": to_hex(fact.tag)}
        case MandateRevoked(account=account, agent=agent, mandate=tag):
            digest = revocation_digest(domain=DOMAIN, account=account, agent=agent, mandate=tag)
            return digest, {"tag": to_hex(fact.tag), "mandate": to_hex(tag)}
        case ScheduleNominated():
            digest = schedule_digest(
                domain=DOMAIN,
                market=text_id(fact.market),
                session=fact.session,
                first_mtu=fact.first_mtu,
                point=text_id(fact.point),
                net_wh=list(fact.net_wh),
                revision=fact.revision,
            )
            return digest, {"values_hash": to_hex(schedule_hash(fact.net_wh))}


def _under_mandate(fact: OrderAccepted, sent: Sequence[Sent]) -> dict[str, Any]:
    """Of an agent's order: its mandate, and what of the order is not in it."""
    if fact.mandate is None:
        return {}
    mandate = next(one.mandate for one in sent if isinstance(one, MandateGranted) and one.tag == fact.mandate)
    order = fact.order
    outside = list(mandate.outside(market=fact.market, point=fact.point, mtu=order.mtu))
    if not mandate.allows_price(order.side, order.limit_neur_per_wh):
        outside.append("limit")
    return {"mandate": to_hex(fact.mandate), "outside": outside}
