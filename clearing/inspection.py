"""What a DSO's own client checks of a program before it signs: everything is recomputed from the content shown.

Nothing is taken from whoever asks for the signature but the content itself: the grid, the market's rules and the domain
are the DSO's own. So what is signed is what was seen, over the books that were seen, or nothing is signed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearing.auction import TIES_RULE
from clearing.book import Book, BookNotSorted, Clearing
from clearing.caps import NO_POINT
from clearing.earlier import earlier_by_mtu, earlier_hash
from clearing.exact_check import BrokenRule, check_clearing
from clearing.policy import check_policy
from clearing.program import MtuBook, ValidatedProgram
from clearing.shown import Mismatch, ProgramDiffers, ShownMtu, ShownOrder, ShownProgram, ShownRefusal
from clearing.validation import validate_program
from domain.eip712 import PROGRAM, REFUSAL, Domain
from domain.hashing import text_id
from domain.members import noun_json
from domain.merkle import places_root
from domain.mtu import MtuRange
from domain.orders import envelopes_hash
from domain.policies import SigningPolicy
from domain.rules import rule_of
from domain.sessions import mask_of
from domain.units import NeurPerWh
from domain.words import OrderWord, Side, book_hash, crosses, has_trade, mask_word, result_hash
from grid.model import GridModel
from grid.powerflow import PowerFlow
from grid.report import schedules_hash

CheckClearing = Callable[[Book, Clearing], list[BrokenRule]]

CHECK_BY_TIES_RULE: Mapping[int, CheckClearing] = {TIES_RULE: check_clearing}
"""What checks a clearing, by the version of the rule for ties that its program names."""

VALIDATE_BY_TIES_RULE = {TIES_RULE: validate_program}
"""What clears and validates a program again, by the version of the rule for ties that it names."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a DSO knows by itself of a program: where its signature counts, its grid, the market's rules, what is due.

    `session`: the gate; `deadline`: market time by which it must sign (gate + time to sign); `policy`: its own signing
    policy in force, None where it has published none.
    """

    domain: Domain
    grid: GridModel
    market: str
    session: int
    lot_wh: int
    mtus: MtuRange
    deadline: int
    policy: SigningPolicy | None = None


def inspect(shown: ShownProgram, orders: Iterable[ShownOrder], pinned: Pinned) -> bytes:
    """The digest of the program as its shown content gives it: the one thing to sign.

    `orders`: every order of the program's books. Raises ProgramDiffers, BeyondPolicy where the signing policy does not
    allow it, and UnknownRule where it was cleared by a rule that is not known here.
    """
    rule_of("ties", CHECK_BY_TIES_RULE, shown.rules.ties)
    books = _books(orders, pinned)
    found = [*_of_frame(shown, pinned), *_of_books(shown, books, pinned), *_of_results(shown, books, pinned)]
    found += _of_report(shown, pinned)
    digest = pinned.domain.digest(PROGRAM, _program_values(shown, books, pinned))
    found += Mismatch.of("digest", digest, shown.digest)
    if found:
        raise ProgramDiffers(mismatches=found)
    if pinned.policy is not None:
        check_policy(pinned.policy, shown)
    return digest


def refusal_digest(shown: ShownRefusal, pinned: Pinned, *, reason: str) -> bytes:
    """The digest of a refusal of the program shown, whatever is wrong with it. Raises ProgramDiffers."""
    values = {
        "market": text_id(pinned.market),
        "session": pinned.session,
        "firstMtu": shown.first_mtu,
        "count": shown.count,
        "resultsRoot": shown.results_root,
        "reason": reason,
    }
    digest = pinned.domain.digest(REFUSAL, values)
    found = Mismatch.of("digest of the refusal", digest, shown.digest)
    if found:
        raise ProgramDiffers(mismatches=found)
    return digest


def repeat(shown: ShownProgram, orders: Iterable[ShownOrder], pinned: Pinned) -> None:
    """Clear and validate the orders and schedules again, and compare: caps no wider or tighter than they must be.

    `shown` and `orders` passed `inspect`. Raises ProgramDiffers, UnknownRule, BadSchedule, GridUnsolvable.
    """
    again = _validated_again(shown, orders, pinned)
    # where the operator's solver failed while clearing, the numeric path gave the same result
    told_report = shown.report.as_json()
    report = {**again.report, "fallbacks": told_report["fallbacks"]}
    found = Mismatch.of("report, validated again,", report, told_report)
    for mine, told in zip(again.results, shown.results, strict=True):
        price = mine.price_neur_per_wh
        found += Mismatch.of(f"words of MTU {mine.mtu}, cleared again,", mine.words, told.words)
        found += Mismatch.of(f"price of MTU {mine.mtu}, cleared again,", price, told.price_neur_per_wh)
    if found:
        raise ProgramDiffers(mismatches=found)


def _validated_again(shown: ShownProgram, orders: Iterable[ShownOrder], pinned: Pinned) -> ValidatedProgram:
    validate = rule_of("ties", VALIDATE_BY_TIES_RULE, shown.rules.ties)
    return validate(
        books=list(_books(orders, pinned).values()),
        schedules_wh=_schedules(shown, pinned),
        power_flow=PowerFlow(pinned.grid),
        first_mtu=pinned.mtus.first,
        lot_wh=pinned.lot_wh,
        earlier=earlier_by_mtu(shown.earlier, points=[point.code for point in pinned.grid.points], mtus=pinned.mtus),
        policy_hash=_policy_hash(pinned),
    )


def _policy_hash(pinned: Pinned) -> bytes | None:
    return None if pinned.policy is None else pinned.policy.policy_hash


def _books(orders: Iterable[ShownOrder], pinned: Pinned) -> dict[int, MtuBook]:
    """The book of each MTU of the program. Raises ProgramDiffers for an order that is of none of them."""
    index = pinned.grid.point_index
    words: dict[int, list[tuple[OrderWord, int]]] = {mtu: [] for mtu in pinned.mtus}
    for order in orders:
        if order.mtu not in words or (order.point is not None and order.point not in index):
            due, told = "of MTUs of the program, at points of the grid", f"MTU {order.mtu} at {order.point}"
            raise ProgramDiffers(mismatches=[Mismatch("orders of the program", due, told)])
        words[order.mtu].append((order.word, NO_POINT if order.point is None else index[order.point]))
    return {mtu: _book(mtu, words[mtu]) for mtu in pinned.mtus}


def _book(mtu: int, orders: list[tuple[OrderWord, int]]) -> MtuBook:
    try:
        return MtuBook.from_orders(orders)
    except BookNotSorted as error:
        mismatch = Mismatch(f"orders of MTU {mtu}", "a tag of its own for each", str(error))
        raise ProgramDiffers(mismatches=[mismatch]) from error


def _schedules(shown: ShownProgram, pinned: Pinned) -> NDArray[np.int64]:
    """Point × MTU, in the grid's order of points."""
    schedule_of = shown.schedule_of
    return np.array([schedule_of[point.code] for point in pinned.grid.points], dtype=np.int64)


def _of_frame(shown: ShownProgram, pinned: Pinned) -> list[Mismatch]:
    """Market, MTUs, deadline and grid: what the DSO knows without the operator."""
    model = pinned.grid.grid_model_hash
    return [
        *Mismatch.of("market", pinned.market, shown.market),
        *Mismatch.of("session", pinned.session, shown.session),
        *Mismatch.of("first MTU", pinned.mtus.first, shown.first_mtu),
        *Mismatch.of("count of MTUs", pinned.mtus.count, shown.count),
        *Mismatch.of("deadline", pinned.deadline, shown.deadline),
        *Mismatch.of("grid model hash", model, shown.grid_model_hash),
        *Mismatch.of("grid model hash of the report", model, shown.report.grid_model_hash),
        *Mismatch.of("lot of the report", pinned.lot_wh, shown.report.lot_wh),
    ]


def _of_books(shown: ShownProgram, books: Mapping[int, MtuBook], pinned: Pinned) -> list[Mismatch]:
    """The root over the orders shown, and that each result but those given up has the very orders of its book."""
    found = Mismatch.of("books root", _books_root(books, pinned), shown.books_root)
    for result in shown.results:
        if result.mtu in books and not result.given_up:
            held = _committed(books[result.mtu])
            told = [mask_word(word.pack()) for word in result.words]
            found += Mismatch.of(f"orders in the result of MTU {result.mtu}", held, told)
    return found


def _of_results(shown: ShownProgram, books: Mapping[int, MtuBook], pinned: Pinned) -> list[Mismatch]:
    """Each MTU's hash, its clearing under its caps, and the root over all."""
    found = Mismatch.of("MTUs of the results", list(pinned.mtus), [result.mtu for result in shown.results])
    for result in shown.results:
        found += Mismatch.of(f"result hash of MTU {result.mtu}", _result_hash(result, pinned), result.result_hash)
        found += _of_clearing(result, rule_of("ties", CHECK_BY_TIES_RULE, shown.rules.ties))
    found += _of_emptied(shown, books, pinned)
    return found + Mismatch.of("results root", _results_root(shown, pinned), shown.results_root)


def _of_clearing(result: ShownMtu, check: CheckClearing) -> list[Mismatch]:
    """Every rule of the market that a result breaks."""
    if result.given_up:
        return Mismatch.of(f"words of MTU {result.mtu}, given up,", (), result.words)
    tags = [word.tag for word in result.words]
    unsorted = [tag for before, tag in pairwise(tags) if tag <= before]
    if unsorted:
        return [Mismatch(f"words of MTU {result.mtu}", "tags ascending", f"{unsorted[0]:#034x} behind a higher one")]
    book = Book.from_words(result.words)
    accepted = np.array([word.accepted_lots for word in result.words], dtype=np.int64)
    volume = sum(word.accepted_lots for word in result.words if word.side is Side.BID)
    price = result.price_neur_per_wh
    proposed = Clearing(accepted, None if price is None else NeurPerWh(price), volume)
    return [
        Mismatch(f"{broken.rule} of MTU {result.mtu}", broken.expected, broken.found)
        for broken in check(book, proposed)
    ]


def _of_report(shown: ShownProgram, pinned: Pinned) -> list[Mismatch]:
    """The report's hash, and what it says of results, envelopes and schedules."""
    report = shown.report
    points = [point.code for point in pinned.grid.points]
    given_up = [(item.mtu, item.given_up) for item in shown.results]
    strangers = sorted({item.point for item in shown.earlier} - set(points))
    capped = {item.mtu for item in shown.envelopes} | {item.mtu for item in shown.earlier}
    hashed_caps = envelopes_hash(points, [noun_json(item) for item in shown.envelopes])
    found = [
        *Mismatch.of("report hash", report.hash(), shown.report_hash),
        *Mismatch.of("envelopes hash of the report", hashed_caps, report.envelopes_hash),
        *Mismatch.of("earlier hash of the report", earlier_hash(shown.earlier), report.earlier_hash),
        *Mismatch.of("signing policy of the report", _policy_hash(pinned), report.policy_hash),
        *Mismatch.of("MTUs of the report", given_up, [(item.mtu, item.given_up) for item in report.mtus]),
        *Mismatch.of("points of earlier positions that the grid has not", [], strangers),
        *Mismatch.of("MTUs of caps outside the program", [], sorted(capped - set(pinned.mtus))),
        *Mismatch.of("points of the schedules", sorted(points), sorted(shown.schedule_of)),
    ]
    if found:
        return found
    hashed = schedules_hash(_schedules(shown, pinned))
    return Mismatch.of("schedules hash of the report", hashed, report.schedules_hash)


def _result_hash(result: ShownMtu, pinned: Pinned) -> bytes:
    words = [word.pack() for word in result.words]
    price = result.price_neur_per_wh
    return result_hash(
        market=text_id(pinned.market),
        session=pinned.session,
        mtu=result.mtu,
        price_neur_per_wh=price,
        words=words,
    )


def _committed(book: MtuBook) -> list[int]:
    """The words of a book as its hash is over them."""
    return [mask_word(word.pack()) for word in book.book.words([0] * len(book.book))]


def _books_root(books: Mapping[int, MtuBook], pinned: Pinned) -> bytes:
    market, session = text_id(pinned.market), pinned.session
    return places_root(
        [book_hash(market=market, session=session, mtu=mtu, words=_committed(book)) for mtu, book in books.items()]
    )


def _results_root(shown: ShownProgram, pinned: Pinned) -> bytes:
    return places_root([_result_hash(result, pinned) for result in shown.results])


def _traded_mask(shown: ShownProgram, pinned: Pinned) -> int:
    traded = (result.mtu for result in shown.results if has_trade(result.words))
    return mask_of(traded, first_mtu=pinned.mtus.first)


def _of_emptied(shown: ShownProgram, books: Mapping[int, MtuBook], pinned: Pinned) -> list[Mismatch]:
    """Emptied is what crosses and trades nothing, and what was given up if anything was in its book."""
    emptied = [
        result.mtu
        for result in shown.results
        if (result.given_up and _committed(books[result.mtu]))
        or (crosses(result.words) and not has_trade(result.words))
    ]
    return Mismatch.of("emptied MTUs", mask_of(emptied, first_mtu=pinned.mtus.first), shown.emptied_mask)


def _program_values(shown: ShownProgram, books: Mapping[int, MtuBook], pinned: Pinned) -> dict[str, Any]:
    """Members of the `Program` struct, none of them as it was sent."""
    return {
        "market": text_id(pinned.market),
        "session": pinned.session,
        "firstMtu": pinned.mtus.first,
        "count": pinned.mtus.count,
        "booksRoot": _books_root(books, pinned),
        "resultsRoot": _results_root(shown, pinned),
        "tradedMask": _traded_mask(shown, pinned),
        "emptiedMask": shown.emptied_mask,
        "gridModelHash": pinned.grid.grid_model_hash,
        "reportHash": shown.report.hash(),
        "deadline": pinned.deadline,
    }
