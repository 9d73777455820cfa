"""What the public part of the journal says, folded into memory: periods, programs, prices, and where details stand.

It follows the journal with a position of its own and starts from entry 1 with each process, so it needs no table and
can't disagree with the journal. Personal facts are not folded: those are read from their views.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from domain.facts import (
    BookClosed,
    ChainIncluded,
    MarketDefined,
    MtuCleared,
    MtuUnread,
    MtuVoided,
    PeriodDeclared,
    ProgramOpened,
    ProgramRefused,
    ProgramSigned,
    ProgramValidated,
    ReadingAttested,
    SetpointsIssued,
    SettlementProposed,
    SettlementSigned,
)
from domain.hashing import from_hex, text_id, to_hex
from domain.words import OrderWord, Side
from ledger_service.record import Entry, Record
from ledger_service.record.journal import Payload
from wallet_api.fields import ProgramState

FOLD_BATCH_ENTRIES = 500
"""Entries folded at once; bounds memory while a long journal is read at the start."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one MTU of a market ended: price in nEUR/Wh (None without a trade) and traded volume, or void."""

    mtu: int
    price_neur_per_wh: int | None
    volume_lots: int
    void: bool
    sequence: int


@dataclass(frozen=True, slots=True)
class Program:
    """One gate of one market: MTUs, gate (unix seconds of market time), and the entries that say what became of it."""

    market: str
    area: str
    program: int
    period: int
    first_mtu: int
    count: int
    gate: int
    book_sequence: int | None = None
    validated_sequence: int | None = None
    deadline: int | None = None
    signed_sequence: int | None = None
    refused_sequence: int | None = None
    setpoints_sequence: int | None = None
    given_up: int = 0
    """MTUs that validation gave up: nothing clears them, they are voided once the time to clear is over."""
    resolved: int = 0

    def state(self, *, now: int) -> ProgramState:
        """The word for where the program stands at market time `now`.

        open, gate-closed, book-closed, awaiting-verdict, then signed, refused or expired; `cleared` once every MTU that
        validation did not give up has a position, `resolved` once all MTUs have.
        """
        if self.resolved >= self.count:
            return "resolved"
        if self.refused_sequence is not None:
            return "refused"
        if self.signed_sequence is not None:
            return "cleared" if self.resolved >= self.count - self.given_up else "signed"
        if self.validated_sequence is not None:
            late = self.deadline is not None and now > self.deadline
            return "expired" if late else "awaiting-verdict"
        if self.book_sequence is not None:
            return "book-closed"
        return "open" if now < self.gate else "gate-closed"


@dataclass(frozen=True, slots=True)
class Anchored:
    """A journal head that stands on chain, and the transaction that put it there."""

    sequence: int
    head: str
    tx_hash: str
    block: int


@dataclass(slots=True)
class _State:
    position: int = 0
    market_codes: dict[str, str] = field(default_factory=dict)
    periods: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    programs: dict[tuple[str, int], Program] = field(default_factory=dict)
    outcomes: dict[str, dict[int, Outcome]] = field(default_factory=dict)
    attested: dict[tuple[str, int], dict[int, tuple[int, int]]] = field(default_factory=dict)
    """(area, period) -> MTU -> (revision, sequence); revision -1 for Unread."""
    proposed: dict[tuple[str, int, int], int] = field(default_factory=dict)
    settled: dict[tuple[str, int, int], int] = field(default_factory=dict)
    anchor: Anchored | None = None


class Projection:
    """The public state of the market as of the last committed entry."""

    def __init__(self, *, record: Record) -> None:
        self._record = record
        self._lock = Lock()
        self._state = _State()
        self._folds: dict[str, Callable[[Entry, Payload], None]] = {
            MarketDefined.KIND: self._market_defined,
            PeriodDeclared.KIND: self._period_declared,
            ProgramOpened.KIND: self._program_opened,
            BookClosed.KIND: self._book_closed,
            ProgramValidated.KIND: self._program_validated,
            ProgramSigned.KIND: self._program_signed,
            ProgramRefused.KIND: self._program_refused,
            SetpointsIssued.KIND: self._setpoints_issued,
            MtuCleared.KIND: self._mtu_cleared,
            MtuVoided.KIND: self._mtu_voided,
            ReadingAttested.KIND: self._reading_attested,
            MtuUnread.KIND: self._mtu_unread,
            SettlementProposed.KIND: self._settlement_proposed,
            SettlementSigned.KIND: self._settlement_signed,
            ChainIncluded.KIND: self._chain_included,
        }

    def refresh(self) -> _State:
        """Fold what was committed since the last call and return the state; blocking work."""
        with self._lock:
            while batch := self._record.entries(
                after=self._state.position, kinds=tuple(self._folds), limit=FOLD_BATCH_ENTRIES
            ):
                for entry in batch:
                    if entry.payload is not None:
                        self._folds[entry.kind](entry, entry.payload)
                    self._state.position = entry.sequence
            return self._state

    def programs(self, *, market: str | None = None) -> list[Program]:
        """Programs of one market, or of all, by market and number."""
        found = self.refresh().programs
        return [found[key] for key in sorted(found) if market is None or key[0] == market]

    def program(self, *, market: str, program: int) -> Program | None:
        """One program."""
        return self.refresh().programs.get((market, program))

    def ended(self, *, market: str) -> Mapping[int, Outcome]:
        """The ended MTUs of a market by MTU; a live view that later calls may extend."""
        return self.refresh().outcomes.get(market, {})

    def outcomes(self, *, market: str, first_mtu: int, count: int) -> list[Outcome]:
        """The ended MTUs of [first_mtu, first_mtu + count)."""
        ended = self.ended(market=market)
        return [ended[mtu] for mtu in range(first_mtu, first_mtu + count) if mtu in ended]

    def period(self, *, area: str, period: int) -> tuple[int, int] | None:
        """(first MTU, count) of a period."""
        return self.refresh().periods.get((area, period))

    def periods(self, *, area: str) -> dict[int, tuple[int, int]]:
        """The declared periods of an area: number -> (first MTU, count)."""
        return {number: span for (code, number), span in self.refresh().periods.items() if code == area}

    def attestation_sequences(self, *, area: str, period: int) -> list[int]:
        """Entries that hold the readings of a period that count, ascending."""
        return sorted({sequence for _, sequence in self.refresh().attested.get((area, period), {}).values()})

    def settlements(self) -> dict[tuple[str, int, int], tuple[int, int | None]]:
        """(area, period, revision) -> (sequence of the proposal, sequence of its signatures or None)."""
        state = self.refresh()
        return {key: (sequence, state.settled.get(key)) for key, sequence in sorted(state.proposed.items())}

    def last_anchor(self) -> Anchored | None:
        """The last journal head that a block holds; None before the first."""
        return self.refresh().anchor

    def entry(self, sequence: int) -> Entry:
        """The entry at this place."""
        return self._record.entries(after=sequence - 1, limit=1)[0]

    def payload(self, sequence: int) -> Payload:
        """The payload of an entry. Raises PayloadErased."""
        return self._record.entries(after=sequence - 1, limit=1)[0].content()

    def _code(self, market: str) -> str:
        return self._state.market_codes.get(market, market)

    def _change(self, payload: Payload, **fields: Any) -> None:
        key = (self._code(payload["market"]), payload["program"])
        known = self._state.programs.get(key)
        if known is not None:
            self._state.programs[key] = replace(known, **fields)

    def _market_defined(self, _: Entry, payload: Payload) -> None:
        code = payload["market"]
        self._state.market_codes[to_hex(text_id(code))] = code
        self._state.market_codes[code] = code

    def _period_declared(self, _: Entry, payload: Payload) -> None:
        span = (payload["first_mtu"], payload["count"])
        self._state.periods[payload["area"], payload["period"]] = span

    def _program_opened(self, _: Entry, payload: Payload) -> None:
        names = ("area", "program", "period", "first_mtu", "count", "gate")
        code = self._code(payload["market"])
        program = Program(market=code, **{name: payload[name] for name in names})
        self._state.programs[code, program.program] = program

    def _book_closed(self, entry: Entry, payload: Payload) -> None:
        self._change(payload, book_sequence=entry.sequence)

    def _program_validated(self, entry: Entry, payload: Payload) -> None:
        given_up = sum(1 for result in payload["results"] if result["given_up"])
        self._change(payload, validated_sequence=entry.sequence, deadline=payload["deadline"], given_up=given_up)

    def _program_signed(self, entry: Entry, payload: Payload) -> None:
        self._change(payload, signed_sequence=entry.sequence)

    def _program_refused(self, entry: Entry, payload: Payload) -> None:
        self._change(payload, refused_sequence=entry.sequence)

    def _setpoints_issued(self, entry: Entry, payload: Payload) -> None:
        self._change(payload, setpoints_sequence=entry.sequence)

    def _ended(self, payload: Payload, outcome: Outcome) -> None:
        ended = self._state.outcomes.setdefault(self._code(payload["market"]), {})
        known = self._state.programs.get((self._code(payload["market"]), payload["program"]))
        if known is not None and outcome.mtu not in ended:
            self._change(payload, resolved=known.resolved + 1)
        ended[outcome.mtu] = outcome

    def _mtu_cleared(self, entry: Entry, payload: Payload) -> None:
        words = [OrderWord.unpack(int(word, 16)) for word in payload["words"]]
        outcome = Outcome(
            mtu=payload["mtu"],
            price_neur_per_wh=payload["price_neur_per_wh"],
            volume_lots=sum(word.accepted_lots for word in words if word.side is Side.BID),
            void=False,
            sequence=entry.sequence,
        )
        self._ended(payload, outcome)

    def _mtu_voided(self, entry: Entry, payload: Payload) -> None:
        outcome = Outcome(mtu=payload["mtu"], price_neur_per_wh=None, volume_lots=0, void=True, sequence=entry.sequence)
        self._ended(payload, outcome)

    def _reading_attested(self, entry: Entry, payload: Payload) -> None:
        known = self._state.attested.setdefault((payload["area"], payload["period"]), {})
        for attestation in payload["attestations"]:
            mtu, revision = attestation["mtu"], attestation["revision"]
            if mtu not in known or known[mtu][0] <= revision:
                known[mtu] = (revision, entry.sequence)

    def _mtu_unread(self, entry: Entry, payload: Payload) -> None:
        known = self._state.attested.setdefault((payload["area"], payload["period"]), {})
        known.setdefault(payload["mtu"], (-1, entry.sequence))

    def _settlement_proposed(self, entry: Entry, payload: Payload) -> None:
        self._state.proposed[payload["area"], payload["period"], payload["revision"]] = entry.sequence

    def _settlement_signed(self, entry: Entry, payload: Payload) -> None:
        self._state.settled[payload["area"], payload["period"], payload["revision"]] = entry.sequence

    def _chain_included(self, _: Entry, payload: Payload) -> None:
        for event in payload["events"]:
            if event["contract"] == "Anchors" and event["event"] == "HeadAnchored":
                self._state.anchor = Anchored(
                    sequence=int(event["args"]["sequence"]),
                    head=event["args"]["head"],
                    tx_hash=payload["tx_hash"],
                    block=payload["block"],
                )


def accepted_by_tag(payload: Payload) -> dict[str, OrderWord]:
    """The words of a cleared MTU that trade something, by tag as 0x hex."""
    words = (OrderWord.unpack(int.from_bytes(from_hex(word), "big")) for word in payload["words"])
    return {to_hex(word.tag.to_bytes(16, "big")): word for word in words if word.accepted_lots}
