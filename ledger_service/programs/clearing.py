"""The clearing stage: once a program stands on chain, its set-points go out and each MTU that trades is cleared."""

from __future__ import annotations

from typing import TypeVar

from contracts.bindings import Clearing, Market
from domain.facts import (
    BookClosed,
    ChainFailed,
    ChainIncluded,
    Fact,
    ProgramValidated,
    SetpointsIssued,
    Subject,
    closed_key,
    validated_key,
)
from domain.roles import ChainRole
from ledger_service.outbox import asks, request
from ledger_service.programs.clearing_calls import ClearingCall, clear_one_by_one, clear_together
from ledger_service.programs.errors import RecordContradicts
from ledger_service.record import Cursor, Record, follow

CURSOR = "clearing"
"""Name of the cursor over inclusions and failures."""

_Fact = TypeVar("_Fact", bound=Fact)


class ClearingStage:
    """Waits for `recordProgram` to be included, then asks to clear the MTUs that trade, many with one transaction.

    Where such a batch fails, its MTUs are asked for one by one, so that none stops another.
    """

    name = "clearing"

    def __init__(self, record: Record) -> None:
        self._record = record
        self._cursor = Cursor(CURSOR)

    def run(self, now: int) -> bool:
        """Take the next inclusions and failures in."""
        done = False
        for batch in follow(self._record, self._cursor, [ChainIncluded, ChainFailed]):
            setpoints: list[SetpointsIssued] = []
            calls: list[ClearingCall] = []
            for entry in batch.entries:
                match entry.fact:
                    case ChainIncluded() as fact if asks(fact, Market.record_program):
                        validated, closed = self._signed(fact.about)
                        setpoints.append(_setpoints(validated))
                        calls += clear_together(fact.about, validated=validated, closed=closed)
                    case ChainFailed() as fact if asks(fact, Clearing.clear_many):
                        validated, closed = self._signed(fact.about)
                        calls += clear_one_by_one(fact.about, validated=validated, closed=closed)
            if not setpoints and not calls:
                continue
            with batch.begin() as tx:
                for issued in setpoints:
                    tx.append(issued)
                for item in calls:
                    request(tx, item.call, key=item.key, role=ChainRole.OPERATOR, about=item.about)
            done = True
        return done

    def _signed(self, about: Subject) -> tuple[ProgramValidated, BookClosed]:
        """The program that a request is about, and its books."""
        market, session = str(about.market), int(about.session or 0)
        validated = self._fact(ProgramValidated, validated_key(market=market, session=session), about)
        return validated, self._fact(BookClosed, closed_key(market=market, session=session), about)

    def _fact(self, cls: type[_Fact], key: str, about: Subject) -> _Fact:
        found = self._record.find(key)
        if found is None:
            raise RecordContradicts(
                what=f"session {about.session} of {about.market}", reason="was signed on chain but never closed here"
            )
        return found.as_a(cls)


def _setpoints(validated: ProgramValidated) -> SetpointsIssued:
    return SetpointsIssued(market=validated.market, session=validated.session, envelopes=validated.envelopes)
