"""Order words, the optimum of a book, and the shares among ties: pure arithmetic.

Source: docs/protocol.md section 3.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from verifier.facts import SignedOrder
from verifier.form import unhex, whole
from verifier.hashes import keccak, number_of, tohex, word32, words_hash
from verifier.signatures import Signing

BID, ASK = 0, 1
"""Sides: who buys, who sells."""

NO_CAP = 2**24 - 1
MOST_LOTS = 2**24 - 1
"""Largest quantity of an order."""

NO_PRICE = -(2**31)
"""Price of a result without a trade."""

HIGHEST_PRICE = 2**31 - 1
RESULT_BITS = (2**48 - 1) << 24
"""Bits of cap and accepted lots: zero in a masked word."""


class Word(NamedTuple):
    """An order as the chain sees it; quantities in lots, limit in nEUR/Wh, `effective` = what may be traded."""

    tag: str
    side: int
    limit: int
    quantity: int
    cap: int
    accepted: int
    effective: int

    @classmethod
    def unpack(cls, number: int) -> Word:
        """tag:128 | limit:int32 | quantity:24 | cap:24 | accepted:24 | flags:24."""
        limit, quantity, cap = number >> 96 & 0xFFFFFFFF, number >> 72 & NO_CAP, number >> 48 & NO_CAP
        signed = limit - 2**32 if limit >= 2**31 else limit
        accepted, flags = number >> 24 & NO_CAP, number & NO_CAP
        return cls(f"0x{number >> 128:032x}", flags, signed, quantity, cap, accepted, min(quantity, cap))


@dataclass(frozen=True, slots=True)
class Optimum:
    """What a book should be cleared at: price (None without a trade), and lots per order in the book's order."""

    price_neur_per_wh: int | None
    accepted: tuple[int, ...]


def optimum(book: Sequence[Word]) -> Optimum:
    """Most welfare, then most volume; ties pro rata, the last lots by tag; the price in the middle of what is left."""
    accepted = [0] * len(book)
    volume = _volume(book)
    if volume == 0:
        return Optimum(None, tuple(accepted))
    last_bid, next_bid = _allot(book, BID, volume, accepted)
    last_ask, next_ask = _allot(book, ASK, volume, accepted)
    lowest = last_ask if next_bid is None else max(last_ask, next_bid)
    highest = last_bid if next_ask is None else min(last_bid, next_ask)
    return Optimum(lowest + (highest - lowest) // 2, tuple(accepted))


def _volume(book: Sequence[Word]) -> int:
    """The greatest volume at which welfare is maximal: where supply up to a limit meets demand from it on."""
    lots: dict[tuple[int, int], int] = defaultdict(int)
    for word in book:
        lots[word.side, word.limit] += word.effective
    demand = sum(word.effective for word in book if word.side == BID)
    volume = supply = 0
    for limit in sorted({limit for _, limit in lots}):
        supply += lots[ASK, limit]
        volume = max(volume, min(supply, demand))
        demand -= lots[BID, limit]
    return volume


def _allot(book: Sequence[Word], side: int, volume: int, accepted: list[int]) -> tuple[int, int | None]:
    """Give one side its volume, best limit first; returns the worst limit accepted, and the best one at which
    something is left (None: nothing is)."""
    mine = [at for at, word in enumerate(book) if word.side == side and word.effective]
    mine.sort(key=lambda at: book[at].limit if side == ASK else -book[at].limit)  # stable, and books ascend by tag
    last, left = 0, volume
    for limit, group in groupby(mine, key=lambda at: book[at].limit):
        if left == 0:
            return last, limit
        level = list(group)
        total = sum(book[at].effective for at in level)
        share = min(left, total)
        for at in level:
            accepted[at] = share * book[at].effective // total
        for at in level[: share - sum(accepted[at] for at in level)]:
            accepted[at] += 1
        last, left = limit, left - share
        if share < total:
            return last, limit
    return last, None


def crosses(book: Sequence[Word]) -> bool:
    """Whether the highest bid is at least the lowest ask, caps left aside."""
    bids = [word.limit for word in book if word.side == BID]
    asks = [word.limit for word in book if word.side == ASK]
    return bool(bids and asks) and max(bids) >= min(asks)


@dataclass(frozen=True, slots=True)
class Book:
    """A book of complete words with all that follows from them."""

    numbers: tuple[int, ...]
    words: tuple[Word, ...]
    optimum: Optimum
    hash: str
    masked_hash: str

    def result_hash(self, market: str, session: int, mtu: int, price_neur_per_wh: int | None) -> str:
        """Hash under which the chain clears it; `market` is an id (protocol.md section 3)."""
        price = NO_PRICE
        if price_neur_per_wh is not None:
            price = whole(price_neur_per_wh, NO_PRICE + 1, HIGHEST_PRICE)
        head = unhex(market, 32) + word32(session) + word32(mtu) + word32(price) + unhex(self.hash)
        return tohex(keccak(head + word32(len(self.numbers))))


def read_book(texts: tuple[str, ...]) -> Book:
    """The book of these words. Raises ValueError where one is no word of 32 bytes."""
    numbers = tuple(map(number_of, texts))
    words = tuple(map(Word.unpack, numbers))
    masked = [number & ~RESULT_BITS for number in numbers]
    return Book(numbers, words, optimum(words), words_hash(numbers), words_hash(masked))


OPTIMUM_BY_TIES_RULE: Mapping[int, Callable[[Book], Optimum]] = {1: attrgetter("optimum")}
"""What clears a book, by the version of the rule for ties."""


@dataclass(frozen=True, slots=True)
class Order:
    """A signed order: who signed it, its tag, and its word before clearing."""

    market: str
    session: int
    mtu: int
    account: str
    order_id: str
    revision: int
    tag: str
    signer: str
    word: int

    @classmethod
    def open(cls, sign: Signing, order: SignedOrder, signature: str) -> Order:
        """Tag, word and signer follow from the signed members. Raises ValueError."""
        limit, lots = order.limit_price_neur_per_wh, order.quantity_lots
        head = (order.market, order.session, order.mtu, order.side, limit, lots)
        digest = sign.digest("Order", *head, order.account, order.order_id, order.revision, order.salt)
        side, quantity = whole(order.side, BID, ASK), whole(lots, 1, MOST_LOTS)
        word = int.from_bytes(digest[:16], "big") << 128 | limit % 2**32 << 96 | quantity << 72 | side
        return cls(
            market=order.market,
            session=order.session,
            mtu=order.mtu,
            account=order.account,
            order_id=order.order_id,
            revision=order.revision,
            tag=tohex(digest[:16]),
            signer=sign.recover(digest, signature),
            word=word,
        )
