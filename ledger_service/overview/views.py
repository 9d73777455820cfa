"""How facts become the overview."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Table, Update, and_, delete, insert, not_, select, update

from contracts.bindings import Accounts, Redemptions, Settlement, read_events
from contracts.bindings.anchors import HeadAnchored
from contracts.bindings.settlement import PeriodSettled
from domain.facts import (
    HAPPENED,
    AccessLogged,
    BookClosed,
    ChainIncluded,
    ChainObserved,
    DepositBooked,
    Happened,
    MtuCleared,
    ProgramRefused,
    ProgramSigned,
    ProgramValidated,
    RedemptionRequested,
    SessionDone,
    SessionLapsed,
    SessionOpened,
    SetpointsIssued,
    SettlementProposed,
)
from domain.hashing import from_hex, text_id
from domain.mtu import MtuRange
from domain.sessions import mtus_of
from domain.words import OrderWord, Side
from ledger_service.overview.tables import (
    TABLES,
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
from ledger_service.record import Entry, View
from ledger_service.registry.tables import registry_area
from ledger_service.settlement.queries import entries_by_sequence
from ledger_service.settlement.tables import settlement_source
from ledger_service.settlement.views import is_settled_by
from ledger_service.trading.tables import trading_order

TAGS_PER_QUERY = 500
"""Tags looked up by one statement: below the 999 parameters every SQLite takes."""


MONEY = (Settlement.contract, Accounts.contract, Redemptions.contract)
"""Contracts whose events move money: postings are filtered by the time of their blocks."""


def fold(connection: Connection, entry: Entry) -> None:
    """Bring the overview up to date with one fact."""
    match entry.fact:
        case SessionOpened() as opened:
            _opened(connection, opened, entry.sequence)
        case BookClosed(market=market, session=session):
            _change(connection, market, session, book_sequence=entry.sequence)
        case ProgramValidated() as validated:
            _validated(connection, validated, entry.sequence)
        case ProgramSigned(market=market, session=session):
            _change(connection, market, session, signed_sequence=entry.sequence)
        case ProgramRefused(market=market, session=session):
            _change(connection, market, session, refused_sequence=entry.sequence)
        case SetpointsIssued() as issued:
            _set_points(connection, issued, entry.sequence)
        case MtuCleared() as cleared:
            _cleared(connection, cleared, entry.sequence)
        case SessionDone() as done:
            _done(connection, done, entry.sequence)
        case SessionLapsed() as lapsed:
            _lapsed(connection, lapsed, entry.sequence)
        case SettlementProposed() as proposed:
            _statements(connection, proposed, entry.sequence)
        case _:
            _fold_further(connection, entry)


def _fold_further(connection: Connection, entry: Entry) -> None:
    """What is listed beside the market itself: money on its way, accesses, anchors."""
    match entry.fact:
        case DepositBooked(account=account, amount_neur=amount_neur, ref=ref):
            row = {"account": account, "amount_neur": str(amount_neur), "ref": ref, "sequence": entry.sequence}
            _insert(connection, overview_deposit, [row])
        case RedemptionRequested(account=account, amount_neur=amount_neur, ref=ref):
            asked = {"account": from_hex(account), "ref": ref, "amount_neur": str(amount_neur)}
            _insert(connection, overview_redemption, [asked | {"sequence": entry.sequence}])
        case AccessLogged() as logged:
            _insert(connection, overview_access, [asdict(logged) | {"sequence": entry.sequence}])
        case ChainIncluded() | ChainObserved() as included:
            _included(connection, included, entry.sequence)


def _included(connection: Connection, fact: Happened, sequence: int) -> None:
    """What the chain did: when, to which period, and to which head of the journal."""
    if any(event.contract in MONEY for event in fact.events):
        _insert(connection, overview_inclusion, [{"sequence": sequence, "block_time": fact.block_time}])
    for anchored in read_events(fact.events, HeadAnchored):
        _anchored(connection, fact, anchored, sequence)
    for settled in read_events(fact.events, PeriodSettled):
        _settled(connection, settled)


OVERVIEW = View(
    name="overview",
    facts=(
        SessionOpened,
        BookClosed,
        ProgramValidated,
        ProgramSigned,
        ProgramRefused,
        SetpointsIssued,
        MtuCleared,
        SessionDone,
        SessionLapsed,
        SettlementProposed,
        DepositBooked,
        RedemptionRequested,
        AccessLogged,
        *HAPPENED,
    ),
    tables=TABLES,
    fold=fold,
)
"""The view, to be kept by every process that writes the record; that of trading is made before it."""


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _change(connection: Connection, market: str, session: int, **values: Any) -> None:
    table = overview_program
    same = (table.c.market == market, table.c.session == session)
    connection.execute(update(table).where(*same).values(**values))


def _opened(connection: Connection, fact: SessionOpened, sequence: int) -> None:
    _insert(connection, overview_program, [asdict(fact) | {"traded": 0, "given_up": 0, "cleared": 0}])
    pending = {"price_neur_per_wh": None, "volume_lots": 0, "tradeless": False, "void": None}
    row = {"market": fact.market, "session": fact.session, "sequence": sequence, **pending}
    _insert(connection, overview_mtu, [row | {"mtu": fact.first_mtu + at} for at in range(fact.count)])


def _validated(connection: Connection, fact: ProgramValidated, sequence: int) -> None:
    given_up = {result.mtu for result in fact.results if result.given_up}
    traded = fact.traded_mask.bit_count()
    values = {"validated_sequence": sequence, "deadline": fact.deadline, "traded": traded, "given_up": len(given_up)}
    _change(connection, fact.market, fact.session, **values)
    mtus = MtuRange(fact.first_mtu, fact.count)
    tradeless = set(mtus) - given_up - set(mtus_of(fact.traded_mask, session=mtus))
    pending = _mtus(fact.market, fact.session)
    connection.execute(pending.where(overview_mtu.c.mtu.in_(tradeless)).values(tradeless=True, sequence=sequence))


def _set_points(connection: Connection, fact: SetpointsIssued, sequence: int) -> None:
    rows = [
        asdict(envelope) | {"market": fact.market, "session": fact.session, "sequence": sequence}
        for envelope in fact.envelopes
    ]
    _insert(connection, overview_set_point, rows)


def _cleared(connection: Connection, fact: MtuCleared, sequence: int) -> None:
    words = [OrderWord.unpack(word) for word in fact.words]
    volume_lots = sum(word.accepted_lots for word in words if word.side is Side.BID)
    ended = {"price_neur_per_wh": fact.price_neur_per_wh, "volume_lots": volume_lots, "void": False}
    this = _mtus(fact.market, fact.session).where(overview_mtu.c.mtu == fact.mtu)
    connection.execute(this.values(**ended, sequence=sequence))
    _change(connection, fact.market, fact.session, cleared=overview_program.c.cleared + 1)
    accepted = {word.tag.to_bytes(16, "big"): word for word in words if word.accepted_lots}
    _trades(connection, fact, accepted, sequence)


def _done(connection: Connection, fact: SessionDone, sequence: int) -> None:
    """What was not cleared traded nothing: tradeless as the signed program says, or void."""
    _change(connection, fact.market, fact.session, done_sequence=sequence)
    c = overview_program.c
    signed = select(c.signed_sequence.is_not(None)).where(c.market == fact.market, c.session == fact.session)
    tradeless = and_(overview_mtu.c.tradeless, signed.scalar_subquery())
    pending = _mtus(fact.market, fact.session).where(overview_mtu.c.void.is_(None))
    connection.execute(pending.values(void=not_(tradeless), sequence=sequence))


def _lapsed(connection: Connection, fact: SessionLapsed, sequence: int) -> None:
    """The chain never had the session: all its MTUs are void."""
    _change(connection, fact.market, fact.session, lapsed_reason=fact.reason)
    connection.execute(_mtus(fact.market, fact.session).values(void=True, sequence=sequence))


def _mtus(market: str, session: int) -> Update:
    """A change of MTUs of a session."""
    return update(overview_mtu).where(overview_mtu.c.market == market, overview_mtu.c.session == session)


def _trades(connection: Connection, fact: MtuCleared, accepted: dict[bytes, OrderWord], sequence: int) -> None:
    """What was accepted, by whose order it is; an erased order shows nothing."""
    table = trading_order
    rows = []
    for tags in _parts(sorted(accepted)):
        found = connection.execute(select(table).where(table.c.market == fact.market, table.c.tag.in_(tags)))
        for order in found:
            rows.append(
                {
                    "account": order.account,
                    "mtu": fact.mtu,
                    "order_id": order.order_id,
                    "market": fact.market,
                    "session": fact.session,
                    "tag": order.tag,
                    "side": order.side,
                    "accepted_lots": accepted[bytes(order.tag)].accepted_lots,
                    "price_neur_per_wh": fact.price_neur_per_wh,
                    "sequence": sequence,
                }
            )
    _insert(connection, overview_trade, rows)


def _parts(tags: list[bytes]) -> Iterable[list[bytes]]:
    return (tags[start : start + TAGS_PER_QUERY] for start in range(0, len(tags), TAGS_PER_QUERY))


def _statements(connection: Connection, fact: SettlementProposed, sequence: int) -> None:
    """The newest proposal of a revision takes the place of the one before."""
    table = overview_statement
    same = (table.c.area == fact.area, table.c.period == fact.period, table.c.revision == fact.revision)
    connection.execute(delete(table).where(*same))
    rows = [
        {
            "account": item.account,
            "area": fact.area,
            "period": fact.period,
            "revision": fact.revision,
            "first_mtu": item.statement.first_mtu,
            "count": item.statement.count,
            "amount_neur": str(item.statement.amount_neur),
            "due_neur": str(item.statement.due_neur),
            "sequence": sequence,
        }
        for item in fact.statements
    ]
    _insert(connection, table, rows)


def _settled(connection: Connection, event: PeriodSettled) -> None:
    """Where a revision was proposed twice, what took effect on chain counts, not what was proposed last."""
    codes = connection.execute(select(registry_area.c.area)).scalars()
    area = next((code for code in codes if text_id(code) == event.area), "")  # none: it is of another service
    table = settlement_source
    conditions = (table.c.area == area, table.c.period == event.period)
    wanted = select(table.c.sequence).where(*conditions, table.c.kind == SettlementProposed.KIND)
    sequences = connection.execute(wanted.order_by(table.c.sequence)).scalars().all()
    if len(sequences) <= event.revision + 1:
        return
    for entry in entries_by_sequence(connection, sequences):
        fact = entry.fact
        if isinstance(fact, SettlementProposed) and fact.revision == event.revision and is_settled_by(event, fact):
            _statements(connection, fact, entry.sequence)


def _anchored(connection: Connection, fact: Happened, event: HeadAnchored, sequence: int) -> None:
    row = {
        "sequence": sequence,
        "anchored_sequence": event.sequence,
        "head": event.head,
        "tx_hash": fact.tx_hash,
        "block": fact.block,
    }
    _insert(connection, overview_anchor, [row])
