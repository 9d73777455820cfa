"""The end stage: a session that missed a deadline is ended on chain, so that every session is over one day."""

from __future__ import annotations

from sqlalchemy import Connection

from contracts.bindings import Market as MarketContract
from domain.facts import ProgramSigned, over_keys, requested_key, verdict_key
from domain.roles import ChainRole
from ledger_service.market import queries as markets
from ledger_service.market.queries import Session
from ledger_service.outbox import RETRY_SECONDS, next_attempt, request
from ledger_service.record import Record
from ledger_service.record.keys import find_entries
from ledger_service.registry import queries as registry


def end_key(session: Session) -> str:
    """Key of the request that ends a session on chain, in its first attempt."""
    return f"endSession:{session.market}:{session.session}"


class EndStage:
    """Ends sessions that were not closed, signed or cleared in time; what was cleared by then stands.

    The chain may refuse: a pause moves its deadlines, and a program that the DSO gave to it alone has longer. So what
    is not over some time after it was asked to end is asked once more.
    """

    name = "end"

    def __init__(self, record: Record) -> None:
        self._record = record
        self._first = 0  # each session with an earlier gate is over or asked to end: none opens behind its gate

    def run(self, now: int) -> bool:
        """Ask the chain to end what is due; again, where that did not end it, after waiting twice as long."""
        with self._record.read() as connection:
            gated = markets.sessions_gated(connection, first=self._first, before=now)
            pending = [session for session in gated if not _is_over(connection, session)]
            due = [session for session in pending if _next_key(connection, session, now) is not None]
        self._first = min((session.session for session in pending), default=max(self._first, now))
        for session in due:
            with self._record.begin() as tx:
                # it may have ended, or gone on, since
                key = None if _is_over(tx.connection, session) else _next_key(tx.connection, session, now)
                if key is not None:
                    call = MarketContract.end_session(
                        market=registry.market(tx.connection, session.market).market_id, session=session.session
                    )
                    request(tx, call, key=key, role=ChainRole.OPERATOR, about=session.subject)
        return bool(due)


def _is_over(connection: Connection, session: Session) -> bool:
    return bool(find_entries(connection, over_keys(market=session.market, session=session.session)))


def _next_key(connection: Connection, session: Session, now: int) -> str | None:
    """The key under which to ask for the end now; None while it is too early, or the chain has no such session."""
    if not markets.is_opened(connection, session):
        return None
    since, key, wait = _deadline(connection, session), end_key(session), 0
    while now > since + wait:
        asked = find_entries(connection, [requested_key(key)]).get(requested_key(key))
        if asked is None:
            return key
        # a deadline that passed long ago leaves no less time for the answer
        since, key, wait = max(since, asked.recorded_at), next_attempt(key), 2 * wait + RETRY_SECONDS
    return None


def _deadline(connection: Connection, session: Session) -> int:
    """The market time of the deadline that it has come to: to close, to be signed or to clear."""
    rules = registry.market(connection, session.market)
    seconds = rules.grace_seconds
    if session.closed:
        verdict = verdict_key(market=session.market, session=session.session)
        found = find_entries(connection, [verdict]).get(verdict)
        signed = found is not None and found.kind == ProgramSigned.KIND
        seconds = rules.clear_seconds if signed else rules.sign_seconds
    return session.session + seconds
