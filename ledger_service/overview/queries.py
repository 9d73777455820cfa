"""Reading the overview: each list in parts, by its owner and time through an index."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, or_, select, union_all

from domain.hashing import to_hex
from domain.words import Side
from ledger_service.money.queries import Movement, movement_of
from ledger_service.money.tables import money_movement, money_redemption
from ledger_service.overview.tables import (
    overview_access,
    overview_anchor,
    overview_deposit,
    overview_inclusion,
    overview_mtu,
    overview_program,
    overview_redemption,
    overview_set_point,
    overview_statement,
    overview_trade,
)
from ledger_service.record.paging import WHOLE, Slice, sliced
from ledger_service.record.spans import ALWAYS, WHENEVER, MtuSpan, Recorded, SequenceSpan, with_time
from ledger_service.registry.queries import is_held_by

ProgramState = Literal[
    "open",
    "gate_closed",
    "book_closed",
    "awaiting_verdict",
    "expired",
    "signed",
    "refused",
    "cleared",
    "resolved",
    "lapsed",
]
"""Where a program stands; `expired` = the DSO let its deadline pass, `cleared` = all that trade, `resolved` = over,
`lapsed` = the chain never had it."""

EndState = Literal["cleared", "tradeless", "void"]
"""How an MTU ended: something was traded; nothing was, as the DSO signed; or nothing was because it was given up,
refused or too late, or its session lapsed."""

OrderState = Literal["in_book", "withdrawn", EndState]
"""Where an order stands."""


@dataclass(frozen=True, slots=True)
class ProgramView:
    """One gate of one market: its MTUs, and the entries that say what became of it. `session` is the gate.

    `given_up` MTUs have no result within the grid's limits: they trade nothing.
    """

    market: str
    session: int
    area: str
    period: int
    first_mtu: int
    count: int
    book_sequence: int | None
    validated_sequence: int | None
    deadline: int | None
    signed_sequence: int | None
    refused_sequence: int | None
    done_sequence: int | None
    lapsed_reason: str | None
    traded: int
    given_up: int
    cleared: int

    @property
    def verdict_sequence(self) -> int | None:
        """The entry of the DSO's verdict; None where it gave none."""
        return self.signed_sequence or self.refused_sequence

    def state(self, *, now: int) -> ProgramState:
        """The word for where the program stands at market time `now`; `_in_state` says the same in SQL.

        open, gate_closed, book_closed, awaiting_verdict, then signed, refused or expired; `cleared` once every MTU that
        trades is, where one does; `resolved` once the session is over, `lapsed` where it never was on chain.
        """
        if self.lapsed_reason is not None:
            return "lapsed"
        if self.done_sequence is not None:
            return "resolved"
        if self.refused_sequence is not None:
            return "refused"
        if self.signed_sequence is not None:
            return "cleared" if self.cleared >= self.traded > 0 else "signed"
        if self.validated_sequence is not None:
            late = self.deadline is not None and now > self.deadline
            return "expired" if late else "awaiting_verdict"
        if self.book_sequence is not None:
            return "book_closed"
        return "open" if now < self.session else "gate_closed"


def _in_state(state: ProgramState, *, now: int) -> ColumnElement[bool]:
    """Whether a program stands there at market time `now`."""
    c = overview_program.c
    pending = and_(c.done_sequence.is_(None), c.lapsed_reason.is_(None))
    undecided = and_(pending, c.refused_sequence.is_(None), c.signed_sequence.is_(None))
    signed = and_(pending, c.refused_sequence.is_(None), c.signed_sequence.is_not(None))
    validated = and_(undecided, c.validated_sequence.is_not(None))
    gated = and_(undecided, c.validated_sequence.is_(None), c.book_sequence.is_(None))
    conditions: dict[ProgramState, ColumnElement[bool]] = {
        "open": and_(gated, c.session > now),
        "gate_closed": and_(gated, c.session <= now),
        "book_closed": and_(undecided, c.validated_sequence.is_(None), c.book_sequence.is_not(None)),
        "awaiting_verdict": and_(validated, c.deadline >= now),
        "expired": and_(validated, c.deadline < now),
        "signed": and_(signed, or_(c.cleared < c.traded, c.traded == 0)),
        "cleared": and_(signed, c.cleared >= c.traded, c.traded > 0),
        "refused": and_(pending, c.refused_sequence.is_not(None)),
        "resolved": and_(c.done_sequence.is_not(None), c.lapsed_reason.is_(None)),
        "lapsed": c.lapsed_reason.is_not(None),
    }
    return conditions[state]


def _program(row: Row[Any]) -> ProgramView:
    return ProgramView(**dict(row._mapping))


def programs(
    connection: Connection,
    *,
    now: int,
    market: str | None = None,
    area: str | None = None,
    state: ProgramState | None = None,
    span: MtuSpan = ALWAYS,
    part: Slice = WHOLE,
) -> list[ProgramView]:
    """Programs of a market or an area that deliver in a span, in delivery order: by first MTU, market and gate."""
    c = overview_program.c
    query = select(overview_program).where(span.meets(c.first_mtu, c.count))
    if market is not None:
        query = query.where(c.market == market)
    if area is not None:
        query = query.where(c.area == area)
    if state is not None:
        query = query.where(_in_state(state, now=now))
    return [_program(row) for row in connection.execute(sliced(query, c.first_mtu, c.market, c.session, part=part))]


def decided_programs(
    connection: Connection, *, now: int, area: str | None, span: MtuSpan = ALWAYS, part: Slice = WHOLE
) -> list[ProgramView]:
    """Programs that the DSO signed or refused, or let pass their deadline, in delivery order."""
    c = overview_program.c
    decided = or_(c.signed_sequence.is_not(None), c.refused_sequence.is_not(None), c.deadline < now)
    query = select(overview_program).where(decided, span.meets(c.first_mtu, c.count))
    if area is not None:
        query = query.where(c.area == area)
    return [_program(row) for row in connection.execute(sliced(query, c.first_mtu, c.market, c.session, part=part))]


def program(connection: Connection, *, market: str, session: int) -> ProgramView | None:
    """One program."""
    c = overview_program.c
    row = connection.execute(select(overview_program).where(c.market == market, c.session == session)).first()
    return None if row is None else _program(row)


BookKey = tuple[str, int, int]
"""Market, session and MTU: what tells a book."""


@dataclass(frozen=True, slots=True)
class MtuEnd:
    """How one MTU of a session ended: price in nEUR/Wh (None without a trade) and traded volume, or void.

    `lapsed_reason` is told of ends that are asked for by name, where the session lapsed.
    """

    market: str
    session: int
    mtu: int
    price_neur_per_wh: int | None
    volume_lots: int
    void: bool
    lapsed_reason: str | None = None

    @property
    def state(self) -> EndState:
        """The word for it."""
        if self.void:
            return "void"
        return "cleared" if self.volume_lots else "tradeless"


def ended_mtus(connection: Connection, *, market: str, span: MtuSpan = ALWAYS, part: Slice = WHOLE) -> list[MtuEnd]:
    """The MTUs of a market's sessions that have ended, in a span, by MTU and gate."""
    c = overview_mtu.c
    query = select(overview_mtu).where(c.market == market, c.void.is_not(None), span.holds(c.mtu))
    return [_ended(row) for row in connection.execute(sliced(query, c.mtu, c.session, part=part))]


@dataclass(frozen=True, slots=True)
class ProgramMtu:
    """One MTU of a program, and how it ended; None until it has."""

    program: ProgramView
    mtu: int
    end: MtuEnd | None


def program_mtus(
    connection: Connection, *, market: str, span: MtuSpan = ALWAYS, part: Slice = WHOLE
) -> list[ProgramMtu]:
    """The MTUs of a market's sessions, in a span, by MTU and gate."""
    c, of = overview_mtu.c, overview_program.c
    query = select(overview_mtu).where(c.market == market, span.holds(c.mtu))
    rows = connection.execute(sliced(query, c.mtu, c.session, part=part)).all()
    wanted = {row.session for row in rows}
    found = connection.execute(select(overview_program).where(of.market == market, of.session.in_(wanted)))
    programs = {one.session: one for one in map(_program, found)}
    return [
        ProgramMtu(program=programs[row.session], mtu=row.mtu, end=None if row.void is None else _ended(row))
        for row in rows
    ]


def _ended(row: Row[Any]) -> MtuEnd:
    return MtuEnd(
        market=row.market,
        session=row.session,
        mtu=row.mtu,
        price_neur_per_wh=row.price_neur_per_wh,
        volume_lots=row.volume_lots,
        void=bool(row.void),
    )


def ends_of(connection: Connection, wanted: set[BookKey]) -> dict[BookKey, MtuEnd]:
    """How these MTUs of sessions ended; those that have not are left out."""
    c = overview_mtu.c
    found: dict[BookKey, MtuEnd] = {}
    for market, session in {(market, session) for market, session, _ in wanted}:
        mtus = [mtu for *name, mtu in wanted if name == [market, session]]
        these = (c.market == market, c.session == session, c.mtu.between(min(mtus), max(mtus)))
        seen = program(connection, market=market, session=session)
        reason = None if seen is None else seen.lapsed_reason
        for row in connection.execute(select(overview_mtu).where(*these, c.void.is_not(None))):
            found[market, session, row.mtu] = replace(_ended(row), lapsed_reason=reason)
    return found


@dataclass(frozen=True, slots=True)
class TradeRow:
    """What was accepted of an account's order, at the clearing price."""

    account: str
    market: str
    session: int
    mtu: int
    order_id: bytes
    tag: bytes
    side: Side
    accepted_lots: int
    price_neur_per_wh: int


def trades(connection: Connection, *, account: str, span: MtuSpan = ALWAYS, part: Slice = WHOLE) -> list[TradeRow]:
    """A participant's trades of a span, those of accounts before its present one included, by MTU and order."""
    c = overview_trade.c
    query = select(overview_trade).where(is_held_by(connection, c.account, account), span.holds(c.mtu))
    return [_trade(row) for row in connection.execute(sliced(query, c.mtu, c.order_id, part=part))]


def _trade(row: Row[Any]) -> TradeRow:
    return TradeRow(
        account=row.account,
        market=row.market,
        session=row.session,
        mtu=row.mtu,
        order_id=bytes(row.order_id),
        tag=bytes(row.tag),
        side=Side(row.side),
        accepted_lots=row.accepted_lots,
        price_neur_per_wh=row.price_neur_per_wh,
    )


@dataclass(frozen=True, slots=True)
class SetPoint:
    """An envelope in force at a point; None for no cap."""

    point: str
    mtu: int
    market: str
    session: int
    import_cap_wh: int | None
    export_cap_wh: int | None
    sequence: int


def set_points(connection: Connection, *, point: str, span: MtuSpan = ALWAYS, part: Slice = WHOLE) -> list[SetPoint]:
    """Envelopes at a point in a span, by MTU and in the order they were issued."""
    c = overview_set_point.c
    query = select(overview_set_point).where(c.point == point, span.holds(c.mtu))
    return [SetPoint(**dict(row._mapping)) for row in connection.execute(sliced(query, c.mtu, c.sequence, part=part))]


def set_point(connection: Connection, *, point: str, market: str, session: int, mtu: int) -> SetPoint | None:
    """The envelope at a point in one MTU that follows from a session."""
    c = overview_set_point.c
    same = (c.point == point, c.mtu == mtu, c.market == market, c.session == session)
    row = connection.execute(select(overview_set_point).where(*same)).first()
    return None if row is None else SetPoint(**dict(row._mapping))


@dataclass(frozen=True, slots=True)
class StatementView:
    """What a statement comes to. `sequence` is the entry of the proposal that holds it."""

    account: str
    area: str
    period: int
    revision: int
    first_mtu: int
    count: int
    amount_neur: int
    due_neur: int
    sequence: int


def statements(
    connection: Connection, *, account: str, span: MtuSpan = ALWAYS, part: Slice = WHOLE
) -> list[StatementView]:
    """A participant's statements of periods in a span, in its account's name of the time, by period and revision."""
    c = overview_statement.c
    mine = is_held_by(connection, c.account, account)
    query = select(overview_statement).where(mine, span.meets(c.first_mtu, c.count))
    rows = connection.execute(sliced(query, c.period, c.revision, part=part))
    return [
        StatementView(
            account=row.account,
            area=row.area,
            period=row.period,
            revision=row.revision,
            first_mtu=row.first_mtu,
            count=row._mapping["count"],
            amount_neur=int(row.amount_neur),
            due_neur=int(row.due_neur),
            sequence=row.sequence,
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Deposit:
    """A deposit as it was booked, at this market time (unix seconds)."""

    sequence: int
    account: str
    amount_neur: int
    ref: bytes
    recorded_at: int


def deposits(
    connection: Connection, *, account: str | None = None, within: SequenceSpan = WHENEVER, part: Slice = WHOLE
) -> list[Deposit]:
    """Deposits of a participant, or all, booked within a span of the journal, in the order they were booked."""
    c = overview_deposit.c
    query = with_time(select(overview_deposit).where(within.holds(c.sequence)), c.sequence)
    if account is not None:
        query = query.where(is_held_by(connection, c.account, account))
    rows = connection.execute(sliced(query, c.sequence, part=part))
    return [
        Deposit(
            sequence=row.sequence,
            account=row.account,
            amount_neur=int(row.amount_neur),
            ref=bytes(row.ref),
            recorded_at=row.recorded_at,
        )
        for row in rows
    ]


def redemption_refs(
    connection: Connection, *, account: bytes, within: SequenceSpan = WHENEVER, part: Slice = WHOLE
) -> list[Recorded[bytes]]:
    """References of an account's redemptions recorded within a span of the journal, by reference.

    Those asked for here count from when they were asked for, those that only the chain knows from their inclusion.
    """
    asked, known = overview_redemption.c, money_redemption.c
    asked_here = select(asked.ref).where(asked.account == known.account, asked.ref == known.ref).exists()
    found = union_all(
        select(asked.ref, asked.sequence).where(asked.account == account, within.holds(asked.sequence)),
        select(known.ref, known.sequence).where(known.account == account, within.holds(known.sequence), ~asked_here),
    ).subquery()
    query = with_time(select(found.c.ref), found.c.sequence)
    rows = connection.execute(sliced(query, found.c.ref, part=part))
    return [Recorded(bytes(row.ref), row.recorded_at) for row in rows]


def asked_redemptions(connection: Connection, *, account: bytes, refs: list[bytes]) -> dict[bytes, int]:
    """Amounts in nEUR of redemptions asked for here, by reference."""
    c = overview_redemption.c
    query = select(c.ref, c.amount_neur).where(c.account == account, c.ref.in_(refs))
    return {bytes(row.ref): int(row.amount_neur) for row in connection.execute(query)}


@dataclass(frozen=True, slots=True)
class Access:
    """A reading of personal data by an auditor; no area: of all."""

    sequence: int
    area: str | None
    auditor: str
    what: str
    market_time: int


def accesses(
    connection: Connection, *, area: str | None, from_seconds: int, to_seconds: int, part: Slice = WHOLE
) -> list[Access]:
    """Readings of an area's data within [from, to) of market time, those of all areas' data included, in order."""
    c = overview_access.c
    query = select(overview_access).where(c.market_time >= from_seconds, c.market_time < to_seconds)
    # one query each, not one with either: each then gives its rows in order, however many there are
    found = union_all(query.where(c.area == area), query.where(c.area.is_(None))).subquery()
    rows = connection.execute(sliced(select(found), found.c.sequence, part=part))
    return [Access(**dict(row._mapping)) for row in rows]


@dataclass(frozen=True, slots=True)
class PostingRow:
    """A movement of an account, and the block time (unix seconds) of its inclusion."""

    movement: Movement
    block_time: int


def postings(
    connection: Connection, *, account: bytes, from_block_time: int, to_block_time: int, part: Slice = WHOLE
) -> list[PostingRow]:
    """Movements of a participant's accounts, its present one and those before it, within [from, to) of block time."""
    c, included = money_movement.c, overview_inclusion.c
    query = _movements().where(is_held_by(connection, c.account, to_hex(account)))
    query = query.where(included.block_time >= from_block_time, included.block_time < to_block_time)
    rows = connection.execute(sliced(query, c.sequence, c.position, part=part))
    return [PostingRow(movement=movement_of(row), block_time=row.block_time) for row in rows]


def _movements() -> Select[Any]:
    same = overview_inclusion.c.sequence == money_movement.c.sequence
    return select(money_movement, overview_inclusion.c.block_time).join(overview_inclusion, same)


@dataclass(frozen=True, slots=True)
class AnchoredHead:
    """A journal head that stands on chain, and the transaction that put it there."""

    sequence: int
    head: bytes
    tx_hash: bytes
    block: int


def last_anchor(connection: Connection) -> AnchoredHead | None:
    """The last journal head that a block holds; None before the first."""
    c = overview_anchor.c
    row = connection.execute(select(overview_anchor).order_by(c.sequence.desc()).limit(1)).first()
    if row is None:
        return None
    return AnchoredHead(
        sequence=row.anchored_sequence, head=bytes(row.head), tx_hash=bytes(row.tx_hash), block=row.block
    )
