"""Write `books.json`: books with their one correct result, for every implementation of the auction.

Run as `python -m tests.golden.books.generate` from the repository's root; the file only changes when the rule does.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from clearing.auction import clear
from clearing.book import Book
from domain.hashing import keccak, to_hex
from domain.units import NO_CAP
from domain.words import OrderWord, Side, book_hash, result_hash

FILE = Path(__file__).parent / "books.json"
MARKET = keccak(b"LV4.101/DA")
FIRST_MTU = 1_628_600
SESSION = FIRST_MTU * 900 - 7_200
RANDOM_BOOKS = 40

Row = tuple[str, int, int, int]

WRITTEN: list[tuple[str, list[Row]]] = [
    ("empty", []),
    ("one bid", [("bid", 100_000, 5, NO_CAP)]),
    ("one ask", [("ask", 100_000, 5, NO_CAP)]),
    ("no overlap", [("bid", 99_999, 5, NO_CAP), ("ask", 100_000, 5, NO_CAP)]),
    ("crossing at one price", [("bid", 100_000, 5, NO_CAP), ("ask", 100_000, 5, NO_CAP)]),
    ("bids and asks share the crossing price", [("bid", 7, 3, NO_CAP), ("bid", 7, 4, NO_CAP), ("ask", 7, 5, NO_CAP)]),
    (
        "ties on the long side",
        [("ask", 5, 3, NO_CAP), ("ask", 5, 4, NO_CAP), ("ask", 5, 5, NO_CAP), ("bid", 9, 7, NO_CAP)],
    ),
    ("negative prices floor down", [("bid", -4, 2, NO_CAP), ("ask", -9, 2, NO_CAP)]),
    ("extreme limits", [("bid", 2**31 - 1, 2, NO_CAP), ("ask", -(2**31) + 1, 2, NO_CAP)]),
    ("caps shift the shares", [("ask", 5, 9, 3), ("ask", 5, 9, NO_CAP), ("bid", 9, 8, NO_CAP)]),
    ("capped to nothing", [("ask", 5, 9, 0), ("ask", 6, 9, NO_CAP), ("bid", 9, 8, NO_CAP)]),
    ("largest quantities", [("bid", 1, 2**24 - 1, NO_CAP), ("ask", 1, 2**24 - 1, NO_CAP), ("ask", 1, 3, NO_CAP)]),
]


def _random_rows(seed: int) -> list[Row]:
    draw = random.Random(seed)
    rows: list[Row] = []
    for _ in range(draw.randrange(1, 14)):
        cap = draw.randrange(0, 12) if draw.random() < 0.3 else NO_CAP
        rows.append((draw.choice(["bid", "ask"]), draw.randrange(-3, 4) * 1_000, draw.randrange(1, 12), cap))
    return rows


def vector(name: str, rows: list[Row], mtu: int) -> dict[str, Any]:
    """One book: complete words of its result, price, hashes."""
    orders = [
        OrderWord(
            tag=int.from_bytes(keccak(f"{name}/{number}".encode())[:16], "big"),
            side=Side.BID if side == "bid" else Side.ASK,
            limit_neur_per_wh=limit,
            quantity_lots=quantity,
            cap_lots=cap,
        )
        for number, (side, limit, quantity, cap) in enumerate(rows)
    ]
    book = Book.from_words(orders)
    result = clear(book)
    words = [word.pack() for word in book.words(result.accepted_lots)]
    price = result.price_neur_per_wh
    return {
        "name": name,
        "mtu": mtu,
        "words": [f"0x{word:064x}" for word in words],
        "price_neur_per_wh": price,
        "traded_lots": result.traded_lots,
        "book_hash": to_hex(book_hash(market=MARKET, session=SESSION, mtu=mtu, words=words)),
        "result_hash": to_hex(
            result_hash(market=MARKET, session=SESSION, mtu=mtu, price_neur_per_wh=price, words=words)
        ),
    }


def vectors() -> dict[str, Any]:
    """The whole file."""
    named = WRITTEN + [(f"random {seed}", _random_rows(seed)) for seed in range(RANDOM_BOOKS)]
    return {
        "market": to_hex(MARKET),
        "session": SESSION,
        "books": [vector(name, rows, FIRST_MTU + number) for number, (name, rows) in enumerate(named)],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1) + "\n")
