"""The clearing stage: once a program stands on chain, its set-points go out and each MTU that trades is cleared."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from contracts.bindings import Clearing, read_events
from contracts.bindings.market import ProgramRecorded
from domain.facts import (
    HAPPENED,
    BookClosed,
    ChainFailed,
    ChainIncluded,
    ChainObserved,
    ProgramSigned,
    ProgramValidated,
    SetpointsIssued,
    Subject,
    closed_key,
    setpoints_key,
    validated_key,
)
from domain.hashing import to_hex
from domain.roles import ChainRole
from ledger_service.outbox import asks, request
from ledger_service.programs.clearing_calls import ClearingCall, clear_one_by_one, clear_together
from ledger_service.programs.errors import RecordContradicts
from ledger_service.record import Cursor, Entry, Record, Transaction, follow
from ledger_service.record.keys import find_entries
from ledger_service.registry import queries as registry

CURSOR = "clearing"
"""Name of the cursor over what happened on chain and what failed."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Program:
    """A program as it was validated, and the books of its session."""

    validated: ProgramValidated
    closed: BookClosed

    @property
    def about(self) -> Subject:
        """What requests about it are about."""
        of = self.validated
        return Subject(market=of.market, session=of.session, first_mtu=of.first_mtu, count=of.count)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A program that stands on chain, and its signature."""

    program: _Program
    signed: ProgramSigned

    def issue(self, tx: Transaction) -> None:
        """Issue its set-points, once; and record its signature, where the DSO gave that to the chain alone."""
        of = self.program.validated
        if tx.find(self.signed.journal_key) is None:
            tx.append(self.signed)
        if tx.find(setpoints_key(market=of.market, session=of.session)) is None:
            tx.append(SetpointsIssued(market=of.market, session=of.session, envelopes=of.envelopes))


class ClearingStage:
    """Waits for a program to be recorded, by whomever, then asks to clear the MTUs that trade, many together.

    Where such a batch fails, its MTUs are asked for one by one, so that none stops another.
    """

    name = "clearing"

    def __init__(self, record: Record) -> None:
        self._record = record
        self._cursor = Cursor(CURSOR)

    def run(self, now: int) -> bool:
        """Take in what happened and what failed since."""
        done = False
        for batch in follow(self._record, self._cursor, [*HAPPENED, ChainFailed]):
            with self._record.read() as connection:
                recorded = [item for entry in batch.entries for item in _recorded(connection, entry)]
                calls = [call for entry in batch.entries for call in _again(connection, entry)]
            for item in recorded:
                of = item.program
                calls += clear_together(of.about, validated=of.validated, closed=of.closed)
            if not recorded and not calls:
                continue
            with batch.begin() as tx:
                for item in recorded:
                    item.issue(tx)
                for call in calls:
                    request(tx, call.call, key=call.key, role=ChainRole.OPERATOR, about=call.about)
            done = True
        return done


def _recorded(connection: Connection, entry: Entry) -> list[_Recorded]:
    """The programs that came on chain; one with results that were not validated here is passed over: it can't clear."""
    if not isinstance(entry.fact, ChainIncluded | ChainObserved):
        return []
    found = []
    for event in read_events(entry.fact.events, ProgramRecorded):
        codes = {item.market_id: item.market for item in registry.markets(connection)}
        market, session = codes.get(event.market, ""), event.session
        program = _program(connection, market=market, session=session)
        if program is None or program.validated.results_root != event.program.results_root:
            _log.error("clearing.program_unknown", market=market, session=session)
            continue
        signed = ProgramSigned(market=market, session=session, dso=to_hex(event.dso), signature=event.signature)
        found.append(_Recorded(program=program, signed=signed))
    return found


def _again(connection: Connection, entry: Entry) -> list[ClearingCall]:
    """The calls that clear one by one what failed together. Raises RecordContradicts."""
    fact = entry.fact
    if not isinstance(fact, ChainFailed) or not asks(fact, Clearing.clear_many):
        return []
    market, session = str(fact.about.market), int(fact.about.session or 0)
    program = _program(connection, market=market, session=session)
    if program is None:
        raise RecordContradicts(what=f"session {session} of {market}", reason="was cleared but never closed here")
    return clear_one_by_one(fact.about, validated=program.validated, closed=program.closed)


def _program(connection: Connection, *, market: str, session: int) -> _Program | None:
    keys = (validated_key(market=market, session=session), closed_key(market=market, session=session))
    found = find_entries(connection, keys)
    match [found[key].fact if key in found else None for key in keys]:
        case [ProgramValidated() as validated, BookClosed() as closed]:
            return _Program(validated=validated, closed=closed)
        case _:
            return None
