"""The gate stage: at a program's gate its books close, once, with every live order in them."""

from __future__ import annotations

from collections import defaultdict

from contracts.bindings import Market
from domain.facts import BookClosed, ClosedBook, Subject
from domain.roles import ChainRole
from domain.words import book_hash, mask_word, words_hash
from ledger_service.market import queries as markets
from ledger_service.market.queries import Program
from ledger_service.market.views import show_closed
from ledger_service.outbox import request
from ledger_service.record import Record, prepare
from ledger_service.registry import queries as registry
from ledger_service.trading import queries
from ledger_service.trading.queries import BookOrder


def book_of(*, mtu: int, orders: list[BookOrder]) -> ClosedBook:
    """The commitment to one MTU's book: tags ascending, chain of masked page hashes, book hash."""
    words = [mask_word(order.word().pack()) for order in orders]
    tags = tuple(order.tag for order in orders)
    return ClosedBook(mtu=mtu, tags=tags, chain=words_hash(words), book_hash=book_hash(words))


class GateStage:
    """Closes the books of every open program whose gate has come; orders that come in between are counted in."""

    name = "gate"

    def __init__(self, record: Record) -> None:
        self._record = record

    def run(self, now: int) -> bool:
        """Close what is due; one transaction per program."""
        with self._record.read() as connection:
            due = [program for program in markets.programs(connection, closed=False) if now >= program.gate]
        closed = [self._close(program) for program in due]
        return any(closed)

    def _close(self, program: Program) -> bool:
        """Close a program's books as they are when they close: hashed before, and again where an order came since."""
        market_code, first_mtu, count = program.market, program.first_mtu, program.count
        while True:
            with self._record.read() as connection:
                version = queries.book_version(connection, market=market_code, first_mtu=first_mtu, count=count)
                live = queries.book_orders(connection, market=market_code, first_mtu=first_mtu, count=count)
                market = registry.market(connection, program.market)
            closed = _closed(program, live)
            call = Market.close_books(
                market=market.market_id,
                program=program.program,
                chains=[book.chain for book in closed.books],
                counts=[len(book.tags) for book in closed.books],
            )
            prepared = prepare(closed)
            with self._record.begin() as tx:
                current = markets.program(tx.connection, market=market_code, program=program.program)
                if current is None or current.closed:
                    return False
                now = queries.book_version(tx.connection, market=market_code, first_mtu=first_mtu, count=count)
                if now != version:
                    continue
                tx.append(prepared)
                show_closed(tx.connection, market=market_code, program=program.program)
                about = Subject(
                    area=program.area,
                    market=market_code,
                    period=program.period,
                    program=program.program,
                    first_mtu=first_mtu,
                    count=count,
                )
                key = f"closeBooks:{market_code}:{program.program}"
                request(tx, call, key=key, role=ChainRole.OPERATOR, about=about)
                return True


def _closed(program: Program, live: list[BookOrder]) -> BookClosed:
    orders: dict[int, list[BookOrder]] = defaultdict(list)
    for order in live:
        orders[order.mtu].append(order)
    return BookClosed(
        market=program.market,
        program=program.program,
        first_mtu=program.first_mtu,
        count=program.count,
        gate=program.gate,
        books=tuple(book_of(mtu=mtu, orders=orders[mtu]) for mtu in program.mtus),
    )
