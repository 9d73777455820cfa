"""The clearing stage: once a program stands on chain, its set-points go out and each MTU that trades is cleared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from contracts.bindings import Call, Clearing, Market
from contracts.bindings.clearing import PlaceProofs, ResultPage
from domain.facts import (
    BookClosed,
    ChainIncluded,
    Fact,
    MtuResult,
    ProgramValidated,
    SetpointsIssued,
    Subject,
    closed_key,
    validated_key,
)
from domain.hashing import text_id
from domain.merkle import places_proofs
from domain.roles import ChainRole
from domain.units import NO_PRICE
from domain.words import page_hashes, pages_of
from ledger_service.outbox import asks, request
from ledger_service.programs.errors import RecordContradicts
from ledger_service.record import Cursor, Record, follow

CURSOR = "clearing"
"""Name of the cursor over inclusions."""

_Fact = TypeVar("_Fact", bound=Fact)

_Clearing = tuple[str, Call, Subject]
"""A call that clears an MTU, with the key of its request and what it is about."""


class ClearingStage:
    """Waits for `recordProgram` to be included, then asks for one `clear` per page of each MTU that trades."""

    name = "clearing"

    def __init__(self, record: Record) -> None:
        self._record = record
        self._cursor = Cursor(CURSOR)

    def run(self, now: int) -> bool:
        """Take the next inclusions in."""
        done = False
        for batch in follow(self._record, self._cursor, [ChainIncluded]):
            facts = [entry.as_a(ChainIncluded) for entry in batch.entries]
            recorded = [fact.about for fact in facts if asks(fact, Market.record_program)]
            if not recorded:
                continue
            cleared = [self._clear(about) for about in recorded]
            with batch.begin() as tx:
                for setpoints, calls in cleared:
                    tx.append(setpoints)
                    for key, call, about in calls:
                        request(tx, call, key=key, role=ChainRole.OPERATOR, about=about)
            done = True
        return done

    def _clear(self, about: Subject) -> tuple[SetpointsIssued, list[_Clearing]]:
        """Set-points of a recorded program, and the calls that clear its MTUs, each with the key of its request."""
        market, session = str(about.market), int(about.session or 0)
        validated = self._fact(ProgramValidated, validated_key(market=market, session=session), about)
        closed = self._fact(BookClosed, closed_key(market=market, session=session), about)
        setpoints = SetpointsIssued(market=market, session=session, envelopes=validated.envelopes)
        places = range(len(validated.results))
        of_results = places_proofs([result.result_hash for result in validated.results], places)
        of_books = places_proofs([book.book_hash for book in closed.books], places)
        calls: list[_Clearing] = []
        for place, result in enumerate(validated.results):
            if validated.traded_mask >> place & 1:
                proofs = PlaceProofs(result=of_results[place], book=of_books[place])
                calls += _clear_mtu(about, market=market, session=session, result=result, proofs=proofs)
        return setpoints, calls

    def _fact(self, cls: type[_Fact], key: str, about: Subject) -> _Fact:
        found = self._record.find(key)
        if found is None:
            raise RecordContradicts(
                what=f"session {about.session} of {about.market}", reason="was signed on chain but never closed here"
            )
        return found.as_a(cls)


def _clear_mtu(
    about: Subject, *, market: str, session: int, result: MtuResult, proofs: PlaceProofs
) -> Iterator[_Clearing]:
    """One call per page of the MTU's result."""
    hashes = page_hashes(result.words)
    price = NO_PRICE if result.price_neur_per_wh is None else result.price_neur_per_wh
    for page, page_words in enumerate(pages_of(result.words)):
        target = ResultPage(
            session=session, mtu=result.mtu, price_neur_per_wh=price, count=len(result.words), page=page
        )
        call = Clearing.clear(
            market=text_id(market), target=target, page_hashes=hashes, words=page_words, proofs=proofs
        )
        yield (
            f"clear:{market}:{session}:{result.mtu}:{page}",
            call,
            replace(about, first_mtu=result.mtu, count=1, page=page),
        )
