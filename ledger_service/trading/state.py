"""What order intake must know to decide, held in memory and kept in step with the journal.

Everything here follows from facts: it is loaded from the views once and then moved forward by each new entry, whoever
appended it. So a second process, the registry and the gate are seen as soon as they have committed.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace

from sqlalchemy import Connection, select

from domain.facts import (
    AgreementSigned,
    BookClosed,
    Fact,
    GuaranteeGiven,
    KeyRegistered,
    MarketDefined,
    MtuCleared,
    OrderAccepted,
    OrderCancelled,
    ParticipantRegistered,
    ScheduleNominated,
    SessionDone,
    SessionOpened,
    TariffPublished,
    cleared_key,
    done_key,
)
from domain.hashing import to_hex
from domain.markets import Market
from domain.parties import Guarantee, Participant
from domain.terms import Agreement, Tariff
from domain.words import OrderWord, Side
from ledger_service.market import queries as markets
from ledger_service.market.queries import Session
from ledger_service.market.views import MARKET_FACTS
from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import READ_BATCH_ENTRIES, read_entries, read_head
from ledger_service.record.keys import find_entries
from ledger_service.registry import queries as registry
from ledger_service.registry.views import REGISTRY_FACTS
from ledger_service.trading import queries
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

    def agreement_at(self, mtu: int) -> Agreement | None:
        """The agreement in force at an MTU, as settlement takes it."""
        begun = (item for item in self.agreements if item.valid_from_mtu <= mtu)
        return max(begun, key=lambda item: (item.valid_from_mtu, item.version, item.agreement), default=None)

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
class Usage:
    """A holder's live orders of one MTU: energy per side, and the limits of each side in ascending order."""

    bid_wh: int = 0
    ask_wh: int = 0
    bid_limits: list[int] = field(default_factory=list)
    ask_limits: list[int] = field(default_factory=list)

    def limits(self, side: Side) -> list[int]:
        """The limits of one side, nEUR/Wh, ascending."""
        return self.bid_limits if side is Side.BID else self.ask_limits


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
        self.account_by_key: dict[str, str] = {}
        self.tariff_begins: dict[str, int] = {}  # first MTU of each tariff's first version
        self.orders: dict[tuple[str, bytes], BookOrder] = {}
        self.usage: dict[tuple[str, int], dict[tuple[str, int], Usage]] = {}  # by account and MTU, market and session
        self.tags: dict[str, set[tuple[int, int, bytes]]] = {}
        self.by_area: dict[str, list[MarketBook]] = {}
        # Accounts by tag of closed books not yet decided, by market, session and MTU.
        self.awaited: dict[tuple[str, int, int], dict[bytes, str]] = {}
        self.net_wh: dict[tuple[str, int], int] = {}  # + = bought, in books decided while another of the area is open
        # By area and point, gate and market, the last gate first.
        self.schedules: dict[tuple[str, str], dict[tuple[int, str], Schedule]] = {}
        self.settled_before: dict[str, int] = {}

    @classmethod
    def load(cls, connection: Connection, *, settled_before: Callable[[str], int]) -> TradingState:
        """Read the views as this connection sees them; orders of MTUs that are settled already are left out.

        `settled_before` gives, for an area's code, its first MTU that is not settled.
        """
        state = cls()
        state.sequence = read_head(connection).sequence
        for market in registry.markets(connection):
            state._add_market(market)
        for participant in registry.participants(connection):
            state.holders[participant.account] = Holder(participant)
        for key in registry.order_keys(connection):
            state._add_key(key.account, key.order_key, key.valid_from_mtu)
        for tariff in registry.tariff_versions(connection):
            state._add_tariff(tariff)
        for agreement in registry.agreements(connection):
            state._add_agreement(agreement)
        for given in registry.guarantees(connection):
            state._give_credit(given)
        state._load_sessions(connection)
        for book in state.markets.values():
            unsettled = select(trading_order).where(
                trading_order.c.market == book.market.market,
                trading_order.c.mtu >= settled_before(book.market.area),
            )
            for row in connection.execute(unsettled):
                state._put_order(queries.order_from_row(row))
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
                self._put_schedule(schedule)

    def _load_positions(self, connection: Connection) -> None:
        """Take in what became of closed books whose MTUs another session of the area still trades."""
        for market, session, mtu in list(self.awaited):
            keys = [cleared_key(market=market, session=session, mtu=mtu), done_key(market=market, session=session)]
            for entry in find_entries(connection, keys).values():
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
                self._put_order(_book_order(fact, entry.sequence))
            case OrderCancelled() as fact:
                self._withdraw(fact, entry.sequence)
            case ScheduleNominated() as fact:
                self._put_schedule(
                    Schedule(
                        market=fact.market,
                        session=fact.session,
                        first_mtu=fact.first_mtu,
                        point=fact.point,
                        revision=fact.revision,
                        net_wh=fact.net_wh,
                    )
                )
            case fact:
                self._apply_frame(fact)

    def _apply_frame(self, fact: Fact | None) -> None:
        """Take in a fact of the registry or the calendar."""
        match fact:
            case MarketDefined(market):
                self._add_market(market)
            case ParticipantRegistered(participant):
                self.holders[participant.account] = Holder(participant)
            case KeyRegistered(key):
                self._add_key(key.account, key.order_key, key.valid_from_mtu)
            case TariffPublished(tariff):
                self._add_tariff(tariff)
            case AgreementSigned(agreement):
                self._add_agreement(agreement)
            case GuaranteeGiven(guarantee):
                self._give_credit(guarantee)
            case SessionOpened() as opened:
                names = {item.name: getattr(opened, item.name) for item in fields(opened)}
                self._add_session(Session(**names, closed=False))
            case BookClosed(market=code, session=gate):
                self._close(code, gate)
            case MtuCleared(market=code, session=gate, mtu=mtu, words=words):
                self._decide(code, gate, mtu, [OrderWord.unpack(word) for word in words])
            case SessionDone(market=code, session=gate):
                for mtu in [key[2] for key in self.awaited if key[:2] == (code, gate)]:
                    self._decide(code, gate, mtu, ())

    def _withdraw(self, fact: OrderCancelled, sequence: int) -> None:
        before = self.orders.get((fact.account, fact.order_id))
        if before is not None:
            self._put_order(replace(before, revision=fact.revision, withdrawn=True, sequence=sequence))

    def drop_settled(self, settled_before: dict[str, int]) -> None:
        """Forget what orders of MTUs could have cost that are in the balances by now (first other MTU by area)."""
        for area, before_mtu in settled_before.items():
            if before_mtu > self.settled_before.get(area, 0):
                self.settled_before[area] = before_mtu
                for holder in self.holders.values():
                    if holder.participant.area == area:
                        holder.drop_settled(before_mtu)

    def export_wh(self, *, market: Market, session: Session, point: str, mtu: int) -> int:
        """Export nominated for an MTU in a session, else in the last one gated before it; 0 without a nomination."""
        nominated = self.schedules.get((market.area, point), {})
        for (gate, _), schedule in nominated.items():
            at = mtu - schedule.first_mtu
            if gate <= session.session and 0 <= at < len(schedule.net_wh):
                return max(-schedule.net_wh[at], 0)
        return 0

    def schedule_of(self, *, market: Market, session: int, point: str) -> Schedule | None:
        """The schedule nominated for a point in a session."""
        return self.schedules.get((market.area, point), {}).get((session, market.market))

    def usage_of(self, *, account: str, market: str, session: int, mtu: int) -> Usage | None:
        """An account's live orders in one book."""
        return self.usage.get((account, mtu), {}).get((market, session))

    def energy_wh(self, *, account: str, area: str, mtu: int, side: Side) -> int:
        """What an account may come to buy (or sell) in an MTU over all markets of its area, at most.

        Its orders of that side in books that are open or not yet decided, and what it has bought (sold) net in others.
        """
        markets = {book.market.market for book in self.by_area[area]}
        found = [usage for (market, _), usage in self.usage.get((account, mtu), {}).items() if market in markets]
        net_wh = self.net_wh.get((account, mtu), 0)
        if side is Side.BID:
            return sum(usage.bid_wh for usage in found) + net_wh
        return sum(usage.ask_wh for usage in found) - net_wh

    def is_supplied(self, holder: Holder, mtu: int) -> bool:
        """Whether a household has an agreement at an MTU whose tariff is valid then."""
        agreement = holder.agreement_at(mtu)
        if agreement is None:
            return False
        begins_mtu = self.tariff_begins.get(agreement.tariff)
        return begins_mtu is not None and begins_mtu <= mtu

    def _add_tariff(self, tariff: Tariff) -> None:
        begins_mtu = self.tariff_begins.get(tariff.tariff, tariff.valid_from_mtu)
        self.tariff_begins[tariff.tariff] = min(begins_mtu, tariff.valid_from_mtu)

    def _add_agreement(self, agreement: Agreement) -> None:
        holder = self.holders.get(agreement.account)
        if holder is not None:
            holder.agreements.append(agreement)

    def _give_credit(self, given: Guarantee) -> None:
        holder = self.holders.get(given.account)
        if holder is not None:  # None where the holder's registration was erased
            holder.credit_neur, holder.guarantor = given.credit_neur, given.guarantor

    def _add_market(self, market: Market) -> None:
        book = MarketBook(market)
        self.markets[market.market_id] = self.by_code[market.market] = book
        self.by_area.setdefault(market.area, []).append(book)
        self.tags[market.market] = set()

    def _add_key(self, account: str, order_key: str, valid_from_mtu: int) -> None:
        holder = self.holders.get(account)
        if holder is not None:
            self.account_by_key[order_key] = account
            holder.keys.append((valid_from_mtu, order_key))

    def _add_session(self, session: Session) -> None:
        book = self.by_code[session.market]
        if not session.closed:
            book.sessions[session.session] = session

    def _close(self, market: str, gate: int) -> None:
        book = self.by_code[market]
        session = book.sessions.pop(gate, None)
        if session is None:
            return
        closed = {key: item for key, item in self.orders.items() if (item.market, item.session) == (market, gate)}
        for order in closed.values():
            if not order.withdrawn:
                self._await(order)
        # Costs stay until the MTUs are settled; the orders themselves can no longer change.
        self.orders = {key: item for key, item in self.orders.items() if key not in closed}
        self.tags[market] = {item for item in self.tags[market] if item[0] != gate}
        self._forget(book.market.area, session)

    def _await(self, order: BookOrder) -> None:
        """Remember whose a closed order is until its book is decided, if its MTU can still be traded elsewhere."""
        if self._is_tradable(self.by_code[order.market].market.area, order.mtu):
            self.awaited.setdefault((order.market, order.session, order.mtu), {})[order.tag] = order.account

    def _is_tradable(self, area: str, mtu: int) -> bool:
        return any(mtu in session.mtus for book in self.by_area[area] for session in book.sessions.values())

    def _forget(self, area: str, session: Session) -> None:
        """Drop what was kept of MTUs that no session of the area trades any more."""
        gone = {mtu for mtu in session.mtus if not self._is_tradable(area, mtu)}
        if not gone:
            return
        codes = {book.market.market for book in self.by_area[area]}
        accounts = {account for account, holder in self.holders.items() if holder.participant.area == area}
        self.usage = {key: item for key, item in self.usage.items() if key[0] not in accounts or key[1] not in gone}
        self.awaited = {key: item for key, item in self.awaited.items() if key[0] not in codes or key[2] not in gone}
        self.net_wh = {key: wh for key, wh in self.net_wh.items() if key[0] not in accounts or key[1] not in gone}
        for place in [place for place in self.schedules if place[0] == area]:
            left = {
                key: schedule
                for key, schedule in self.schedules.pop(place).items()
                if any(self._is_tradable(area, mtu) for mtu in schedule.mtus)
            }
            if left:
                self.schedules[place] = left

    def _decide(self, market: str, session: int, mtu: int, words: Iterable[OrderWord]) -> None:
        """A closed book was cleared with these words, or ended with none: its orders have become positions."""
        accounts = self.awaited.pop((market, session, mtu), {})
        lot_wh = self.by_code[market].market.lot_wh
        for word in words:
            account = accounts.get(word.tag.to_bytes(16, "big"))
            if account is not None and word.accepted_lots:
                energy_wh = word.accepted_lots * lot_wh * (1 if word.side is Side.BID else -1)
                self.net_wh[account, mtu] = self.net_wh.get((account, mtu), 0) + energy_wh
        for account in accounts.values():
            self.usage.get((account, mtu), {}).pop((market, session), None)

    def _put_order(self, order: BookOrder) -> None:
        """Take in an order's new last revision, in place of the one before."""
        book = self.by_code[order.market]
        key = (order.account, order.order_id)
        before = self.orders.get(key)
        if before is not None and not before.withdrawn:
            self._count(book, before, -1)
        if order.session in book.sessions:
            self.orders[key] = order
        elif not order.withdrawn:
            self._await(order)
        if not order.withdrawn:
            self._count(book, order, 1)

    def _count(self, book: MarketBook, order: BookOrder, sign: int) -> None:
        cost = worst_cost_neur(
            market=book.market,
            side=order.side,
            limit_neur_per_wh=order.limit_neur_per_wh,
            quantity_lots=order.quantity_lots,
        )
        holder = self.holders.get(order.account)
        if holder is not None:
            holder.add_cost(mtu=order.mtu, amount_neur=sign * cost)
        if not self._is_tradable(book.market.area, order.mtu):
            return
        books = self.usage.setdefault((order.account, order.mtu), {})
        usage = books.setdefault((order.market, order.session), Usage())
        energy_wh = sign * order.quantity_lots * book.market.lot_wh
        if order.side is Side.BID:
            usage.bid_wh += energy_wh
        else:
            usage.ask_wh += energy_wh
        limits = usage.limits(order.side)
        if sign > 0:
            insort(limits, order.limit_neur_per_wh)
        else:
            del limits[bisect_left(limits, order.limit_neur_per_wh)]
        tags = self.tags[order.market]
        (tags.add if sign > 0 else tags.discard)((order.session, order.mtu, order.tag))

    def _put_schedule(self, schedule: Schedule) -> None:
        area = self.by_code[schedule.market].market.area
        if any(self._is_tradable(area, mtu) for mtu in schedule.mtus):
            nominated = self.schedules.get((area, schedule.point), {})
            nominated = nominated | {(schedule.session, schedule.market): schedule}
            self.schedules[area, schedule.point] = dict(sorted(nominated.items(), reverse=True))


def _book_order(fact: OrderAccepted, sequence: int) -> BookOrder:
    order = fact.order
    return BookOrder(
        account=to_hex(order.account),
        order_id=order.order_id,
        market=fact.market,
        session=order.session,
        mtu=order.mtu,
        side=order.side,
        limit_neur_per_wh=order.limit_neur_per_wh,
        quantity_lots=order.quantity_lots,
        revision=order.revision,
        withdrawn=False,
        tag=fact.tag,
        point=fact.point,
        order_key=fact.order_key,
        market_time=fact.market_time,
        sequence=sequence,
    )
