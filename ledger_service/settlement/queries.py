"""Reading settlement: what is resolved, what is proposed, statements, and the package attesters check."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, select

from contracts.bindings import Event
from contracts.bindings.market import ProgramRecorded, SessionClosed, SessionDone, SessionOpened
from contracts.bindings.readings import ReadingsAttested, ReadingsUnread
from contracts.bindings.settlement import PeriodSettled, SettlementSigned
from domain.errors import DominoesError
from domain.facts import Fact, SettlementProposed
from domain.hashing import ZERO_HASH, from_hex
from domain.merkle import merkle_proof
from domain.statements import statement_hash, statement_leaf
from ledger_service.record import Entry
from ledger_service.record.journal import entry_of, select_entries
from ledger_service.record.tables import journal_entry
from ledger_service.settlement.tables import (
    settlement_event,
    settlement_failed,
    settlement_period,
    settlement_source,
)
from ledger_service.settlement.views import KEPT, is_settled_by
from settling.unpacking import Roots

SEQUENCES_PER_QUERY = 500
"""Entries fetched by one statement: below the 999 parameters every SQLite takes."""

SettlementState = Literal["proposed", "signed", "settled", "final"]
"""Where a settlement stands: it waits for signatures, has them, is in effect, or takes no revision any more."""

PeriodLife = Literal["open", SettlementState]
"""Where a period stands: that of its furthest settlement, or without one."""

ENTRIES_HELD = 16
"""Entries held in memory while the entries of a period are walked: one may hold a day of readings and messages."""


class UnknownPeriod(DominoesError):
    """No such period was declared for the area."""

    status = 404
    code = "unknown-period"
    remedy = "Take the period's number from the periods of its area."

    def __init__(self, *, area: str, period: int) -> None:
        self.area, self.period = area, period
        super().__init__(f"area {area} has no period {period}; ask for the list of periods")


class NothingProposed(DominoesError):
    """The period has no proposed settlement of that revision."""

    status = 404
    code = "nothing-proposed"
    remedy = "Ask for a revision that the list of settlements shows, or wait until this one is proposed."
    retryable = True

    def __init__(self, *, area: str, period: int, revision: int | None) -> None:
        self.area, self.period, self.revision = area, period, revision
        wanted = "settlement" if revision is None else f"settlement of revision {revision}"
        super().__init__(f"no {wanted} of period {period} of area {area} is proposed; ask again once it has ended")


@dataclass(frozen=True, slots=True)
class PeriodState:
    """Where a period stands. `settled` counts the revisions in effect on chain."""

    area: str
    period: int
    first_mtu: int
    count: int
    settled: int
    settled_at: int | None
    settled_readings_root: bytes | None
    is_final: bool
    proposal_sequence: int | None
    proposal_revision: int | None
    proposal_roots: bytes | None
    signed_sequence: int | None

    @property
    def next_revision(self) -> int:
        """The revision that a settlement made now carries."""
        return self.settled


def period_states(connection: Connection, *, area: str | None = None) -> list[PeriodState]:
    """All periods, or those of one area, ascending."""
    table = settlement_period
    query = select(table).order_by(table.c.area, table.c.period)
    if area is not None:
        query = query.where(table.c.area == area)
    return [period_from_row(row) for row in connection.execute(query)]


def period_state(connection: Connection, *, area: str, period: int) -> PeriodState:
    """One period. Raises UnknownPeriod."""
    table = settlement_period
    row = connection.execute(select(table).where(table.c.area == area, table.c.period == period)).first()
    if row is None:
        raise UnknownPeriod(area=area, period=period)
    return period_from_row(row)


def period_from_row(row: Row[Any]) -> PeriodState:
    """The period of a row of the view."""
    return PeriodState(**dict(row._mapping))


@dataclass(frozen=True, slots=True)
class SessionOnChain:
    """A session that is over, as the chain has it; roots and masks are zero where it did not get so far."""

    market: str
    session: int
    first_mtu: int
    count: int
    books_root: bytes
    results_root: bytes
    traded_mask: int
    emptied_mask: int
    cleared_mask: int


AttestationKey = tuple[int, int, bytes]
"""What tells an attestation of an area: MTU, revision, root."""


@dataclass(frozen=True, slots=True)
class ReadingsOnChain:
    """What the chain recorded of one MTU's readings: an attestation, or that it is unread (then all is zero)."""

    mtu: int
    revision: int
    unread: bool
    root: bytes
    count: int
    import_wh: int
    export_wh: int

    @property
    def key(self) -> AttestationKey:
        """What tells the attestation."""
        return self.mtu, self.revision, self.root


@dataclass(frozen=True, slots=True)
class ProgramOnChain:
    """A program that the chain recorded."""

    market: str
    session: int
    results_root: bytes
    report_hash: bytes


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the chain did in a period, in its order: sessions that are over, `pending` ones, readings.

    The programs it recorded ascend by gate and market.
    """

    sessions: tuple[SessionOnChain, ...]
    pending: int
    readings: tuple[ReadingsOnChain, ...]
    programs: tuple[ProgramOnChain, ...]
    roots: Roots

    def complete(self, *, count: int) -> bool:
        """Whether no session is pending and every MTU is attested or unread."""
        return self.pending == 0 and len({item.mtu for item in self.readings}) == count


def settlement_keys(connection: Connection, *, area: str, period: int) -> list[str]:
    """Keys of the chain requests that settled a period, every revision and page that is in effect."""
    table = settlement_event
    query = select(table.c.key).where(
        table.c.area == area, table.c.period == period, table.c.what == PeriodSettled.NAME
    )
    return sorted(connection.execute(query).scalars())


def signed_on_chain(connection: Connection, *, area: str, period: int) -> list[tuple[str, SettlementSigned]]:
    """What attesters signed of a period's settlements on chain, by whose transaction it came, with that one's key."""
    table = settlement_event
    query = select(table).where(table.c.area == area, table.c.period == period)
    query = query.where(table.c.what == SettlementSigned.NAME).order_by(table.c.block, table.c.sequence)
    return [(row.key, SettlementSigned.read(json.loads(row.data))) for row in connection.execute(query)]


def revisions_settled(connection: Connection, *, area: str, period: int) -> set[int]:
    """The revisions in effect on chain that are as they were proposed here. It reads all of the period's proposals."""
    in_effect = settlements_in_effect(connection, area=area, period=period)
    found = proposals(connection, area=area, period=period)
    return {revision for revision, fact in found.items() if is_settled_by(in_effect.get(revision), fact)}


def resolution(connection: Connection, *, area: str, period: int) -> Resolution:
    """The chain's events of one period in the order of their happening, and its running roots after the last."""
    table = settlement_event
    query = select(table).where(table.c.area == area, table.c.period == period)
    rows = connection.execute(query.order_by(table.c.block, table.c.sequence, table.c.position)).all()
    events = [(str(row.market), _event_of(row)) for row in rows]
    done = [(market, event) for market, event in events if isinstance(event, SessionDone)]
    opened = sum(isinstance(event, SessionOpened) for _, event in events)
    readings = [event for _, event in events if isinstance(event, ReadingsAttested | ReadingsUnread)]
    programs = [_program(market, event) for market, event in events if isinstance(event, ProgramRecorded)]
    told: dict[tuple[bytes, int], list[Event]] = defaultdict(list)
    for _, event in events:
        if isinstance(event, SessionOpened | SessionClosed | ProgramRecorded):
            told[event.market, event.session].append(event)
    return Resolution(
        sessions=tuple(_session(market, event, told[event.market, event.session]) for market, event in done),
        pending=opened - len(done),
        readings=tuple(map(_readings, readings)),
        programs=tuple(sorted(programs, key=lambda program: (program.session, program.market))),
        roots=Roots(
            clearing_root=done[-1][1].clearing_root if done else ZERO_HASH,
            readings_root=readings[-1].readings_root if readings else ZERO_HASH,
        ),
    )


_KIND_OF = {kind.NAME: kind for kind in KEPT}


def _event_of(row: Row[Any]) -> Event:
    """The event of a row of the view."""
    return _KIND_OF[row.what].read(json.loads(row.data))


def _session(market: str, done: SessionDone, told: Iterable[Event]) -> SessionOnChain:
    """A session that is over, from what the chain told of it."""
    first_mtu = count = traded = emptied = 0
    books_root = results_root = ZERO_HASH
    for event in told:
        match event:
            case SessionOpened():
                first_mtu, count = event.first_mtu, event.count
            case SessionClosed():
                books_root = event.books_root
            case ProgramRecorded():
                program = event.program
                results_root, traded, emptied = program.results_root, program.traded_mask, program.emptied_mask
    return SessionOnChain(
        market=market,
        session=done.session,
        first_mtu=first_mtu,
        count=count,
        books_root=books_root,
        results_root=results_root,
        traded_mask=traded,
        emptied_mask=emptied,
        cleared_mask=done.cleared_mask,
    )


def _readings(event: ReadingsAttested | ReadingsUnread) -> ReadingsOnChain:
    if isinstance(event, ReadingsUnread):
        return ReadingsOnChain(event.mtu, revision=0, unread=True, root=ZERO_HASH, count=0, import_wh=0, export_wh=0)
    return ReadingsOnChain(
        mtu=event.mtu,
        revision=event.revision,
        unread=False,
        root=event.root,
        count=event.count,
        import_wh=event.import_wh,
        export_wh=event.export_wh,
    )


def _program(market: str, event: ProgramRecorded) -> ProgramOnChain:
    return ProgramOnChain(
        market=market,
        session=event.session,
        results_root=event.program.results_root,
        report_hash=event.program.report_hash,
    )


def entries_by_sequence(connection: Connection, sequences: Iterable[int]) -> list[Entry]:
    """These entries, ascending."""
    return list(_walk_sequences(connection, sequences))


def _walk_sequences(connection: Connection, sequences: Iterable[int]) -> Iterator[Entry]:
    wanted = sorted(set(sequences))
    for start in range(0, len(wanted), SEQUENCES_PER_QUERY):
        part = wanted[start : start + SEQUENCES_PER_QUERY]
        query = select_entries().where(journal_entry.c.sequence.in_(part)).order_by(journal_entry.c.sequence)
        yield from map(entry_of, connection.execute(query.execution_options(yield_per=ENTRIES_HELD)))


def sources(connection: Connection, *, area: str, period: int, kind: type[Fact]) -> Iterator[Entry]:
    """The entries of one kind that belong to a period, ascending, few held at a time: some are large."""
    table = settlement_source
    conditions = (table.c.area == area, table.c.period == period, table.c.kind == kind.KIND)
    return _walk_sequences(connection, connection.execute(select(table.c.sequence).where(*conditions)).scalars())


def proposals(connection: Connection, *, area: str, period: int) -> dict[int, SettlementProposed]:
    """The proposal of each revision: the one in effect on chain, the newest where none is yet."""
    in_effect = settlements_in_effect(connection, area=area, period=period)
    found = {}
    for entry in sources(connection, area=area, period=period, kind=SettlementProposed):
        fact = entry.fact
        if not isinstance(fact, SettlementProposed):
            continue  # erased
        settled = in_effect.get(fact.revision)
        if settled is None or is_settled_by(settled, fact):
            found[fact.revision] = fact
    return found


def settlements_in_effect(connection: Connection, *, area: str, period: int) -> dict[int, PeriodSettled]:
    """What the chain says of each revision in effect."""
    table = settlement_event
    same = (table.c.area == area, table.c.period == period, table.c.what == PeriodSettled.NAME)
    rows = connection.execute(select(table.c.data).where(*same))
    settled = [PeriodSettled.read(json.loads(row.data)) for row in rows]
    return {event.revision: event for event in settled}


def latest_proposal(
    connection: Connection, *, area: str, period: int, revision: int | None = None
) -> SettlementProposed:
    """The newest proposal of a period, or of one revision of it. Raises NothingProposed."""
    state = period_state(connection, area=area, period=period)
    if state.proposal_sequence is None or state.proposal_revision is None:
        raise NothingProposed(area=area, period=period, revision=revision)
    wanted = state.proposal_revision if revision is None else revision
    if wanted == state.proposal_revision and wanted >= state.settled:
        return entries_by_sequence(connection, [state.proposal_sequence])[0].as_a(SettlementProposed)
    found = proposals(connection, area=area, period=period)
    if wanted not in found:
        raise NothingProposed(area=area, period=period, revision=wanted)
    return found[wanted]


def failed_requests(connection: Connection, *, area: str, period: int, failed_before: int) -> list[str]:
    """Keys of requests about a period that failed at or before a market time and were not made again, page by page."""
    table = settlement_failed
    same = (table.c.area == area, table.c.period == period, table.c.failed_at <= failed_before)
    query = select(table.c.key).where(*same).order_by(table.c.page, table.c.key)
    return list(connection.execute(query).scalars())


def statement_proof(proposal: SettlementProposed, *, account: str) -> list[bytes]:
    """The Merkle proof from an account's statement to the proposal's statements root, the lowest node first."""
    items = sorted(proposal.statements, key=lambda item: item.account)
    leaves = [
        statement_leaf(
            account=from_hex(item.account),
            period=proposal.period,
            revision=proposal.revision,
            hashed=statement_hash(salt=item.salt, statement=item.statement.as_json()),
        )
        for item in items
    ]
    return merkle_proof(leaves, [item.account for item in items].index(account))
