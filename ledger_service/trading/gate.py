"""The gate stage: at a session's gate its books close under one root, once, with every live order in them."""

from __future__ import annotations

from collections import defaultdict

from contracts.bindings import Market as MarketContract
from domain.facts import BookClosed, ClosedBook
from domain.markets import Market
from domain.roles import ChainRole
from domain.words import book_hash, mask_word, words_hash
from ledger_service.market import queries as markets
from ledger_service.market.queries import Session
from ledger_service.market.views import show_closed
from ledger_service.outbox import request
from ledger_service.record import Record, prepare
from ledger_service.registry import queries as registry
from ledger_service.trading import queries
from ledger_service.trading.queries import BookOrder


def book_of(session: Session, *, market: Market, mtu: int, orders: list[BookOrder]) -> ClosedBook:
    """The commitment to one MTU's book: tags ascending, chain of masked page hashes, book hash."""
    words = [mask_word(order.word().pack()) for order in orders]
    hashed = book_hash(market=market.market_id, session=session.session, mtu=mtu, words=words)
    return ClosedBook(mtu=mtu, tags=tuple(order.tag for order in orders), chain=words_hash(words), book_hash=hashed)


class GateStage:
    """Closes the books of every open session whose gate has come; orders that come in between are counted in.

    One that the chain does not have waits: there is nothing yet on which its books could be committed.
    """

    name = "gate"

    def __init__(self, record: Record) -> None:
        self._record = record

    def run(self, now: int) -> bool:
        """Close what is due; one transaction per session."""
        with self._record.read() as connection:
            gated = [item for item in markets.sessions(connection, closed=False) if now >= item.session]
            due = [item for item in gated if markets.is_opened(connection, item)]
        closed = [self._close(session) for session in due]
        return any(closed)

    def _close(self, session: Session) -> bool:
        """Close a session's books as they are when they close: hashed before, and again where an order came since."""
        code, gate = session.market, session.session
        while True:
            with self._record.read() as connection:
                version = queries.book_version(connection, market=code, session=gate)
                live = queries.book_orders(connection, market=code, session=gate)
                market = registry.market(connection, code)
            closed = closed_books(session, market, live)
            call = MarketContract.close_session(market=market.market_id, session=gate, books_root=closed.books_root)
            prepared = prepare(closed)
            with self._record.begin() as tx:
                current = markets.session(tx.connection, market=code, session=gate)
                if current is None or current.closed:
                    return False
                if queries.book_version(tx.connection, market=code, session=gate) != version:
                    continue
                tx.append(prepared)
                show_closed(tx.connection, market=code, session=gate)
                key = f"closeSession:{code}:{gate}"
                request(tx, call, key=key, role=ChainRole.OPERATOR, about=session.subject)
                return True


def closed_books(session: Session, market: Market, live: list[BookOrder]) -> BookClosed:
    """The books of a session with these live orders, which ascend by tag."""
    orders: dict[int, list[BookOrder]] = defaultdict(list)
    for order in live:
        orders[order.mtu].append(order)
    return BookClosed(
        market=session.market,
        session=session.session,
        first_mtu=session.first_mtu,
        count=session.count,
        books=tuple(book_of(session, market=market, mtu=mtu, orders=orders[mtu]) for mtu in session.mtus),
    )
