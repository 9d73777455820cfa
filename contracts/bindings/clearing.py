"""Clearing: results that must be optimal, prices nobody sets.

Made from src/interfaces/IClearing.sol by `python -m scripts.tools.make_bindings`; do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.bindings.base import LATEST, Binding, Block, Call, Event, Struct


@dataclass(frozen=True, slots=True)
class ResultPage(Struct):
    """`ResultPage` of the interface."""

    session: int
    mtu: int
    price_neur_per_wh: int
    count: int
    page: int


@dataclass(frozen=True, slots=True)
class PlaceProofs(Struct):
    """`PlaceProofs` of the interface."""

    result: Sequence[bytes]
    book: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class SmallResult(Struct):
    """`SmallResult` of the interface."""

    target: ResultPage
    page_hashes: Sequence[bytes]
    words: Sequence[int]
    proofs: PlaceProofs


@dataclass(frozen=True, slots=True)
class ClearingPassedOver(Event):
    """A batch left this MTU as it stands: it was cleared before."""

    CONTRACT = "Clearing"
    NAME = "ClearingPassedOver"

    market: bytes
    session: int
    mtu: int


@dataclass(frozen=True, slots=True)
class PageVerified(Event):
    """One page of a result with several pages was verified; the MTU is not cleared yet."""

    CONTRACT = "Clearing"
    NAME = "PageVerified"

    market: bytes
    session: int
    result_hash: bytes
    mtu: int
    page: int


class Clearing(Binding):
    """Checks the words of a result page by page, whoever sends them, and tells `Market` what cleared. Of a result
    that the DSO signed, over the book that the operator committed to, it recomputes both hashes, the balance,
    the optimum and the price by the kind of market. Safety assumes: keccak256. Liveness assumes: somebody sends
    the pages in time, nobody in particular.
    """

    contract = "Clearing"

    def max_book_orders(self, *, block: Block = LATEST) -> int:
        """Orders per book: 64 pages."""
        return int(self._read("MAX_BOOK_ORDERS", [], block=block))

    @classmethod
    def clear(
        cls,
        *,
        market: bytes,
        target: ResultPage,
        page_hashes: Sequence[bytes],
        words: Sequence[int],
        proofs: PlaceProofs,
    ) -> Call:
        """Verifies one page of a result and, with its last page, clears the MTU; the last MTU of the traded mask
        makes the session Done. Anyone, until gate + clearSeconds; stopped by a pause. Every page is bound to
        the signed result before it counts. Pages come in order; pages verified stay verified. A result under
        the signed root that is not optimal never clears: the MTU trades nothing. `page_hashes`: hashes of all
        complete pages of the result. `proofs`: where result and book stand under their roots. `target`: which
        page of which result. `words`: the complete words of this page.
        """
        return cls._call("clear", [market, target, page_hashes, words, proofs])

    @classmethod
    def clear_many(cls, *, market: bytes, results: Sequence[SmallResult]) -> Call:
        """`clear` for several MTUs of one session, each with a book of one page. MTUs that are cleared already are
        passed over (`ClearingPassedOver`). Reverts whole where one of the others can't be cleared, which
        `clear` then does one by one.
        """
        return cls._call("clearMany", [market, results])

    def verified_pages(self, *, result_hash: bytes, block: Block = LATEST) -> int:
        """Pages of this result verified so far, of results with several pages that are not cleared yet."""
        return int(self._read("verifiedPages", [result_hash], block=block))
