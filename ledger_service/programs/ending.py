"""The end stage: a session that missed a deadline is ended on chain, so that every session is over one day."""

from __future__ import annotations

from sqlalchemy import Connection

from contracts.bindings import Market as MarketContract
from domain.facts import ProgramSigned, Subject, done_key, requested_key, verdict_key
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
        self._done: set[tuple[str, int]] = set()

    def run(self, now: int) -> bool:
        """Ask the chain to end what is due; what is asked for once is not asked again."""
        with self._record.read() as connection:
            due = [session for session in markets.sessions(connection) if self._is_due(connection, session, now)]
        for session in due:
            with self._record.begin() as tx:
                if not self._is_due(tx.connection, session, now):  # it may have ended since
                    continue
                call = MarketContract.end_session(
                    market=registry.market(tx.connection, session.market).market_id, session=session.session
                )
                about = Subject(
                    area=session.area,
                    market=session.market,
                    period=session.period,
                    session=session.session,
                    first_mtu=session.first_mtu,
                    count=session.count,
                )
                request(tx, call, key=end_key(session), role=ChainRole.OPERATOR, about=about)
        return bool(due)

    def _is_due(self, connection: Connection, session: Session, now: int) -> bool:
        name = session.market, session.session
        if name in self._done or now <= session.session:
            return False
        verdict = verdict_key(market=session.market, session=session.session)
        keys = [done_key(market=session.market, session=session.session), requested_key(end_key(session)), verdict]
        found = find_entries(connection, keys)
        if keys[0] in found or keys[1] in found:
            self._done.add(name)
            return False
        rules = registry.market(connection, session.market)
        signed = verdict in found and found[verdict].kind == ProgramSigned.KIND
        seconds = rules.grace_seconds
        if session.closed:
            seconds = rules.clear_seconds if signed else rules.sign_seconds
        return now > session.session + seconds
