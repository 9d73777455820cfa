"""Order words and settlement words: the 32-byte forms in which the chain sees orders and money.

An order word carries no name: `tag:128 | limit:int32 | quantity:uint24 | cap:uint24 | accepted:uint24 | flags:uint24`.
A settlement word is `address:160 | amount:int96`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from domain.hashing import chain_hash, keccak
from domain.units import MAX_LOTS, NO_CAP, NO_PRICE, check_range

PAGE_WORDS = 2_048
"""Most words in one transaction: 64 KiB of calldata, half of what nodes accept in one transaction (128 KiB)."""

SETTLEMENT_PAGE_WORDS = 256
"""Words of a settlement in one transaction: the dearest page there can be takes less than 30 million gas (ADR 59)."""

MASK_CLEARED = ~(((1 << 24) - 1) << 48 | ((1 << 24) - 1) << 24)
"""Zeroes the cap and accepted fields, which are not known when the book is committed."""

_INT32_LOWEST, _INT32_HIGHEST = -(2**31), 2**31 - 1
_UINT24_HIGHEST = 2**24 - 1


class Side(IntEnum):
    """Which way energy moves for the order's owner."""

    BID = 0
    """buys"""
    ASK = 1
    """sells"""


@dataclass(frozen=True, slots=True)
class OrderWord:
    """One order as the chain sees it. Quantities in lots, `limit_neur_per_wh` in nEUR/Wh."""

    tag: int
    side: Side
    limit_neur_per_wh: int
    quantity_lots: int
    cap_lots: int = NO_CAP
    accepted_lots: int = 0

    @property
    def effective_lots(self) -> int:
        """What may be traded: the quantity within the cap."""
        return min(self.quantity_lots, self.cap_lots)

    def with_result(self, *, cap_lots: int, accepted_lots: int) -> OrderWord:
        """The same order once cleared."""
        return replace(self, cap_lots=cap_lots, accepted_lots=accepted_lots)

    def pack(self) -> int:
        """The word as an integer below 2^256. Raises OutOfRange where a field does not fit."""
        check_range(field="tag", value=self.tag, lowest=0, highest=2**128 - 1)
        check_range(
            field="limit_neur_per_wh", value=self.limit_neur_per_wh, lowest=NO_PRICE + 1, highest=_INT32_HIGHEST
        )
        check_range(field="quantity_lots", value=self.quantity_lots, lowest=1, highest=MAX_LOTS)
        check_range(field="cap_lots", value=self.cap_lots, lowest=0, highest=_UINT24_HIGHEST)
        check_range(field="accepted_lots", value=self.accepted_lots, lowest=0, highest=_UINT24_HIGHEST)
        return (
            self.tag << 128
            | (self.limit_neur_per_wh & 0xFFFFFFFF) << 96
            | self.quantity_lots << 72
            | self.cap_lots << 48
            | self.accepted_lots << 24
            | int(self.side)
        )

    @classmethod
    def unpack(cls, word: int) -> OrderWord:
        """Read a word; flags other than the side are refused by OutOfRange."""
        flags = check_range(field="flags", value=word & _UINT24_HIGHEST, lowest=0, highest=1)
        limit = word >> 96 & 0xFFFFFFFF
        return cls(
            tag=word >> 128,
            side=Side(flags),
            limit_neur_per_wh=limit - 2**32 if limit >= 2**31 else limit,
            quantity_lots=word >> 72 & _UINT24_HIGHEST,
            cap_lots=word >> 48 & _UINT24_HIGHEST,
            accepted_lots=word >> 24 & _UINT24_HIGHEST,
        )


def mask_word(word: int) -> int:
    """The word without its cap and accepted quantity, as it stands in a committed book."""
    return word & MASK_CLEARED


def word_bytes(word: int) -> bytes:
    """A word as 32 big-endian bytes."""
    return word.to_bytes(32, "big")


def pages_of(words: Sequence[int]) -> list[Sequence[int]]:
    """Words of a book split into pages of PAGE_WORDS; no page where there is no word."""
    return _split(words, PAGE_WORDS)


def settlement_pages_of(words: Sequence[int]) -> list[Sequence[int]]:
    """Words of a settlement split into pages of SETTLEMENT_PAGE_WORDS; no page where there is no word."""
    return _split(words, SETTLEMENT_PAGE_WORDS)


def _split(words: Sequence[int], size: int) -> list[Sequence[int]]:
    return [words[start : start + size] for start in range(0, len(words), size)]


def page_hash(words: Sequence[int]) -> bytes:
    """keccak of the words of one page, one after the other."""
    return keccak(b"".join(map(word_bytes, words)))


def page_hashes(words: Sequence[int]) -> list[bytes]:
    """The hash of each page of a book's words."""
    return [page_hash(page) for page in pages_of(words)]


def settlement_page_hashes(words: Sequence[int]) -> list[bytes]:
    """The hash of each page of a settlement's words."""
    return [page_hash(page) for page in settlement_pages_of(words)]


def words_hash(words: Sequence[int]) -> bytes:
    """Chain over the page hashes of a book's words: the inner hash of books and results."""
    return chain_hash(page_hashes(words))


def settlement_words_hash(words: Sequence[int]) -> bytes:
    """Chain over the page hashes of a settlement's words: its `wordsHash`."""
    return chain_hash(settlement_page_hashes(words))


def book_hash(*, market: bytes, session: int, mtu: int, words: Sequence[int]) -> bytes:
    """Commitment to the book of an MTU: masked words (any cap and accepted in the input are ignored), their count."""
    return keccak(
        market
        + session.to_bytes(32, "big")
        + mtu.to_bytes(32, "big")
        + words_hash([mask_word(word) for word in words])
        + len(words).to_bytes(32, "big")
    )


def result_hash(*, market: bytes, session: int, mtu: int, price_neur_per_wh: int | None, words: Sequence[int]) -> bytes:
    """Commitment to a clearing: market, session, MTU, price (NO_PRICE where None) and complete words."""
    price = NO_PRICE if price_neur_per_wh is None else price_neur_per_wh
    return keccak(
        market
        + session.to_bytes(32, "big")
        + mtu.to_bytes(32, "big")
        + (price % 2**256).to_bytes(32, "big")
        + words_hash(words)
        + len(words).to_bytes(32, "big")
    )


def has_trade(words: Iterable[OrderWord]) -> bool:
    """Whether anything was accepted of a result's words."""
    return any(word.accepted_lots for word in words)


def crosses(words: Iterable[OrderWord]) -> bool:
    """Whether the highest bid of a book is at least its lowest ask, caps left aside: something could trade."""
    limits: dict[Side, list[int]] = {Side.BID: [], Side.ASK: []}
    for word in words:
        limits[word.side].append(word.limit_neur_per_wh)
    bids, asks = limits[Side.BID], limits[Side.ASK]
    return bool(bids and asks) and max(bids) >= min(asks)


_INT96_HIGHEST = 2**95 - 1


def pack_settlement_word(*, account: bytes, amount_neur: int) -> int:
    """`address:160 | int96 amount` of one account; + is money received. Raises OutOfRange."""
    check_range(field="amount_neur", value=amount_neur, lowest=-_INT96_HIGHEST - 1, highest=_INT96_HIGHEST)
    return int.from_bytes(account, "big") << 96 | amount_neur % 2**96


def unpack_settlement_word(word: int) -> tuple[bytes, int]:
    """(account address, amount in nEUR) of a settlement word."""
    amount = word & (2**96 - 1)
    return (word >> 96).to_bytes(20, "big"), amount - 2**96 if amount >= 2**95 else amount


def settlement_words(amounts_neur: dict[bytes, int]) -> list[int]:
    """Words of the accounts with a non-zero amount: the debits, then the credits, each ascending by address.

    Raises ValueError unless they sum to zero.
    """
    if sum(amounts_neur.values()) != 0:
        raise ValueError("settlement amounts must sum to zero: money is moved, never made")
    return [
        pack_settlement_word(account=account, amount_neur=amount)
        for account, amount in sorted(amounts_neur.items(), key=lambda item: (item[1] > 0, item[0]))
        if amount != 0
    ]
