"""The clearing stage: once a signed program stands on chain, its set-points go out and each MTU is cleared there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from contracts.bindings import Call, Market
from contracts.bindings.market import ResultPage
from domain.facts import ChainIncluded, MtuResult, ProgramValidated, SetpointsIssued, Subject, validated_key
from domain.hashing import text_id
from domain.merkle import merkle_proofs
from domain.roles import ChainRole
from domain.units import NO_PRICE
from domain.words import page_hashes, pages_of
from ledger_service.outbox import asks, request
from ledger_service.programs.errors import RecordContradicts
from ledger_service.record import Cursor, Record, follow

CURSOR = "clearing"
"""Name of the cursor over inclusions."""

_Clearing = tuple[str, Call, Subject]
"""A call that clears an MTU, with the key of its request and what it is about."""


class ClearingStage:
    """Waits for `recordProgram` to be included, then asks for one `clear` per page of each MTU."""

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
        market, program = str(about.market), int(about.program or 0)
        found = self._record.find(validated_key(market=market, program=program))
        if found is None:
            raise RecordContradicts(
                what=f"program {program} of {market}", reason="stands on chain but was never validated here"
            )
        validated = found.as_a(ProgramValidated)
        setpoints = SetpointsIssued(market=market, program=program, envelopes=validated.envelopes)
        proofs = merkle_proofs([result.result_hash for result in validated.results], range(len(validated.results)))
        calls: list[_Clearing] = []
        for result, proof in zip(validated.results, proofs, strict=True):
            if not result.given_up:
                calls += _clear_mtu(about, market=market, program=program, result=result, proof=proof)
        return setpoints, calls


def _clear_mtu(
    about: Subject, *, market: str, program: int, result: MtuResult, proof: Sequence[bytes]
) -> Iterator[_Clearing]:
    """One call per page of the MTU's result."""
    hashes = page_hashes(result.words)
    price = NO_PRICE if result.price_neur_per_wh is None else result.price_neur_per_wh
    for page, page_words in enumerate(pages_of(result.words) or [[]]):
        target = ResultPage(
            program=program, mtu=result.mtu, price_neur_per_wh=price, count=len(result.words), page=page
        )
        call = Market.clear(market=text_id(market), target=target, page_hashes=hashes, words=page_words, proof=proof)
        yield (
            f"clear:{market}:{result.mtu}:{page}",
            call,
            replace(about, first_mtu=result.mtu, count=1, page=page),
        )
