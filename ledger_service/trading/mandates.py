"""What agents may still trade: mandates as order intake sees them, and what was used of each.

An order counts with all of its quantity from its acceptance on, and with what was accepted of it once its MTU was
decided: whatever clears later, the orders of a mandate stay within its limits. Not thread-safe.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from domain.facts import MandateGranted, MandateRevoked
from domain.mandates import day_of
from domain.words import OrderWord, Side
from ledger_service.registry.mandates import Granted, Revoked
from ledger_service.trading.positions import SessionKey
from ledger_service.trading.queries import BookOrder

DAY_MTUS_MAX = 100
"""MTUs of the longest local day: so far back an MTU may count against a day that is still traded."""


@dataclass(frozen=True, slots=True)
class _Held:
    """An order of a book that is not decided, and its whole energy."""

    mandate: bytes
    side: Side
    energy_wh: int


@dataclass(slots=True)
class Mandates:
    """All mandates and their use."""

    by_tag: dict[bytes, Granted] = field(default_factory=dict)
    last: dict[tuple[str, str], bytes] = field(default_factory=dict)  # tag, by account and agent
    accounts: dict[str, list[str]] = field(default_factory=dict)  # those that an agent has a mandate of
    # Wh by mandate, then by MTU and side
    used: dict[bytes, dict[tuple[int, Side], int]] = field(default_factory=dict)
    # orders of books not decided, by session, then MTU and tag
    waiting: dict[SessionKey, dict[int, dict[bytes, _Held]]] = field(default_factory=dict)

    def load(self, mandates: Iterable[Granted]) -> None:
        """Take mandates in, in the order in which they were recorded."""
        for item in mandates:
            self._add(item)

    def grant(self, fact: MandateGranted, sequence: int) -> None:
        """A mandate was recorded."""
        self._add(
            Granted(
                mandate=fact.mandate,
                tag=fact.tag,
                order_key=fact.order_key,
                signature=fact.signature,
                market_time=fact.market_time,
                sequence=sequence,
            )
        )

    def _add(self, item: Granted) -> None:
        account, agent = item.mandate.account, item.mandate.agent
        earlier = self.last.get((account, agent))
        if earlier is not None:
            self.by_tag[earlier] = replace(self.by_tag[earlier], replaced=True)
        self.by_tag[item.tag] = item
        self.last[account, agent] = item.tag
        known = self.accounts.setdefault(agent, [])
        if account not in known:
            known.append(account)

    def revoke(self, fact: MandateRevoked, sequence: int) -> None:
        """A mandate has ended."""
        known = self.by_tag[fact.mandate]
        self.by_tag[fact.mandate] = replace(known, revoked=Revoked(sequence, fact.market_time))

    def of(self, *, account: str, agent: str) -> Granted | None:
        """The last mandate that an account gave an agent, in force or not."""
        tag = self.last.get((account, agent))
        return None if tag is None else self.by_tag[tag]

    # ---- use

    def add(self, order: BookOrder, *, lot_wh: int) -> None:
        """An order stands in a book that is not decided."""
        if order.mandate is not None:
            held = _Held(order.mandate, order.side, order.quantity_lots * lot_wh)
            mtus = self.waiting.setdefault((order.market, order.session), {})
            mtus.setdefault(order.mtu, {})[order.tag] = held
            self._use(order.mtu, held, held.energy_wh)

    def remove(self, order: BookOrder) -> None:
        """It is withdrawn, or another revision takes its place."""
        if order.mandate is None:
            return
        key = order.market, order.session
        held = self.waiting[key][order.mtu].pop(order.tag)
        self._use(order.mtu, held, -held.energy_wh)
        if not self.waiting[key][order.mtu]:
            del self.waiting[key][order.mtu]
        if not self.waiting[key]:
            del self.waiting[key]

    def decide(self, key: SessionKey, mtu: int, words: Iterable[OrderWord], *, lot_wh: int) -> None:
        """A book was cleared with these words, or ended with none: what was not accepted is free again."""
        orders = self.waiting.get(key, {}).pop(mtu, {})
        accepted = {word.tag.to_bytes(16, "big"): word.accepted_lots * lot_wh for word in words} if orders else {}
        for tag, held in orders.items():
            self._use(mtu, held, accepted.get(tag, 0) - held.energy_wh)
        if not self.waiting.get(key, True):
            del self.waiting[key]

    def end(self, key: SessionKey) -> None:
        """A session is over: what was not cleared until now traded nothing."""
        for mtu in list(self.waiting.get(key, ())):
            self.decide(key, mtu, (), lot_wh=0)

    def _use(self, mtu: int, held: _Held, energy_wh: int) -> None:
        used, place = self.used.setdefault(held.mandate, {}), (mtu, held.side)
        used[place] = used.get(place, 0) + energy_wh
        if not used[place]:
            del used[place]
        if not used:
            del self.used[held.mandate]

    def mtu_wh(self, tag: bytes, *, mtu: int, side: Side) -> int:
        """What a mandate's orders have bought (sold), or may come to, in an MTU."""
        return self.used.get(tag, {}).get((mtu, side), 0)

    def day_wh(self, tag: bytes, *, mtu: int, side: Side) -> int:
        """The same in the local day of an MTU."""
        zone, used = self.by_tag[tag].mandate.zone, self.used.get(tag, {})
        day = day_of(mtu, zone)
        return sum(wh for (other, of), wh in used.items() if of is side and day_of(other, zone) == day)

    def drop(self, tags: Iterable[bytes], *, before_mtu: int) -> None:
        """Forget what these mandates used in MTUs that share no day with one from `before_mtu` on."""
        for tag in tags:
            used = self.used.get(tag, {})
            for place in [place for place in used if place[0] < before_mtu - DAY_MTUS_MAX]:
                del used[place]
