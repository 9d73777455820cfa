"""How facts become the overview."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select, update

from contracts.bindings import Accounts, Redemptions, Settlement, read_events
from contracts.bindings.anchors import HeadAnchored
from contracts.bindings.settlement import PeriodSettled
from domain.facts import (
    AccessLogged,
    BookClosed,
    ChainIncluded,
    DepositBooked,
    MtuCleared,
    MtuVoided,
    ProgramOpened,
    ProgramRefused,
    ProgramSigned,
    ProgramValidated,
    RedemptionRequested,
    SetpointsIssued,
    SettlementProposed,
)
from domain.hashing import from_hex, text_id
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
        case ProgramOpened() as opened:
            _insert(connection, overview_program, [asdict(opened) | {"given_up": 0, "resolved": 0}])
        case BookClosed(market=market, program=program):
            _change(connection, market, program, book_sequence=entry.sequence)
        case ProgramValidated() as validated:
            _validated(connection, validated, entry.sequence)
        case ProgramSigned(market=market, program=program):
            _change(connection, market, program, signed_sequence=entry.sequence)
        case ProgramRefused(market=market, program=program):
            _change(connection, market, program, refused_sequence=entry.sequence)
        case SetpointsIssued() as issued:
            _set_points(connection, issued, entry.sequence)
        case MtuCleared() as cleared:
            _cleared(connection, cleared, entry.sequence)
        case MtuVoided() as voided:
            ended = {"price_neur_per_wh": None, "volume_lots": 0, "void": True}
            _end(connection, voided, ended, entry.sequence)
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
        case ChainIncluded() as included:
            _included(connection, included, entry.sequence)


def _included(connection: Connection, fact: ChainIncluded, sequence: int) -> None:
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
        ProgramOpened,
        BookClosed,
        ProgramValidated,
        ProgramSigned,
        ProgramRefused,
        SetpointsIssued,
        MtuCleared,
        MtuVoided,
        SettlementProposed,
        DepositBooked,
        RedemptionRequested,
        AccessLogged,
        ChainIncluded,
    ),
    tables=TABLES,
    fold=fold,
)
"""The view, to be kept by every process that writes the record; that of trading is made before it."""


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _change(connection: Connection, market: str, program: int, **values: Any) -> None:
    table = overview_program
    same = (table.c.market == market, table.c.program == program)
    connection.execute(update(table).where(*same).values(**values))


def _validated(connection: Connection, fact: ProgramValidated, sequence: int) -> None:
    given_up = sum(result.given_up for result in fact.results)
    values = {"validated_sequence": sequence, "deadline": fact.deadline, "given_up": given_up}
    _change(connection, fact.market, fact.program, **values)


def _set_points(connection: Connection, fact: SetpointsIssued, sequence: int) -> None:
    rows = [asdict(envelope) | {"market": fact.market, "sequence": sequence} for envelope in fact.envelopes]
    _insert(connection, overview_set_point, rows)


def _cleared(connection: Connection, fact: MtuCleared, sequence: int) -> None:
    words = [OrderWord.unpack(word) for word in fact.words]
    volume_lots = sum(word.accepted_lots for word in words if word.side is Side.BID)
    ended = {"price_neur_per_wh": fact.price_neur_per_wh, "volume_lots": volume_lots, "void": False}
    _end(connection, fact, ended, sequence)
    if fact.price_neur_per_wh is not None:
        accepted = {word.tag.to_bytes(16, "big"): word for word in words if word.accepted_lots}
        _trades(connection, fact, accepted, sequence)


def _end(connection: Connection, fact: MtuCleared | MtuVoided, ended: dict[str, Any], sequence: int) -> None:
    row = {"market": fact.market, "mtu": fact.mtu, "sequence": sequence}
    _insert(connection, overview_mtu, [row | ended])
    if fact.program is not None:
        _change(connection, fact.market, fact.program, resolved=overview_program.c.resolved + 1)


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
    area = next(code for code in codes if text_id(code) == event.area)
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


def _anchored(connection: Connection, fact: ChainIncluded, event: HeadAnchored, sequence: int) -> None:
    row = {
        "sequence": sequence,
        "anchored_sequence": event.sequence,
        "head": event.head,
        "tx_hash": fact.tx_hash,
        "block": fact.block,
    }
    _insert(connection, overview_anchor, [row])
