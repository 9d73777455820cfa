"""The sessions of the golden day: books at the gate, programs under the grid's limits, what the chain clears."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearing.auction import Margin, levels_of, margins, volume_lots
from clearing.book import Book
from clearing.caps import NO_POINT
from clearing.earlier import earlier_by_mtu, earlier_hash
from clearing.program import MtuBook
from clearing.validation import validate_program
from domain.eip712 import PROGRAM
from domain.facts import (
    BookClosed,
    ClearingRules,
    Fact,
    MtuCleared,
    MtuResult,
    ProgramSigned,
    ProgramValidated,
    ScheduleNominated,
    SessionDone,
    SessionOpened,
    SetpointsIssued,
)
from domain.hashing import ZERO_HASH, hash_json, text_id, to_hex
from domain.members import noun_json
from domain.mtu import MtuRange
from domain.orders import schedule_hash
from domain.programs import program_values
from domain.sessions import DoneSession, chain_clearing_root, mtus_of
from domain.signing import recover
from domain.units import NO_CAP
from domain.words import OrderWord, mask_word, page_hashes, word_bytes
from grid.powerflow import PowerFlow
from ledger_service.market.queries import Session
from ledger_service.programs.earlier import positions_left, trades_at_points
from ledger_service.programs.forecast import forecast_wh
from ledger_service.programs.stage import program_fact
from ledger_service.trading.gate import closed_books
from ledger_service.trading.queries import BookOrder
from scripts.tools.golden_day.orders import DOMAIN, Sent, live_orders, sent_in, sent_input, sent_values
from scripts.tools.golden_day.people import AREA, COUNT, FIRST, GATE, LATER_GATE, MARKET, address, key_of, noise
from scripts.tools.golden_day.registry import GRID, Registered

SESSIONS = ((GATE, COUNT), (LATER_GATE, 2))
"""The sessions, by gate, and how many MTUs from the first on they are of."""

MADE_BY_POWER_FLOW = (
    "loading_permille",
    "loading_element",
    "voltage_lowest_micro_pu",
    "voltage_lowest_bus",
    "voltage_highest_micro_pu",
    "voltage_highest_bus",
    "rounds",
    "given_up",
    "findings_count",
    "findings",
    "binding",
)
"""What of a report's MTU follows from the power flow alone."""


@dataclass(frozen=True)
class Traded:
    """One session from its opening to its end. `clearing_root` is that after it."""

    opened: SessionOpened
    sent: tuple[Sent, ...]
    live: tuple[BookOrder, ...]
    closed: BookClosed
    forecasts: Mapping[str, tuple[int, ...]]
    validated: ProgramValidated
    signed: ProgramSigned
    setpoints: SetpointsIssued
    cleared: tuple[MtuCleared, ...]
    done: SessionDone

    def facts(self) -> Iterator[Fact]:
        """The facts in the order of the journal."""
        yield from (self.opened, *self.sent, self.closed, self.validated, self.signed, self.setpoints)
        yield from (*self.cleared, self.done)


def trade(registry: Registered, metered_wh: Mapping[str, Mapping[int, int]]) -> tuple[Traded, ...]:
    """All sessions. `metered_wh` is the net energy of the days before by point and MTU, for what nobody nominated."""
    traded: list[Traded] = []
    for gate, count in SESSIONS:
        session = Session(MARKET, gate, AREA, registry.period.number, FIRST, count, closed=False)
        traded.append(_trade(registry, session, traded, metered_wh))
    return tuple(traded)


def _trade(
    registry: Registered, session: Session, before: Sequence[Traded], metered_wh: Mapping[str, Mapping[int, int]]
) -> Traded:
    sent = sent_in(session, [fact for item in before for fact in item.sent])
    live = live_orders(sent)
    closed = closed_books(session, registry.market, live)
    nominated = _nominated([*(item.sent for item in before), sent])
    points, mtus = [point.code for point in GRID.points], list(session.mtus)
    forecasts = {
        point: tuple(forecast_wh(mtus=mtus, metered_wh=metered_wh[point], zone=registry.area.zone_info))
        for point in points
        if any(mtu not in nominated[point] for mtu in mtus)
    }
    schedules = {
        point: [nominated[point].get(mtu, forecasts.get(point, mtus)[at]) for at, mtu in enumerate(mtus)]
        for point in points
    }
    earlier = positions_left(
        [item for one in before for item in _point_trades(one, registry.market.lot_wh)],
        [envelope for one in before for envelope in one.setpoints.envelopes],
        mtus=session.mtus,
    )
    result = validate_program(
        books=_books(session, live),
        schedules_wh=np.array([schedules[point] for point in points], dtype=np.int64),
        power_flow=PowerFlow(GRID),
        first_mtu=session.first_mtu,
        lot_wh=registry.market.lot_wh,
        earlier=earlier_by_mtu(earlier, points=points, mtus=session.mtus),
        policy_hash=registry.policy_hash,
    )
    validated = program_fact(session, closed, registry.market, registry.area, schedules, earlier, result)
    root = before[-1].done.clearing_root if before else ZERO_HASH
    cleared = tuple(_cleared(validated))
    return Traded(
        opened=SessionOpened(MARKET, AREA, session.session, session.period, session.first_mtu, session.count),
        sent=sent,
        live=tuple(live),
        closed=closed,
        forecasts=forecasts,
        validated=validated,
        signed=_signed(validated),
        setpoints=SetpointsIssued(MARKET, session.session, validated.envelopes),
        cleared=cleared,
        done=_done(validated, root),
    )


def _nominated(sent: Sequence[Sequence[Sent]]) -> dict[str, dict[int, int]]:
    """What was nominated, by point and MTU; a later session's or revision's counts."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for of_session in sent:
        for fact in of_session:
            if isinstance(fact, ScheduleNominated):
                found[fact.point] |= dict(enumerate(fact.net_wh, fact.first_mtu))
    return found


def _point_trades(traded: Traded, lot_wh: int) -> Iterator[Any]:
    for cleared in traded.cleared:
        yield from trades_at_points(cleared, traded.live, lot_wh=lot_wh)


def _books(session: Session, live: Sequence[BookOrder]) -> list[MtuBook]:
    orders: dict[int, list[tuple[OrderWord, int]]] = defaultdict(list)
    for order in live:
        orders[order.mtu].append((order.word(), NO_POINT if order.point is None else GRID.point_index[order.point]))
    return [MtuBook.from_orders(orders[mtu]) for mtu in session.mtus]


def _signed(validated: ProgramValidated) -> ProgramSigned:
    signature = key_of("dso").sign(DOMAIN.digest(PROGRAM, program_values(validated)))
    return ProgramSigned(validated.market, validated.session, address("dso"), signature)


def _cleared(validated: ProgramValidated) -> Iterator[MtuCleared]:
    for result in validated.results:
        if validated.traded_mask >> (result.mtu - validated.first_mtu) & 1:
            yield MtuCleared(
                market=validated.market,
                session=validated.session,
                mtu=result.mtu,
                price_neur_per_wh=result.price_neur_per_wh,
                result_hash=result.result_hash,
                words=result.words,
                tx_hash=noise(f"clear {validated.session} {result.mtu}"),
                rules=ClearingRules(ties=validated.rules.ties),
            )


def _done(validated: ProgramValidated, root: bytes) -> SessionDone:
    ended = DoneSession(
        market_id=text_id(validated.market),
        session=validated.session,
        books_root=validated.books_root,
        results_root=validated.results_root,
        traded_mask=validated.traded_mask,
        emptied_mask=validated.emptied_mask,
        cleared_mask=validated.traded_mask,
    )
    return SessionDone(validated.market, validated.session, ended.cleared_mask, chain_clearing_root(root, ended))


# ---- documents


def session_input(traded: Traded) -> dict[str, Any]:
    """What people, the grid and the chain decided of a session."""
    report = traded.validated.report
    return {
        "opened": traded.opened.payload(),
        "sent": [sent_input(fact) for fact in traded.sent],
        "forecasts": {point: list(values) for point, values in traded.forecasts.items()},
        "envelopes": [noun_json(item) for item in traded.validated.envelopes],
        "rounds_max": report["rounds_max"],
        "fallbacks": report["fallbacks"],
        "states": [{name: item[name] for name in ("mtu", *MADE_BY_POWER_FLOW)} for item in report["mtus"]],
        "rules": noun_json(traded.validated.rules),
        "dso_signature": to_hex(traded.signed.signature),
        "cleared": [{"mtu": item.mtu, "tx_hash": to_hex(item.tx_hash)} for item in traded.cleared],
    }


def orders_values(traded: Sequence[Traded]) -> list[dict[str, Any]]:
    """Of each session what follows from what was sent."""
    sent = [fact for item in traded for fact in item.sent]
    return [
        {"session": item.opened.session, "sent": [sent_values(fact, sent) for fact in item.sent]} for item in traded
    ]


def books_values(traded: Sequence[Traded]) -> list[dict[str, Any]]:
    """Of each session its books as they are committed."""
    return [
        {
            "session": item.opened.session,
            "books": [_book_values(item, book.mtu) for book in item.closed.books],
            "books_root": to_hex(item.closed.books_root),
        }
        for item in traded
    ]


def _book_values(traded: Traded, mtu: int) -> dict[str, Any]:
    book = next(book for book in traded.closed.books if book.mtu == mtu)
    words = [mask_word(order.word().pack()) for order in traded.live if order.mtu == mtu]
    return {
        "mtu": mtu,
        "tags": [to_hex(tag) for tag in book.tags],
        "masked_words": [to_hex(word_bytes(word)) for word in words],
        "page_hashes": [to_hex(item) for item in page_hashes(words)],
        "chain": to_hex(book.chain),
        "book_hash": to_hex(book.book_hash),
    }


def programs_values(traded: Sequence[Traded]) -> list[dict[str, Any]]:
    """Of each session its program, from caps to the clearing root."""
    return [_program_values(item) for item in traded]


def _program_values(traded: Traded) -> dict[str, Any]:
    validated = traded.validated
    payload = validated.payload()
    digest = DOMAIN.digest(PROGRAM, program_values(validated))
    own: dict[str, list[Any]] = {point.code: [] for point in GRID.points}
    for item in validated.envelopes:
        own[item.point].append(noun_json(item))
    hashes = ("schedules_hash", "envelopes_hash")
    return {
        "session": validated.session,
        "schedules": payload["schedules"],
        "values_hashes": {item.point: to_hex(schedule_hash(item.net_wh)) for item in validated.schedules},
        "own_envelopes_hashes": {point: to_hex(hash_json(items)) for point, items in own.items()},
        **{name: validated.report[name] for name in hashes},
        "earlier": payload["earlier"],
        "earlier_hash": to_hex(earlier_hash(validated.earlier)),
        "mtus": [_result_values(item) for item in validated.results],
        **{name: payload[name] for name in ("results_root", "traded_mask", "emptied_mask", "deadline", "rounds")},
        "report": payload["report"],
        "report_hash": payload["report_hash"],
        "digest": to_hex(digest),
        "signer": to_hex(recover(digest, traded.signed.signature)),
        "cleared_mtus": mtus_of(
            traded.done.cleared_mask, session=MtuRange(first=traded.opened.first_mtu, count=traded.opened.count)
        ),
        "clearing_root": to_hex(traded.done.clearing_root),
    }


def _result_values(result: MtuResult) -> dict[str, Any]:
    words = [OrderWord.unpack(word) for word in result.words]
    book = Book.from_words(words)
    levels = levels_of(book)
    volume = volume_lots(levels)
    bids, asks = margins(levels, volume) if volume else (None, None)
    return {
        "mtu": result.mtu,
        "given_up": result.given_up,
        "orders": [
            {
                "tag": f"0x{word.tag:032x}",
                "cap_lots": None if word.cap_lots == NO_CAP else word.cap_lots,
                "effective_lots": word.effective_lots,
                "accepted_lots": word.accepted_lots,
            }
            for word in words
        ],
        "volume_lots": volume,
        "bids": _margin_values(bids),
        "asks": _margin_values(asks),
        "price_neur_per_wh": result.price_neur_per_wh,
        "words": [to_hex(word_bytes(word)) for word in result.words],
        "page_hashes": [to_hex(item) for item in page_hashes(result.words)],
        "result_hash": to_hex(result.result_hash),
    }


def _margin_values(margin: Margin | None) -> dict[str, Any] | None:
    """The worst limit accepted, the lots left for orders at it, and the best limit not accepted in full."""
    if margin is None:
        return None
    return {"last_neur_per_wh": margin.last, "left_lots": margin.left_lots, "next_neur_per_wh": margin.next}
