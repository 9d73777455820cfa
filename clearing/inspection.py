"""What a DSO's own client checks of a program before it signs: everything is recomputed from the content shown.

Nothing is taken from whoever asks for the signature but the content itself: the grid, the market's rules and the domain
are the DSO's own. So what is signed is what was seen, or nothing is signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearing.book import Book, BookNotSorted, Clearing
from clearing.caps import NO_POINT
from clearing.exact_check import check_clearing
from clearing.validation import MtuBook, ProgramResult, validate_program
from domain.eip712 import PROGRAM, REFUSAL, Domain
from domain.errors import DominoesError, OutOfRange
from domain.hashing import from_hex, hash_json, text_id, to_hex
from domain.merkle import merkle_root
from domain.mtu import MtuRange
from domain.orders import envelopes_hash
from domain.words import OrderWord, Side, result_hash
from grid.model import GridModel
from grid.report import schedules_hash

DIFFERENCES_NAMED = 5
"""Differences named in an error's text; its attribute holds all."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a DSO knows by itself of a program: where its signature counts, its grid, the market's rules, what is due.

    `deadline`: market time by which it must sign (gate + time to sign).
    """

    domain: Domain
    grid: GridModel
    market: str
    lot_wh: int
    mtus: MtuRange
    deadline: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Something shown that is not what its content, or what the DSO knows by itself, gives."""

    what: str
    due: str
    shown: str

    def __str__(self) -> str:
        return f"{self.what}: due is {self.due}, shown is {self.shown}"


class ProgramDiffers(DominoesError):
    """What would be signed is not what is shown: nothing was signed."""

    code = "program-differs"

    def __init__(self, *, differences: Sequence[Difference]) -> None:
        self.differences = tuple(differences)
        named = "; ".join(map(str, self.differences[:DIFFERENCES_NAMED]))
        more = len(self.differences) - DIFFERENCES_NAMED
        rest = f"; and {more} more" if more > 0 else ""
        super().__init__(f"nothing was signed: {named}{rest}; refuse the program, and ask the operator for its books")


def inspect(shown: Mapping[str, Any], pinned: Pinned) -> bytes:
    """The digest of the program as its shown content gives it: the one thing to sign. Raises ProgramDiffers.

    `shown` is the answer of `GET /v1/dso/programs/{market}/{program}`.
    """
    try:
        found = [*_of_frame(shown, pinned), *_of_results(shown, pinned), *_of_report(shown, pinned)]
        digest = pinned.domain.digest(PROGRAM, _program_values(shown, pinned))
        found += _differs("digest", to_hex(digest), shown["to_sign"]["digest"])
    except (LookupError, TypeError, ValueError, OutOfRange) as error:
        raise ProgramDiffers(differences=[Difference("form of the program", "as documented", repr(error))]) from error
    if found:
        raise ProgramDiffers(differences=found)
    return digest


def refusal_digest(shown: Mapping[str, Any], pinned: Pinned, *, reason: str) -> bytes:
    """The digest of a refusal of the program shown, whatever is wrong with it. Raises ProgramDiffers."""
    values = {
        "market": text_id(pinned.market),
        "firstMtu": shown["first_mtu"],
        "count": shown["count"],
        "resultsRoot": from_hex(shown["results_root"]),
        "reason": reason,
    }
    digest = pinned.domain.digest(REFUSAL, values)
    found = _differs("digest of the refusal", to_hex(digest), shown["to_refuse"]["digest"])
    if found:
        raise ProgramDiffers(differences=found)
    return digest


def repeat(shown: Mapping[str, Any], orders: Iterable[Mapping[str, Any]], pinned: Pinned) -> None:
    """Clear and validate the orders and schedules again, and compare: caps no wider or tighter than they must be.

    `orders`: `{"mtu","word","point"}` of every order of the program's books. Raises ProgramDiffers, BadSchedule.
    """
    result = _validated_again(shown, orders, pinned)
    # where the operator's solver failed while clearing, the numeric path gave the same result
    report = {**result.report, "fallbacks": shown["report"]["fallbacks"]}
    found = _differs("report, validated again,", report, shown["report"])
    for mine, told in zip(result.results, shown["results"], strict=True):
        words = [f"0x{word.pack():064x}" for word in mine.words]
        price = mine.price_neur_per_wh
        found += _differs(f"words of MTU {mine.mtu}, cleared again,", words, told["words"])
        found += _differs(f"price of MTU {mine.mtu}, cleared again,", price, told["price_neur_per_wh"])
    if found:
        raise ProgramDiffers(differences=found)


def _validated_again(shown: Mapping[str, Any], orders: Iterable[Mapping[str, Any]], pinned: Pinned) -> ProgramResult:
    index = {point.code: at for at, point in enumerate(pinned.grid.points)}
    books: dict[int, list[tuple[OrderWord, int]]] = {mtu: [] for mtu in pinned.mtus}
    for order in orders:
        point = NO_POINT if order["point"] is None else index[order["point"]]
        books[order["mtu"]].append((OrderWord.unpack(int(order["word"], 16)), point))
    return validate_program(
        books=[MtuBook.from_orders(books[mtu]) for mtu in pinned.mtus],
        schedules_wh=np.array([shown["schedules"][point.code] for point in pinned.grid.points], dtype=np.int64),
        grid=pinned.grid,
        first_mtu=pinned.mtus.first,
        lot_wh=pinned.lot_wh,
    )


def _of_frame(shown: Mapping[str, Any], pinned: Pinned) -> list[Difference]:
    """Market, MTUs, deadline and grid: what the DSO knows without the operator."""
    model = to_hex(pinned.grid.grid_model_hash)
    return [
        *_differs("market", pinned.market, shown["market"]),
        *_differs("first MTU", pinned.mtus.first, shown["first_mtu"]),
        *_differs("count of MTUs", pinned.mtus.count, shown["count"]),
        *_differs("deadline", pinned.deadline, shown["deadline"]),
        *_differs("grid model hash", model, shown["grid_model_hash"]),
        *_differs("grid model hash of the report", model, shown["report"]["grid_model_hash"]),
        *_differs("lot of the report", pinned.lot_wh, shown["report"]["lot_wh"]),
    ]


def _of_results(shown: Mapping[str, Any], pinned: Pinned) -> list[Difference]:
    """Each MTU's hash, its clearing under its caps, and the root over all."""
    results = shown["results"]
    found = _differs("MTUs of the results", list(pinned.mtus), [result["mtu"] for result in results])
    for result in results:
        hashed = to_hex(_result_hash(result, pinned))
        found += _differs(f"result hash of MTU {result['mtu']}", hashed, result["result_hash"])
        found += _of_clearing(result)
    return found + _differs("results root", to_hex(_results_root(shown, pinned)), shown["results_root"])


def _of_clearing(result: Mapping[str, Any]) -> list[Difference]:
    """Every rule of the market that a result breaks."""
    mtu, words = result["mtu"], [OrderWord.unpack(int(text, 16)) for text in result["words"]]
    if result["given_up"]:
        return _differs(f"words of MTU {mtu}, given up,", [], words)
    try:
        book = Book.from_words(words)
    except BookNotSorted as error:
        return [Difference(f"words of MTU {mtu}", "tags ascending", str(error))]
    accepted = np.array([word.accepted_lots for word in words], dtype=np.int64)
    volume = sum(word.accepted_lots for word in words if word.side is Side.BID)
    proposed = Clearing(accepted, result["price_neur_per_wh"], volume)
    return [
        Difference(f"{finding.check} of MTU {mtu}", finding.expected, finding.found)
        for finding in check_clearing(book, proposed)
    ]


def _of_report(shown: Mapping[str, Any], pinned: Pinned) -> list[Difference]:
    """The report's hash, and what it says of results, envelopes and schedules."""
    report = shown["report"]
    points = [point.code for point in pinned.grid.points]
    schedules = shown["schedules"]
    told = [(entry["mtu"], entry["given_up"]) for entry in report["mtus"]]
    hashed_caps = envelopes_hash(points, shown["envelopes"])
    found = [
        *_differs("report hash", to_hex(hash_json(report)), shown["report_hash"]),
        *_differs("envelopes hash of the report", to_hex(hashed_caps), report["envelopes_hash"]),
        *_differs("MTUs of the report", [(item["mtu"], item["given_up"]) for item in shown["results"]], told),
        *_differs("points of the schedules", sorted(points), sorted(schedules)),
    ]
    if found:
        return found
    hashed = schedules_hash(np.array([schedules[code] for code in points], dtype=np.int64))
    return _differs("schedules hash of the report", to_hex(hashed), report["schedules_hash"])


def _result_hash(result: Mapping[str, Any], pinned: Pinned) -> bytes:
    words = [int(text, 16) for text in result["words"]]
    price = result["price_neur_per_wh"]
    return result_hash(market=text_id(pinned.market), mtu=result["mtu"], price_neur_per_wh=price, words=words)


def _results_root(shown: Mapping[str, Any], pinned: Pinned) -> bytes:
    return merkle_root([_result_hash(result, pinned) for result in shown["results"]])


def _program_values(shown: Mapping[str, Any], pinned: Pinned) -> dict[str, Any]:
    """Members of the `Program` struct, none of them as it was sent."""
    return {
        "market": text_id(pinned.market),
        "firstMtu": pinned.mtus.first,
        "count": pinned.mtus.count,
        "resultsRoot": _results_root(shown, pinned),
        "gridModelHash": pinned.grid.grid_model_hash,
        "reportHash": hash_json(shown["report"]),
        "deadline": pinned.deadline,
    }


def _differs(what: str, due: object, shown: object) -> list[Difference]:
    """The one difference there is, or none."""
    return [] if due == shown else [Difference(what, _short(due), _short(shown))]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
