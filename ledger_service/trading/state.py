"""What order intake must know to decide, held in memory and kept in step with the journal.

Everything here follows from facts: it is loaded from the views once and then moved forward by each new entry, whoever
appended it. So a second process, the registry and the gate are seen as soon as they have committed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

from sqlalchemy import Connection, select

from domain.areas import Area
from domain.facts import (
    AccountReplaced,
    AgreementSigned,
    AreaDefined,
    BookClosed,
    Fact,
    GuaranteeGiven,
    KeyRegistered,
    MandateGranted,
    MandateRevoked,
    MarketDefined,
    MtuCleared,
    OrderAccepted,
    OrderCancelled,
    ParticipantRegistered,
    ScheduleNominated,
    SessionDone,
    SessionLapsed,
    SessionOpened,
    TariffPublished,
    TermEnded,
    cleared_key,
    over_keys,
)
from domain.markets import Market
from domain.mtu import MTU_END
from domain.parties import Guarantee, Participant
from domain.terms import Agreement, EndedTerm, Tariff, TermEnd, agreement_in_force
from domain.words import OrderWord, Side
from ledger_service.market import queries as markets
from ledger_service.market.queries import Session
from ledger_service.market.views import MARKET_FACTS
from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import READ_BATCH_ENTRIES, read_entries, read_head
from ledger_service.record.keys import find_entries
from ledger_service.registry import queries as registry
from ledger_service.registry.mandates import mandates
from ledger_service.registry.views import REGISTRY_FACTS
from ledger_service.trading import queries
from ledger_service.trading.mandates import DAY_MTUS_MAX, Mandates
from ledger_service.trading.positions import AreaPositions, SessionKey
from ledger_service.trading.queries import BookOrder, Schedule
from ledger_service.trading.tables import trading_order
from ledger_service.trading.views import TRADING_FACTS

STATE_FACTS: tuple[type[Fact], ...] = (*REGISTRY_FACTS, *MARKET_FACTS, *TRADING_FACTS, MtuCleared, SessionDone)
"""Facts that change what intake may accept."""


@dataclass(slots=True)
class Holder:
    """A participant as intake sees it: keys and agreements as recorded, its last line, its exposure per MTU."""

    participant: Participant
    keys: list[tuple[int, str]] = field(default_factory=list)
    agreements: list[Agreement] = field(default_factory=list)
    credit_neur: int | None = None
    guarantor: str | None = None
    cost_by_mtu: dict[int, int] = field(default_factory=dict)
    exposure_neur: int = 0

    def key_at(self, mtu: int) -> str | None:
        """The key that may sign for an MTU: the last recorded of those that begin by then."""
        return next((order_key for first_mtu, order_key in reversed(self.keys) if first_mtu <= mtu), None)

    def add_cost(self, *, mtu: int, amount_neur: int) -> None:
        """Raise (or lower) what the holder's orders may cost at worst."""
        self.exposure_neur += amount_neur
        left = self.cost_by_mtu.get(mtu, 0) + amount_neur
        if left:
            self.cost_by_mtu[mtu] = left
        else:
            self.cost_by_mtu.pop(mtu, None)

    def drop_settled(self, before_mtu: int) -> None:
        """Forget MTUs that are in the balance already."""
        for mtu in [mtu for mtu in self.cost_by_mtu if mtu < before_mtu]:
            self.exposure_neur -= self.cost_by_mtu.pop(mtu)


@dataclass(slots=True)
class MarketBook:
    """One market: its rules, and its open sessions by gate."""

    market: Market
    sessions: dict[int, Session] = field(default_factory=dict)


def worst_cost_neur(*, market: Market, side: Side, limit_neur_per_wh: int, quantity_lots: int) -> int:
    """The most an order can cost its holder: a bid at its limit; an ask that would even pay to be rid of its energy."""
    price = limit_neur_per_wh if side is Side.BID else -limit_neur_per_wh
    return max(price, 0) * quantity_lots * market.lot_wh


class TradingState:
    """The whole of it. Not thread-safe: only the holder of the write transaction uses it."""

    def __init__(self) -> None:
        self.sequence = 0
        self.markets: dict[bytes, MarketBook] = {}
        self.by_code: dict[str, MarketBook] = {}
        self.holders: dict[str, Holder] = {}
        self.successors: dict[str, str] = {}  # of replaced accounts: who has their place, in the end
        self.account_by_key: dict[str, str] = {}
        self.ends: dict[tuple[EndedTerm, str], int] = {}
        self.tariff_begins: dict[str, int] = {}  # first MTU of each tariff's first version
        self.areas: dict[str, AreaPositions] = {}
        self.orders: dict[tuple[str, bytes], BookOrder] = {}  # of open sessions, by account and order id
        self.places: dict[SessionKey, set[tuple[str, bytes]]] = {}  # of `orders`, by session
        self.tags: dict[SessionKey, set[tuple[int, bytes]]] = {}  # MTUs and tags of their live orders
        self.settled_before: dict[str, int] = {}
        self.mandates = Mandates()
        self.zones: dict[str, str] = {}  # by area
        self.attesters: set[str] = set()

    @classmethod
    def load(cls, connection: Connection, *, settled_before: Callable[[str], int]) -> TradingState:
        """Read the views as this connection sees them; orders of MTUs that are settled already are left out.

        `settled_before` gives, for an area's code, its first MTU that is not settled.
        """
        state = cls()
        state.sequence = read_head(connection).sequence
        for area in registry.areas(connection):
            state._add_area(area)
        for market in registry.markets(connection):
            state._add_market(market)
        for participant in registry.participants(connection):
            state.holders[participant.account] = Holder(participant)
        for replacement in registry.replacements(connection):
            state._succeed(replacement.account, replacement.successor)
        for account, present in state.successors.items():
            state.holders[account] = Holder(replace(state.holders[present].participant, account=account))
        for key in registry.order_keys(connection):
            state._add_key(key.account, key.order_key, key.valid_from_mtu)
        for tariff in registry.tariff_versions(connection):
            state._add_tariff(tariff)
        for agreement in registry.agreements(connection):
            state._add_agreement(agreement)
        for end in registry.ends(connection):
            state._add_end(end)
        for given in registry.guarantees(connection):
            state._give_credit(given)
        state.mandates.load(mandates(connection))
        state._load_sessions(connection)
        for book in state.markets.values():
            first_mtu = settled_before(book.market.area)
            of_market = select(trading_order).where(trading_order.c.market == book.market.market)
            for row in connection.execute(of_market.where(trading_order.c.mtu >= first_mtu)):
                state._put_order(queries.order_from_row(row))
            state._load_same_day(connection, book.market, first_mtu)
        state._load_positions(connection)
        return state

    def _load_sessions(self, connection: Connection) -> None:
        """Take in the open sessions, and what was nominated in all that hold some of their MTUs."""
        opened = markets.sessions(connection, closed=False)
        near: dict[tuple[str, int], Session] = {}
        for session in opened:
            self._add_session(session)
            over = markets.sessions_over(
                connection, area=session.area, first_mtu=session.first_mtu, count=session.count
            )
            near |= {(item.market, item.session): item for item in over}
        for session in near.values():
            found = queries.schedules(connection, market=session.market, session=session.session)
            for schedule in found.values():
                self._positions(schedule.market).nominate(schedule)

    def _load_same_day(self, connection: Connection, market: Market, first_mtu: int) -> None:
        """Agents' orders of settled MTUs whose day may still be traded: they count against their mandates alone."""
        c = trading_order.c
        query = select(trading_order).where(
            c.market == market.market,
            c.mandate.is_not(None),
            c.withdrawn.is_(False),
            c.mtu >= first_mtu - DAY_MTUS_MAX,
            c.mtu < first_mtu,
        )
        for row in connection.execute(query):
            self.mandates.add(queries.order_from_row(row), lot_wh=market.lot_wh)

    def _load_positions(self, connection: Connection) -> None:
        """Take in what became of closed books whose MTUs, or days, another session of the area still trades."""
        keys = set()
        for (market, session), waiting in self.mandates.waiting.items():
            if session not in self.by_code[market].sessions:
                keys |= {cleared_key(market=market, session=session, mtu=mtu) for mtu in waiting}
                keys |= set(over_keys(market=market, session=session))
        for area in self.areas.values():
            for (market, session), mtus in area.awaiting.items():
                keys |= {cleared_key(market=market, session=session, mtu=mtu) for mtu in mtus}
                keys |= set(over_keys(market=market, session=session))
        for entry in sorted(find_entries(connection, keys).values(), key=lambda entry: entry.sequence):
            self.apply(entry)

    def catch_up(self, tx: Transaction) -> None:
        """Take in what others have appended since."""
        head = tx.head.sequence
        while self.sequence < head:
            entries = read_entries(tx.connection, after=self.sequence, kinds=STATE_FACTS, limit=READ_BATCH_ENTRIES)
            for entry in entries:
                self.apply(entry)
            self.sequence = entries[-1].sequence if len(entries) == READ_BATCH_ENTRIES else head

    def apply(self, entry: Entry) -> None:
        """Take in one fact; kinds that do not matter here, and erased facts, change nothing."""
        match entry.fact:
            case OrderAccepted() as fact:
                self._put_order(BookOrder.of(fact, entry.sequence))
            case OrderCancelled() as fact:
                self._withdraw(fact, entry.sequence)
            case ScheduleNominated() as fact:
                schedule = Schedule(
                    market=fact.market,
                    session=fact.session,
                    first_mtu=fact.first_mtu,
                    point=fact.point,
                    revision=fact.revision,
                    net_wh=fact.net_wh,
                )
                self._positions(fact.market).nominate(schedule)
            case MandateGranted() as fact:
                self.mandates.grant(fact, entry.sequence)
            case MandateRevoked() as fact:
                self.mandates.revoke(fact, entry.sequence)
            case fact:
                self._apply_frame(fact)

    def _apply_frame(self, fact: Fact | None) -> None:
        """Take in a fact of the registry or the calendar."""
        match fact:
            case AreaDefined(area):
                self._add_area(area)
            case MarketDefined(market):
                self._add_market(market)
            case ParticipantRegistered(participant):
                self.holders[participant.account] = Holder(participant)
            case AccountReplaced(replacement):
                self._replace(replacement.account, replacement.successor)
            case KeyRegistered(key):
                self._add_key(key.account, key.order_key, key.valid_from_mtu)
            case TariffPublished(tariff):
                self._add_tariff(tariff)
            case AgreementSigned(agreement):
                self._add_agreement(agreement)
            case TermEnded(end):
                self._add_end(end)
            case GuaranteeGiven(guarantee):
                self._give_credit(guarantee)
            case SessionOpened() as opened:
                names = {item.name: getattr(opened, item.name) for item in fields(opened)}
                self._add_session(Session(**names, closed=False))
            case BookClosed(market=code, session=gate):
                self._close(code, gate)
            case MtuCleared(market=code, session=gate, mtu=mtu, words=packed):
                words, lot_wh = list(map(OrderWord.unpack, packed)), self.by_code[code].market.lot_wh
                self._positions(code).decide((code, gate), mtu, words, lot_wh=lot_wh)
                self.mandates.decide((code, gate), mtu, words, lot_wh=lot_wh)
            case SessionDone(market=code, session=gate) | SessionLapsed(market=code, session=gate):
                self._close(code, gate)  # nothing is left to close but where it lapsed
                self._positions(code).end((code, gate))
                self.mandates.end((code, gate))

    def _positions(self, market: str) -> AreaPositions:
        """Those of the area of a market's code."""
        return self.areas[self.by_code[market].market.area]

    def _withdraw(self, fact: OrderCancelled, sequence: int) -> None:
        before = self.orders.get((fact.account, fact.order_id))
        if before is not None:
            self._put_order(replace(before, revision=fact.revision, withdrawn=True, sequence=sequence))

    def drop_settled(self, settled_before: dict[str, int]) -> None:
        """Forget what orders of MTUs could have cost that are in the balances by now (first other MTU by area)."""
        for area, before_mtu in settled_before.items():
            if before_mtu > self.settled_before.get(area, 0):
                self.settled_before[area] = before_mtu
                here = {account for account, holder in self.holders.items() if holder.participant.area == area}
                for account in here:
                    self.holders[account].drop_settled(before_mtu)
                theirs = (tag for tag, item in self.mandates.by_tag.items() if item.mandate.account in here)
                self.mandates.drop(theirs, before_mtu=before_mtu)

    def plays_a_part(self, address: str) -> bool:
        """Whether an address is a settlement account, present or replaced, an order key or an attester."""
        return (
            address in self.holders
            or address in self.successors
            or address in self.account_by_key
            or address in self.attesters
        )

    def is_supplied(self, holder: Holder, mtu: int) -> bool:
        """Whether a household takes part at an MTU, under an agreement whose tariff is valid then."""
        agreement = agreement_in_force(holder.agreements, self.ends, mtu)
        if agreement is None or not self.takes_part(holder, mtu):
            return False
        begins_mtu = self.tariff_begins.get(agreement.tariff)
        return begins_mtu is not None and begins_mtu <= mtu

    def takes_part(self, holder: Holder, mtu: int) -> bool:
        """Whether a participant's part has begun by an MTU, and not ended."""
        participant = holder.participant
        end_mtu = self.ends.get((EndedTerm.PARTICIPATION, participant.participant), MTU_END)
        return participant.valid_from_mtu <= mtu < end_mtu

    def _replace(self, account: str, successor: str) -> None:
        """The successor has what the account had: agreements, lines, orders and positions; keys can still withdraw."""
        held = self.holders.get(account)
        if held is not None:
            self.holders[successor] = replace(held, participant=replace(held.participant, account=successor), keys=[])
            self.holders[account] = Holder(held.participant, keys=held.keys)
        for holder in self.holders.values():
            if holder.guarantor == account:
                holder.guarantor = successor
        for area in self.areas.values():
            area.rename(account, successor)
        self._succeed(account, successor)

    def _succeed(self, account: str, successor: str) -> None:
        for replaced, present in self.successors.items():
            if present == account:
                self.successors[replaced] = successor
        self.successors[account] = successor

    def present(self, order: BookOrder) -> BookOrder:
        """The order as that of the account which answers for it now."""
        successor = self.successors.get(order.account)
        return order if successor is None else replace(order, account=successor)

    def _add_tariff(self, tariff: Tariff) -> None:
        begins_mtu = self.tariff_begins.get(tariff.tariff, tariff.valid_from_mtu)
        self.tariff_begins[tariff.tariff] = min(begins_mtu, tariff.valid_from_mtu)

    def _add_agreement(self, agreement: Agreement) -> None:
        holder = self.holders.get(agreement.account)
        if holder is not None:
            holder.agreements.append(agreement)

    def _add_end(self, end: TermEnd) -> None:
        self.ends[end.term, end.name] = end.end_mtu

    def _give_credit(self, given: Guarantee) -> None:
        holder = self.holders.get(given.account)
        if holder is not None:  # None where the holder's registration was erased
            holder.credit_neur, holder.guarantor = given.credit_neur, given.guarantor

    def _add_area(self, area: Area) -> None:
        self.zones[area.area] = area.zone
        self.attesters |= {attester.address for attester in area.attesters}

    def _add_market(self, market: Market) -> None:
        book = MarketBook(market)
        self.markets[market.market_id] = self.by_code[market.market] = book
        self.areas.setdefault(market.area, AreaPositions())

    def _add_key(self, account: str, order_key: str, valid_from_mtu: int) -> None:
        holder = self.holders.get(account)
        if holder is not None:
            self.account_by_key[order_key] = account
            holder.keys.append((valid_from_mtu, order_key))

    def _add_session(self, session: Session) -> None:
        book = self.by_code[session.market]
        if not session.closed:
            book.sessions[session.session] = session
            self.tags[session.market, session.session] = set()
            self._positions(session.market).open(session)

    def _close(self, market: str, gate: int) -> None:
        """The orders of a session can no longer change; what they may cost stays until its MTUs are settled."""
        session = self.by_code[market].sessions.pop(gate, None)
        if session is None:
            return
        positions = self._positions(market)
        positions.close(session)
        self.tags.pop((market, gate), None)
        for place in self.places.pop((market, gate), ()):
            order = self.orders.pop(place)
            if not order.withdrawn:
                positions.await_result(self.present(order))

    def _put_order(self, order: BookOrder) -> None:
        """Take in an order's new last revision, in place of the one before."""
        book, place = self.by_code[order.market], (order.account, order.order_id)
        before = self.orders.get(place)
        if before is not None and not before.withdrawn:
            self._uncount(book.market, before)
        if order.session in book.sessions:
            self.orders[place] = order
            self.places.setdefault((order.market, order.session), set()).add(place)
        elif not order.withdrawn:
            self._positions(order.market).await_result(self.present(order))
        if not order.withdrawn:
            self._count(book, order)

    def _count(self, book: MarketBook, order: BookOrder) -> None:
        self._add_cost(book.market, order, 1)
        self._positions(order.market).add(self.present(order), lot_wh=book.market.lot_wh)
        self.mandates.add(order, lot_wh=book.market.lot_wh)
        if order.session in book.sessions:
            self.tags[order.market, order.session].add((order.mtu, order.tag))

    def _uncount(self, market: Market, order: BookOrder) -> None:
        """Take a live order of an open session out of all sums."""
        self._add_cost(market, order, -1)
        self._positions(order.market).remove(self.present(order), lot_wh=market.lot_wh)
        self.mandates.remove(order)
        self.tags[order.market, order.session].discard((order.mtu, order.tag))

    def _add_cost(self, market: Market, order: BookOrder, sign: int) -> None:
        holder = self.holders.get(self.present(order).account)
        if holder is not None:
            cost = worst_cost_neur(
                market=market,
                side=order.side,
                limit_neur_per_wh=order.limit_neur_per_wh,
                quantity_lots=order.quantity_lots,
            )
            holder.add_cost(mtu=order.mtu, amount_neur=sign * cost)
