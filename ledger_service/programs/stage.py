"""The validation stage: clears the books of each closed session, checks that against the grid, asks the DSO."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import structlog
from sqlalchemy import Connection

from clearing.auction import TIES_RULE
from clearing.caps import NO_POINT
from clearing.earlier import earlier_by_mtu
from clearing.program import MtuBook, ValidatedMtu, ValidatedProgram
from clearing.validation import validate_program
from domain.areas import Area
from domain.facts import (
    BookClosed,
    ClosedBook,
    MtuResult,
    PointEnvelope,
    PointSchedule,
    ProgramRules,
    ProgramValidated,
    closed_key,
    over_keys,
    validated_key,
)
from domain.facts.programs import EarlierPosition
from domain.hashing import canonical_json
from domain.markets import Market
from domain.members import JsonDocument
from domain.merkle import places_root
from domain.policies import policy_at
from domain.sessions import mask_of
from domain.words import OrderWord, crosses, has_trade, result_hash
from grid.model import GridModel
from grid.powerflow import PowerFlow
from ledger_service.market import queries as markets
from ledger_service.market.queries import Session
from ledger_service.programs.earlier import earlier_positions, earlier_sessions
from ledger_service.programs.errors import RecordContradicts
from ledger_service.programs.forecast import FORECAST_RULE, forecast_wh
from ledger_service.programs.policies import policies
from ledger_service.record import Cursor, Record, StorageUnavailable, follow, prepare
from ledger_service.record.keys import find_entries
from ledger_service.registry import queries as registry
from ledger_service.trading import queries as trading
from ledger_service.trading.queries import BookOrder

CURSOR = "validation"
"""Name of the cursor over `book.closed`."""

CLOSED_PER_BATCH = 20
"""Closed sessions read at once: each carries the tags of all its orders."""

SessionKey = tuple[str, int]
"""A market's code and a gate."""

Metered = Callable[[Connection, str, Sequence[int]], Mapping[int, int]]
"""(connection, point code, MTUs) -> net metered energy in Wh by MTU."""

_log = structlog.get_logger(__name__)


@lru_cache(maxsize=8)
def _power_flow(text: bytes) -> PowerFlow:
    return PowerFlow(GridModel.from_json(text))


class ValidationStage:
    """One program at a time: computed from a snapshot, recorded once.

    A session that waits for one of an earlier gate, or that can't be validated, holds up no other. The latter is said
    once in the log, met again after a restart, and given up when the session ends at its deadline.
    """

    name = "validation"

    def __init__(self, record: Record, *, metered: Metered) -> None:
        self._record, self._metered = record, metered
        self._cursor = Cursor(CURSOR)
        self._pending: dict[int, SessionKey] = {}  # closed and neither validated nor over, by the entry that closed it
        self._stuck: set[SessionKey] = set()

    def run(self, now: int) -> bool:
        """Validate the next session that closed and can be: what it rests on no later fact can change."""
        self._take_closed()
        for sequence, session in self._still_pending():
            validated = self._try(session)
            if validated is not None:
                self._append(sequence, validated)
                return True
        return False

    def _take_closed(self) -> None:
        for batch in follow(self._record, self._cursor, [BookClosed], limit=CLOSED_PER_BATCH):
            for entry in batch.entries:
                closed = entry.as_a(BookClosed)
                self._pending[entry.sequence] = (closed.market, closed.session)
        self._cursor.held |= self._pending.keys()  # also what could not be committed last time

    def _still_pending(self) -> list[tuple[int, SessionKey]]:
        """The sessions that are not validated and not over, in the order in which they closed."""
        if self._pending:
            by_key = {key: at for at, session in self._pending.items() for key in _ending_keys(session)}
            with self._record.read() as connection:
                for at in {by_key[key] for key in find_entries(connection, by_key)}:
                    self._stuck.discard(self._pending.pop(at))
                    self._cursor.held.discard(at)
        return [item for item in self._pending.items() if item[1] not in self._stuck]

    def _append(self, sequence: int, validated: ProgramValidated) -> None:
        """Record a program; the cursor stays before the first session that is still pending."""
        prepared = prepare(validated)
        self._cursor.held.discard(sequence)
        with self._record.begin() as tx:
            tx.append(prepared)
            recorded = self._cursor.advance(tx, self._cursor.seen)
        self._cursor.recorded = recorded
        del self._pending[sequence]

    def _try(self, session: SessionKey) -> ProgramValidated | None:
        """The fact; None while it has to wait, or where it can't be made."""
        try:
            return self._validate(*session)
        except StorageUnavailable:
            raise  # the disk's trouble, not the session's
        except Exception as error:
            self._stuck.add(session)
            _log.exception("validation.stuck", market=session[0], session=session[1], reason=str(error))
            return None

    def _validate(self, code: str, gate: int) -> ProgramValidated | None:
        """The fact; None while a session of an earlier gate, on whose trades this one stands, is not over."""
        with self._record.read() as connection:
            session = markets.session(connection, market=code, session=gate)
            closed = find_entries(connection, [closed_key(market=code, session=gate)])
            if session is None or not closed:
                raise RecordContradicts(what=f"session {gate} of {code}", reason="closed but was never opened")
            before = earlier_sessions(connection, session)
            earlier = earlier_positions(connection, before, mtus=session.mtus)
            if earlier is None:
                return None
            (book,) = (entry.as_a(BookClosed) for entry in closed.values())
            market = registry.market(connection, session.market)
            area = registry.area(connection, market.area)
            power_flow = _power_flow(canonical_json(area.grid_model.value))
            sessions = [*(item for _, item in before), session]
            schedules = self._schedules(connection, sessions, power_flow.grid, ZoneInfo(area.zone))
            books = _books(connection, session, power_flow.grid, book)
            policy = policy_at(policies(connection, area.area), session.first_mtu)
        result = validate_program(
            books=books,
            schedules_wh=np.array([schedules[point.code] for point in power_flow.grid.points], dtype=np.int64),
            power_flow=power_flow,
            first_mtu=session.first_mtu,
            lot_wh=market.lot_wh,
            earlier=earlier_by_mtu(earlier, points=[point.code for point in power_flow.grid.points], mtus=session.mtus),
            policy_hash=None if policy is None else policy.policy_hash,
        )
        for fallback in result.fallbacks:
            _log.warning("validation.solver_fell_back", market=market.market, mtu=fallback.mtu, reason=fallback.reason)
        return program_fact(session, book, market, area, schedules, earlier, result)

    def _schedules(
        self, connection: Connection, sessions: Sequence[Session], grid: GridModel, zone: ZoneInfo
    ) -> dict[str, list[int]]:
        """What will flow in the last of these sessions, which are by gate (docs/protocol.md section 3, "Schedules")."""
        last = sessions[-1]
        nominated: dict[str, dict[int, int]] = defaultdict(dict)
        for session in sessions:
            for schedule in trading.schedules(connection, market=session.market, session=session.session).values():
                nominated[schedule.point] |= zip(schedule.mtus, schedule.net_wh, strict=True)
        mtus = list(last.mtus)
        found = {}
        for point in grid.points:
            net_wh = nominated[point.code]
            if not all(mtu in net_wh for mtu in mtus):
                metered_wh = self._metered(connection, point.code, mtus)
                forecast = forecast_wh(mtus=mtus, metered_wh=metered_wh, zone=zone)
                net_wh = dict(zip(mtus, forecast, strict=True)) | net_wh
            found[point.code] = [net_wh[mtu] for mtu in mtus]
        return found


def _ending_keys(session: SessionKey) -> tuple[str, ...]:
    """The journal keys of the facts after which a session awaits no program any more."""
    market, gate = session
    return validated_key(market=market, session=gate), *over_keys(market=market, session=gate)


def _books(connection: Connection, session: Session, grid: GridModel, book: BookClosed) -> list[MtuBook]:
    """The orders of the committed tags, each with the index of its connection point."""
    index = grid.point_index
    orders: dict[int, list[tuple[OrderWord, int]]] = defaultdict(list)
    for order in committed_orders(connection, book):
        orders[order.mtu].append((order.word(), NO_POINT if order.point is None else index[order.point]))
    return [MtuBook.from_orders(orders[mtu]) for mtu in session.mtus]


def committed_orders(connection: Connection, book: BookClosed) -> list[BookOrder]:
    """The orders whose tags closed books commit to, by MTU and tag. Raises RecordContradicts if one is gone."""
    committed = {(item.mtu, tag) for item in book.books for tag in item.tags}
    live = trading.book_orders(connection, market=book.market, session=book.session)
    orders = [order for order in live if (order.mtu, order.tag) in committed]
    if len(orders) != len(committed):
        raise RecordContradicts(
            what=f"orders of session {book.session} of {book.market}", reason="do not match its committed books"
        )
    return orders


def _result(session: Session, market: Market, result: ValidatedMtu) -> MtuResult:
    words = tuple(word.pack() for word in result.words)
    hashed = result_hash(
        market=market.market_id,
        session=session.session,
        mtu=result.mtu,
        price_neur_per_wh=result.price_neur_per_wh,
        words=words,
    )
    return MtuResult(
        mtu=result.mtu,
        price_neur_per_wh=result.price_neur_per_wh,
        words=words,
        result_hash=hashed,
        given_up=result.given_up,
    )


def _is_emptied(result: ValidatedMtu, book: ClosedBook) -> bool:
    """Whether caps or giving up left nothing of a book that could have traded, or of which the result shows less."""
    if has_trade(result.words):
        return False
    return len(result.words) != len(book.tags) or crosses(result.words)


def program_fact(
    session: Session,
    book: BookClosed,
    market: Market,
    area: Area,
    schedules: dict[str, list[int]],
    earlier: Sequence[EarlierPosition],
    result: ValidatedProgram,
) -> ProgramValidated:
    """What is recorded of a validated program."""
    results = tuple(_result(session, market, item) for item in result.results)
    pairs = list(zip(result.results, book.books, strict=True))
    return ProgramValidated(
        market=session.market,
        session=session.session,
        first_mtu=session.first_mtu,
        count=session.count,
        results=results,
        envelopes=tuple(PointEnvelope(**item) for item in result.envelopes_json()),
        report=JsonDocument(result.report),
        report_hash=result.report_hash,
        grid_model_hash=area.grid_model_hash,
        books_root=book.books_root,
        results_root=places_root([item.result_hash for item in results]),
        traded_mask=mask_of((item.mtu for item, _ in pairs if has_trade(item.words)), first_mtu=session.first_mtu),
        emptied_mask=mask_of((item.mtu for item, of in pairs if _is_emptied(item, of)), first_mtu=session.first_mtu),
        deadline=session.session + market.sign_seconds,
        schedules=tuple(PointSchedule(point, tuple(net_wh)) for point, net_wh in sorted(schedules.items())),
        earlier=tuple(earlier),
        rounds=max((item.rounds for item in result.results), default=0),
        rules=ProgramRules(ties=TIES_RULE, forecast=FORECAST_RULE),
    )
