"""The gate stage: at a program's gate its books close, once, with every live order in them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from contracts.bindings import Market
from domain.hashing import from_hex, to_hex
from domain.words import book_hash, mask_word, words_hash
from ledger_service.market import queries as markets
from ledger_service.market.queries import Program
from ledger_service.market.views import fold
from ledger_service.outbox import request
from ledger_service.record import Record, Transaction
from ledger_service.registry import queries as registry
from ledger_service.trading import queries
from ledger_service.trading.queries import BookOrder


def book_of(*, mtu: int, orders: list[BookOrder]) -> dict[str, Any]:
    """The commitment to one MTU's book: tags ascending, chain of masked page hashes, book hash."""
    words = [mask_word(order.word().pack()) for order in orders]
    return {
        "mtu": mtu,
        "tags": [to_hex(order.tag) for order in orders],
        "chain": to_hex(words_hash(words)),
        "book_hash": to_hex(book_hash(words)),
    }


class GateStage:
    """Closes the books of every open program whose gate has come, in the transaction that also decides what is in."""

    name = "gate"

    def __init__(self, record: Record) -> None:
        self._record = record

    def run(self, now: int) -> bool:
        """Close what is due; one transaction per program."""
        with self._record.read() as connection:
            due = [program for program in markets.programs(connection, closed=False) if now >= program.gate]
        for program in due:
            with self._record.begin() as tx:
                current = markets.program(tx.connection, market=program.market, program=program.program)
                if current is not None and not current.closed:
                    _close(tx, current)
        return bool(due)


def _close(tx: Transaction, program: Program) -> None:
    orders: dict[int, list[BookOrder]] = defaultdict(list)
    live = queries.book_orders(tx.connection, market=program.market, first_mtu=program.first_mtu, count=program.count)
    for order in live:
        orders[order.mtu].append(order)
    books = [book_of(mtu=mtu, orders=orders[mtu]) for mtu in program.mtus]
    payload = {
        "market": program.market,
        "program": program.program,
        "first_mtu": program.first_mtu,
        "count": program.count,
        "gate": program.gate,
        "books": books,
    }
    entry = tx.append("book.closed", payload, key=f"book:{program.market}:{program.program}")
    fold(tx.connection, [entry])
    market = registry.market(tx.connection, program.market)
    call = Market.close_books(
        market=market.market_id,
        program=program.program,
        chains=[from_hex(book["chain"]) for book in books],
        counts=[len(book["tags"]) for book in books],
    )
    request(tx, call, key=f"closeBooks:{program.market}:{program.program}", role="operator")
