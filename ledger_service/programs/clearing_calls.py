"""The calls that clear what a program has traded: batches of MTUs, or each MTU, and each page of a long book, alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from contracts.bindings import Call, Clearing
from contracts.bindings.clearing import PlaceProofs, ResultPage, SmallResult
from domain.facts import BookClosed, MtuResult, ProgramValidated, Subject
from domain.hashing import text_id
from domain.merkle import places_proofs
from domain.units import NO_PRICE
from domain.words import page_hashes, pages_of

WORDS_MOST = 3_000
"""Words of 32 bytes in one batch: nodes refuse transactions over 128 KiB, and this is 94 KiB."""

WORDS_BESIDE = 20
"""What a result of a batch takes beside its hashes, words and proofs: its target, and where each part begins."""


@dataclass(frozen=True, slots=True)
class ClearingCall:
    """A call that clears MTUs or verifies a page, the key of its request, and what it is about."""

    key: str
    call: Call
    about: Subject


@dataclass(frozen=True, slots=True)
class _Traded:
    """One MTU that trades: its result, and where it and its book stand in their session."""

    result: MtuResult
    proofs: PlaceProofs

    @property
    def mtu(self) -> int:
        return self.result.mtu

    @property
    def has_one_page(self) -> bool:
        return len(pages_of(self.result.words)) == 1

    @property
    def size_words(self) -> int:
        """Of a result of one page, in words of 32 bytes."""
        return WORDS_BESIDE + 1 + len(self.result.words) + len(self.proofs.result) + len(self.proofs.book)

    def target(self, session: int, *, page: int) -> ResultPage:
        """A page of the result, as the contract takes it."""
        price = self.result.price_neur_per_wh
        return ResultPage(
            session=session,
            mtu=self.mtu,
            price_neur_per_wh=NO_PRICE if price is None else price,
            count=len(self.result.words),
            page=page,
        )


def clear_together(about: Subject, *, validated: ProgramValidated, closed: BookClosed) -> list[ClearingCall]:
    """Calls that clear the MTUs of `about` that trade, with as few transactions as take them.

    MTUs whose book has one page share transactions: each alone would pay for one, and for reading its session.
    """
    calls: list[ClearingCall] = []
    batch: list[_Traded] = []
    words = 0
    for traded in _traded(about, validated=validated, closed=closed):
        if not traded.has_one_page:
            calls += _alone(about, traded)
            continue
        words += traded.size_words
        if words > WORDS_MOST:
            calls += _batched(about, batch)
            batch, words = [], traded.size_words
        batch.append(traded)
    return calls + _batched(about, batch)


def clear_one_by_one(about: Subject, *, validated: ProgramValidated, closed: BookClosed) -> list[ClearingCall]:
    """A call for each page of each MTU of `about` that trades."""
    found = _traded(about, validated=validated, closed=closed)
    return [call for traded in found for call in _alone(about, traded)]


def _traded(about: Subject, *, validated: ProgramValidated, closed: BookClosed) -> Iterator[_Traded]:
    places = range(len(validated.results))
    of_results = places_proofs([result.result_hash for result in validated.results], places)
    of_books = places_proofs([book.book_hash for book in closed.books], places)
    first, count = about.first_mtu or 0, about.count or 0
    for place, result in enumerate(validated.results):
        if validated.traded_mask >> place & 1 and first <= result.mtu < first + count:
            yield _Traded(result, PlaceProofs(result=of_results[place], book=of_books[place]))


def _batched(about: Subject, batch: Sequence[_Traded]) -> list[ClearingCall]:
    """One call for all of a batch, which may be empty or of one MTU."""
    if len(batch) < 2:
        return [call for traded in batch for call in _alone(about, traded)]
    market, session = str(about.market), int(about.session or 0)
    results = [
        SmallResult(
            target=traded.target(session, page=0),
            page_hashes=page_hashes(traded.result.words),
            words=traded.result.words,
            proofs=traded.proofs,
        )
        for traded in batch
    ]
    first, last = batch[0].mtu, batch[-1].mtu
    return [
        ClearingCall(
            key=f"clear-many:{market}:{session}:{first}",
            call=Clearing.clear_many(market=text_id(market), results=results),
            about=replace(about, first_mtu=first, count=last - first + 1),
        )
    ]


def _alone(about: Subject, traded: _Traded) -> Iterator[ClearingCall]:
    """One call per page of an MTU's result."""
    market, session = str(about.market), int(about.session or 0)
    hashes = page_hashes(traded.result.words)
    for page, words in enumerate(pages_of(traded.result.words)):
        yield ClearingCall(
            key=f"clear:{market}:{session}:{traded.mtu}:{page}",
            call=Clearing.clear(
                market=text_id(market),
                target=traded.target(session, page=page),
                page_hashes=hashes,
                words=words,
                proofs=traded.proofs,
            ),
            about=replace(about, first_mtu=traded.mtu, count=1, page=page),
        )
