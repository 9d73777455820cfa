"""The end stage: a session that missed a deadline is ended on chain, so that every session is over one day."""

from __future__ import annotations

from sqlalchemy import Connection

from contracts.bindings import Market as MarketContract
from domain.facts import ProgramSigned, done_key, requested_key, verdict_key
from domain.roles import ChainRole
from ledger_service.market import queries as markets
from ledger_service.market.queries import Session
from ledger_service.outbox import request
from ledger_service.record import Record
from ledger_service.record.keys import find_entries
from ledger_service.registry import queries as registry


def end_key(session: Session) -> str:
    """Key of the request that ends a session on chain."""
    return f"endSession:{session.market}:{session.session}"


class EndStage:
    """Ends sessions that were not closed, signed or cleared in time; what was cleared by then stands."""

    name = "end"

    def __init__(self, record: Record) -> None:
        self._record = record
        self._first = 0  # each session with an earlier gate is over or asked to end: none opens behind its gate

    def run(self, now: int) -> bool:
        """Ask the chain to end what is due; what is asked for once is not asked again."""
        with self._record.read() as connection:
            gated = markets.sessions_gated(connection, first=self._first, before=now)
            pending = [session for session in gated if not _is_ended(connection, session)]
            due = [session for session in pending if _is_late(connection, session, now)]
        self._first = min((session.session for session in pending), default=max(self._first, now))
        for session in due:
            with self._record.begin() as tx:
                # it may have ended, or gone on, since
                if not _is_ended(tx.connection, session) and _is_late(tx.connection, session, now):
                    call = MarketContract.end_session(
                        market=registry.market(tx.connection, session.market).market_id, session=session.session
                    )
                    request(tx, call, key=end_key(session), role=ChainRole.OPERATOR, about=session.subject)
        return bool(due)


def _is_ended(connection: Connection, session: Session) -> bool:
    """Whether it is over, or asked to end."""
    done = done_key(market=session.market, session=session.session)
    return bool(find_entries(connection, [done, requested_key(end_key(session))]))


def _is_late(connection: Connection, session: Session, now: int) -> bool:
    """Whether it missed the deadline that it has come to: to close, to be signed or to clear."""
    rules = registry.market(connection, session.market)
    seconds = rules.grace_seconds
    if session.closed:
        verdict = verdict_key(market=session.market, session=session.session)
        found = find_entries(connection, [verdict]).get(verdict)
        signed = found is not None and found.kind == ProgramSigned.KIND
        seconds = rules.clear_seconds if signed else rules.sign_seconds
    return now > session.session + seconds
