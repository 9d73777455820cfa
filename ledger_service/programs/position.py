"""The position stage: what the chain cleared, and each session that is over, becomes a fact."""

from __future__ import annotations

from sqlalchemy import Connection

from contracts.bindings import read_events
from contracts.bindings.market import MtuCleared, SessionDone
from domain import facts
from domain.facts import ChainIncluded, ProgramValidated, validated_key
from ledger_service.programs.errors import RecordContradicts
from ledger_service.record import Cursor, Record, follow
from ledger_service.record.keys import find_entries
from ledger_service.registry import queries as registry

ENDING: tuple[type[MtuCleared] | type[SessionDone], ...] = (MtuCleared, SessionDone)
"""The events that clear an MTU or end a session."""

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

    def run(self, now: int) -> bool:
        """Take the next inclusions in."""
        done = False
        for batch in follow(self._record, self._cursor, [ChainIncluded], limit=ENTRIES_PER_BATCH):
            with self._record.read() as connection:
                positions = [
                    self._position(connection, ended, fact.tx_hash)
                    for fact in (entry.as_a(ChainIncluded) for entry in batch.entries)
                    for ended in read_events(fact.events, *ENDING)
                ]
            if not positions:
                continue
            with batch.begin() as tx:
                for position in positions:
                    # A block that was gone holds it again, under another hash perhaps: the first counts.
                    if tx.find(position.journal_key) is None:
                        tx.append(position)
            done = True
        return done

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
        return self._codes[market_id]
