"""Objections: evidence against the signer of a program.

Made from src/interfaces/IObjections.sol by `python -m scripts.tools.make_bindings`; do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.bindings.base import Binding, Call, Event, Struct


@dataclass(frozen=True, slots=True)
class BookPage(Struct):
    """`BookPage` of the interface."""

    session: int
    mtu: int
    page: int


@dataclass(frozen=True, slots=True)
class Bound(Struct):
    """`Bound` of the interface."""

    count: int
    page_hashes: Sequence[bytes]
    proof: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class ResultPage(Struct):
    """`ResultPage` of the interface."""

    session: int
    mtu: int
    price_neur_per_wh: int
    count: int
    page: int


@dataclass(frozen=True, slots=True)
class ProgramRefuted(Event):
    """A signed program is proven wrong in an MTU."""

    CONTRACT = "Objections"
    NAME = "ProgramRefuted"

    market: bytes
    session: int
    mtu: int
    ground: int


class Objections(Binding):
    """Where no money flows, a program is the DSO's word: that books outside both masks do not cross, that every
    word committed is valid, that results are those of the committed books. Anyone who holds the words may prove
    the contrary here, page by page and in any order, at any time after the program was recorded, also in a
    pause. A proof moves no money and changes no session: it stays as an event against the signer of
    `ProgramRecorded`.
    """

    contract = "Objections"

    @classmethod
    def prove_crossing(cls, *, market: bytes, target: BookPage, book: Bound, words: Sequence[int]) -> Call:
        """Shows one masked page of the book of an MTU in neither mask. Highest bid and lowest ask of valid words
        are kept over pages; words that are not valid are passed over. Proven once bid ≥ ask.
        """
        return cls._call("proveCrossing", [market, target, book, words])

    @classmethod
    def prove_invalid_word(cls, *, market: bytes, target: BookPage, book: Bound, words: Sequence[int]) -> Call:
        """Shows one masked page of a committed book. Proven where a word is not valid by itself, does not follow
        the one before it (on this page, or on the pages beside it where they were shown), or where the page has
        not the number of words that the count demands.
        """
        return cls._call("proveInvalidWord", [market, target, book, words])

    @classmethod
    def prove_mismatch(
        cls, *, market: bytes, target: ResultPage, result: Bound, book: Bound, words: Sequence[int]
    ) -> Call:
        """Proves that a signed result is not one over the committed book: it has another count or number of pages;
        the words of one complete page, masked, are not the page committed; or it has a price or accepts lots
        outside the traded mask. Not of an emptied MTU whose result is an empty book. `target`: session, MTU and
        price of the result, and the page shown; its count is that of the result. `words`: complete words of
        that page; none are read where counts or prices prove it already.
        """
        return cls._call("proveMismatch", [market, target, result, book, words])
