"""The opening stage: a session that the chain refused to open is asked for again, and lapses once it is too late.

A pause, or a request that came only after the gate, leaves the chain without the session. Then nobody can commit to its
books, clear or end it: it is over by its own fact, its orders trade nothing, and its period settles without it.
"""

from __future__ import annotations

from sqlalchemy import Connection

from contracts.bindings import Market as MarketContract
from domain.facts import ChainFailed, SessionLapsed, over_keys, requested_key
from ledger_service.market import queries
from ledger_service.market.queries import Session
from ledger_service.market.views import fold
from ledger_service.outbox import RETRY_SECONDS, ask_again, asks, attempt_of, next_attempt
from ledger_service.record import Cursor, Entry, Record, follow
from ledger_service.record.keys import find_entries

CURSOR = "openings"
"""Name of the cursor over what failed on chain."""


class OpeningStage:
    """Asks again for each session whose opening failed, waiting twice as long each time, until its gate is too near."""

    name = "opening"

    def __init__(self, record: Record) -> None:
        self._record = record
        self._cursor = Cursor(CURSOR)
        self._failed: dict[int, Entry] = {}  # those that may need something, by the entry that says so

    def run(self, now: int) -> bool:
        """Look at what failed since, and at what failed before and waits."""
        for batch in follow(self._record, self._cursor, [ChainFailed]):
            failed = [entry for entry in batch.entries if asks(entry.as_a(ChainFailed), MarketContract.open_session)]
            self._failed |= {entry.sequence: entry for entry in failed}
            self._cursor.held |= self._failed.keys()
        answered = [self._answer(entry, now) for entry in list(self._failed.values())]
        return any(answered)

    def _answer(self, entry: Entry, now: int) -> bool:
        """Ask again, or let the session lapse, where that is due; whether anything was written."""
        fact, failed_at = entry.as_a(ChainFailed), entry.recorded_at
        with self._record.read() as connection:
            session = _unopened(connection, fact)
        if session is None:
            self._forget(entry)
            return False
        again_at = failed_at + RETRY_SECONDS * 2 ** (attempt_of(fact.key) - 1)
        if now < again_at < session.session:
            return False
        self._forget(entry)
        with self._record.begin() as tx:
            if _unopened(tx.connection, fact) is not None:  # the chain may have it since
                if again_at < session.session and now < session.session:
                    ask_again(tx, failed_key=fact.key)
                else:
                    lapsed = SessionLapsed(market=session.market, session=session.session, reason=fact.reason)
                    fold(tx.connection, [tx.append(lapsed)])
            recorded = self._cursor.advance(tx, self._cursor.seen)
        self._cursor.recorded = recorded
        return True

    def _forget(self, entry: Entry) -> None:
        del self._failed[entry.sequence]
        self._cursor.held.discard(entry.sequence)


def _unopened(connection: Connection, failed: ChainFailed) -> Session | None:
    """The session whose opening failed; None where the chain has it all the same, it is over, or was asked again."""
    market, gate = str(failed.about.market), int(failed.about.session or 0)
    session = queries.session(connection, market=market, session=gate)
    if session is None or queries.is_opened(connection, session):
        return None
    answered = [requested_key(next_attempt(failed.key)), *over_keys(market=market, session=gate)]
    return None if find_entries(connection, answered) else session
