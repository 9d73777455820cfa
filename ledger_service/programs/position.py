"""The position stage: what the chain cleared, and each session that is over, becomes a fact."""

from __future__ import annotations

from collections.abc import Iterator

import structlog
from sqlalchemy import Connection

from contracts.bindings import read_events
from contracts.bindings.market import MtuCleared, SessionDone
from domain import facts
from domain.facts import HAPPENED, ProgramValidated, validated_key
from domain.hashing import to_hex
from ledger_service.outbox import happened
from ledger_service.programs.errors import RecordContradicts
from ledger_service.record import Cursor, Entry, Record, follow
from ledger_service.record.keys import find_entries
from ledger_service.registry import queries as registry

ENDING: tuple[type[MtuCleared] | type[SessionDone], ...] = (MtuCleared, SessionDone)
"""The events that clear an MTU or end a session."""

_log = structlog.get_logger(__name__)

CURSOR = "position"
"""Name of the cursor over inclusions."""


ENTRIES_PER_BATCH = 200
"""Inclusions of one transaction: each that clears an MTU carries its words."""


class PositionStage:
    """Reads the chain's own events, so that a clearing or an end sent by anybody else counts as well."""

    name = "position"

    def __init__(self, record: Record) -> None:
        self._record = record
        self._cursor = Cursor(CURSOR)
        self._codes: dict[bytes, str] = {}
        self._stuck: set[tuple[bytes, int]] = set()  # by market (its id) and session

    def run(self, now: int) -> bool:
        """Take the next inclusions in."""
        done = False
        for batch in follow(self._record, self._cursor, HAPPENED, limit=ENTRIES_PER_BATCH):
            with self._record.read() as connection:
                positions = [found for entry in batch.entries for found in self._positions(connection, entry)]
            if not positions:
                continue
            with batch.begin() as tx:
                for position in positions:
                    # A block that was gone holds it again, under another hash perhaps: the first counts.
                    if tx.find(position.journal_key) is None:
                        tx.append(position)
            done = True
        return done

    def _positions(self, connection: Connection, entry: Entry) -> Iterator[facts.MtuCleared | facts.SessionDone]:
        """The facts that what happened makes. A session that the record contradicts waits with all that follows of it:
        it is said once in the log, and met again after a restart."""
        told = [(ended, fact.tx_hash) for fact in happened([entry]) for ended in read_events(fact.events, *ENDING)]
        for ended, tx_hash in told:
            session = (ended.market, ended.session)
            if session in self._stuck:
                continue
            try:
                yield self._position(connection, ended, tx_hash)
            except RecordContradicts as error:
                self._stuck.add(session)
                self._cursor.held.add(entry.sequence)
                _log.error("position.stuck", market=to_hex(ended.market), session=ended.session, reason=str(error))

    def _position(
        self, connection: Connection, ended: MtuCleared | SessionDone, tx_hash: bytes
    ) -> facts.MtuCleared | facts.SessionDone:
        """The fact that an event makes."""
        market, session = self._code(connection, ended.market), ended.session
        if isinstance(ended, SessionDone):
            return facts.SessionDone(
                market=market,
                session=session,
                cleared_mask=ended.cleared_mask,
                clearing_root=ended.clearing_root,
            )
        mtu = ended.mtu
        key = validated_key(market=market, session=session)
        found = find_entries(connection, [key]).get(key)
        validated = None if found is None else found.as_a(ProgramValidated)
        result = None if validated is None else validated.results[mtu - validated.first_mtu]
        if validated is None or result is None or result.result_hash != ended.result_hash:
            raise RecordContradicts(
                what=f"MTU {mtu} in session {session} of {market}",
                reason="was cleared with a result this record does not know",
            )
        return facts.MtuCleared(
            market=market,
            session=session,
            mtu=mtu,
            price_neur_per_wh=result.price_neur_per_wh,
            result_hash=result.result_hash,
            words=result.words,
            tx_hash=tx_hash,
            rules=facts.ClearingRules(ties=validated.rules.ties),
        )

    def _code(self, connection: Connection, market_id: bytes) -> str:
        if market_id not in self._codes:
            self._codes = {item.market_id: item.market for item in registry.markets(connection)}
        if market_id not in self._codes:
            raise RecordContradicts(what=f"market {to_hex(market_id)}", reason="is on chain and not in this record")
        return self._codes[market_id]
