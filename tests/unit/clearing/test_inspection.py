"""What a DSO's client refuses to sign: anything its content, its own grid or its own rules do not give."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from clearing.auction import TIES_RULE
from clearing.caps import NO_POINT
from clearing.inspection import Pinned, inspect, refusal_digest, repeat
from clearing.program import MtuBook
from clearing.shown import ProgramDiffers, ShownOrder, ShownProgram, ShownRefusal
from clearing.validation import validate_program
from domain.eip712 import PROGRAM, REFUSAL, Domain
from domain.hashing import from_hex, hash_json, text_id, to_hex
from domain.merkle import places_root
from domain.mtu import MtuRange, isoformat_utc, mtu_start
from domain.orders import envelopes_hash
from domain.rules import UnknownRule
from domain.sessions import mask_of
from domain.words import OrderWord, Side, book_hash, has_trade, result_hash
from grid.model import GridModel
from grid.powerflow import PowerFlow

pytestmark = pytest.mark.unit

MARKET = "street/DA"
FIRST_MTU = 1_000
SESSION = 890_000
DEADLINE = 1_500_000
LOT_WH = 10
REASON = "works on the cable"
DOMAIN = Domain(chain_id=31337, verifying_contract=b"\x11" * 20)
SCHEDULES = [[-9_000, 0], [-9_000, 0], [0, 300]]
ORDERS = [
    [
        (OrderWord(tag=1, side=Side.ASK, limit_neur_per_wh=40, quantity_lots=900), 0),
        (OrderWord(tag=2, side=Side.ASK, limit_neur_per_wh=90, quantity_lots=900), 1),
        (OrderWord(tag=3, side=Side.BID, limit_neur_per_wh=120, quantity_lots=5_000), NO_POINT),
    ],
    [],
]

EARLIER = {"point": "P0", "mtu": FIRST_MTU, "net_wh": -500, "import_cap_wh": None, "export_cap_wh": None}

Shown = dict[str, Any]


def pinned(street: GridModel) -> Pinned:
    return Pinned(DOMAIN, street, MARKET, SESSION, LOT_WH, MtuRange(first=FIRST_MTU, count=2), DEADLINE)


def books_root(books: list[list[tuple[OrderWord, int]]]) -> bytes:
    """Of books whose orders ascend by tag."""
    packed = [[word.pack() for word, _ in book] for book in books]
    place = {"market": text_id(MARKET), "session": SESSION}
    return places_root([book_hash(**place, mtu=FIRST_MTU + at, words=words) for at, words in enumerate(packed)])


def words_of(result: Shown) -> list[OrderWord]:
    return [OrderWord.unpack(int(word, 16)) for word in result["words"]]


def sealed(shown: Shown) -> Shown:
    """The program as an operator would send it: every hash and digest made from the content it has now."""
    for result in shown["results"]:
        result["result_hash"] = to_hex(
            result_hash(
                market=text_id(MARKET),
                session=SESSION,
                mtu=result["mtu"],
                price_neur_per_wh=result["price_neur_per_wh"],
                words=[int(word, 16) for word in result["words"]],
            )
        )
    shown["results_root"] = to_hex(places_root([from_hex(result["result_hash"]) for result in shown["results"]]))
    shown["report"]["envelopes_hash"] = to_hex(envelopes_hash(list(shown["schedules"]), shown["envelopes"]))
    shown["report_hash"] = to_hex(hash_json(shown["report"]))
    refused = {
        "market": text_id(MARKET),
        "session": shown["session"],
        "firstMtu": shown["first_mtu"],
        "count": shown["count"],
        "resultsRoot": from_hex(shown["results_root"]),
    }
    traded = [result["mtu"] for result in shown["results"] if has_trade(words_of(result))]
    signed = refused | {
        "booksRoot": from_hex(shown["books_root"]),
        "tradedMask": mask_of(traded, first_mtu=FIRST_MTU),
        "emptiedMask": int(shown["emptied_mask"], 16),
        "gridModelHash": from_hex(shown["grid_model_hash"]),
        "reportHash": from_hex(shown["report_hash"]),
        "deadline": shown["deadline"],
    }
    shown["to_sign"] = {"digest": to_hex(DOMAIN.digest(PROGRAM, signed))}
    shown["to_refuse"] = {"digest": to_hex(DOMAIN.digest(REFUSAL, refused | {"reason": REASON}))}
    return shown


@pytest.fixture
def shown(street: GridModel) -> Shown:
    """Two MTUs: in the first both sellers together overload the transformer, so one of them is capped."""
    result = validate_program(
        books=[MtuBook.from_orders(orders) for orders in ORDERS],
        schedules_wh=np.array(SCHEDULES),
        power_flow=PowerFlow(street),
        first_mtu=FIRST_MTU,
        lot_wh=LOT_WH,
    )
    return sealed(
        {
            "market": MARKET,
            "session": SESSION,
            "books_root": to_hex(books_root(ORDERS)),
            "emptied_mask": f"0x{0:032x}",
            "first_mtu": FIRST_MTU,
            "count": 2,
            "results": [
                {
                    "mtu": mtu.mtu,
                    "starts": isoformat_utc(mtu_start(mtu.mtu)),
                    "price_neur_per_wh": mtu.price_neur_per_wh,
                    "words": [f"0x{word.pack():064x}" for word in mtu.words],
                    "given_up": mtu.given_up,
                }
                for mtu in result.results
            ],
            "envelopes": result.envelopes_json(),
            "schedules": {point.code: list(row) for point, row in zip(street.points, SCHEDULES, strict=True)},
            "earlier": [],
            "rules": {"ties": TIES_RULE, "forecast": 1},
            "report": copy.deepcopy(dict(result.report)),
            "grid_model_hash": to_hex(street.grid_model_hash),
            "deadline": DEADLINE,
        }
    )


def orders_answer(street: GridModel) -> Shown:
    items = [
        {
            "mtu": FIRST_MTU + at,
            "word": f"0x{word.pack():064x}",
            "point": None if point == NO_POINT else street.points[point].code,
        }
        for at, orders in enumerate(ORDERS)
        for word, point in orders
    ]
    return {"items": items}


def orders_shown(street: GridModel) -> list[ShownOrder]:
    return ShownOrder.read_all(orders_answer(street))


def test_inspect__honest_program__gives_the_digest_its_content_gives(street: GridModel, shown: Shown) -> None:
    assert to_hex(inspect(ShownProgram.read(shown), orders_shown(street), pinned(street))) == shown["to_sign"]["digest"]
    repeat(ShownProgram.read(shown), orders_shown(street), pinned(street))


def _word(shown: Shown, at: int, **changes: int) -> None:
    word = OrderWord.unpack(int(shown["results"][0]["words"][at], 16))
    members = {name: getattr(word, name) for name in word.__slots__}
    shown["results"][0]["words"][at] = f"0x{OrderWord(**(members | changes)).pack():064x}"


TAMPERED: dict[str, tuple[Callable[[Shown], object], str]] = {
    "digest of another program": (lambda shown: shown["to_sign"].update(digest="0x" + "ab" * 32), "digest"),
    "price": (lambda shown: shown["results"][0].update(price_neur_per_wh=119), "result hash of MTU 1000"),
    "cap": (lambda shown: _word(shown, 1, cap_lots=900), "result hash of MTU 1000"),
    "envelope": (lambda shown: shown["envelopes"][0].update(export_cap_wh=9_000), "envelopes hash of the report"),
    "schedule": (lambda shown: shown["schedules"]["P2"].__setitem__(1, 299), "schedules hash of the report"),
    "earlier positions": (lambda shown: shown["earlier"].append(EARLIER), "earlier hash of the report"),
    "earlier position of a stranger": (
        lambda shown: shown["earlier"].append(EARLIER | {"point": "P9"}),
        "points of earlier positions that the grid has not",
    ),
    "envelope of another day": (
        lambda shown: shown["envelopes"][0].update(mtu=1),
        "MTUs of caps outside the program",
    ),
    "report": (lambda shown: shown["report"]["mtus"][0].update(loading_permille=900), "report hash"),
    "books root": (lambda shown: shown.update(books_root="0x" + "00" * 32), "books root"),
    "results root": (lambda shown: shown.update(results_root="0x" + "00" * 32), "results root"),
    "grid": (lambda shown: shown.update(grid_model_hash="0x" + "00" * 32), "grid model hash"),
    "deadline": (lambda shown: shown.update(deadline=DEADLINE + 1), "deadline"),
    "market": (lambda shown: shown.update(market="lane/DA"), "market"),
    "session": (lambda shown: shown.update(session=SESSION + 1), "session"),
    "emptied": (lambda shown: shown.update(emptied_mask=f"0x{2:032x}"), "emptied MTUs"),
    "MTUs": (lambda shown: shown.update(first_mtu=FIRST_MTU + 96), "first MTU"),
    "given up": (lambda shown: shown["results"][0].update(given_up=True), "words of MTU 1000, given up,"),
    "a member left out": (lambda shown: shown.pop("envelopes"), "form of the program"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_inspect__one_thing_tampered__is_named_and_nothing_is_given_to_sign(
    street: GridModel, shown: Shown, name: str
) -> None:
    change, named = TAMPERED[name]
    change(shown)

    with pytest.raises(ProgramDiffers) as raised:
        inspect(ShownProgram.read(shown), orders_shown(street), pinned(street))

    assert named in [mismatch.what for mismatch in raised.value.mismatches]


RESEALED: dict[str, tuple[Callable[[Shown], object], str]] = {
    "price": (lambda shown: shown["results"][0].update(price_neur_per_wh=119), "price of MTU 1000"),
    "accepted": (lambda shown: _word(shown, 0, accepted_lots=899), "balance of MTU 1000"),
    "order of words": (lambda shown: shown["results"][0]["words"].reverse(), "words of MTU 1000"),
    "word repeated": (
        lambda shown: shown["results"][0]["words"].insert(0, shown["results"][0]["words"][0]),
        "words of MTU 1000",
    ),
    "books root": (lambda shown: shown.update(books_root=to_hex(books_root([ORDERS[0][:2], []]))), "books root"),
    "order left out": (lambda shown: shown["results"][0]["words"].pop(1), "orders in the result of MTU 1000"),
    "grid": (lambda shown: shown.update(grid_model_hash="0x" + "00" * 32), "grid model hash"),
    "deadline": (lambda shown: shown.update(deadline=DEADLINE + 1), "deadline"),
    "schedule": (lambda shown: shown["schedules"]["P2"].__setitem__(1, 299), "schedules hash of the report"),
    "earlier positions": (lambda shown: shown["earlier"].append(EARLIER), "earlier hash of the report"),
}


@pytest.mark.parametrize("name", RESEALED)
def test_inspect__tampered_and_sealed_again__rules_and_own_knowledge_find_it(
    street: GridModel, shown: Shown, name: str
) -> None:
    change, named = RESEALED[name]
    change(shown)

    with pytest.raises(ProgramDiffers) as raised:
        inspect(ShownProgram.read(sealed(shown)), orders_shown(street), pinned(street))

    assert named in [mismatch.what for mismatch in raised.value.mismatches]


@pytest.mark.parametrize("held", [ORDERS[0][:2], [*ORDERS[0], (replace(ORDERS[0][2][0], tag=4), NO_POINT)]])
def test_inspect__other_books_committed_than_shown__are_not_signed_for(
    street: GridModel, shown: Shown, held: list[tuple[OrderWord, int]]
) -> None:
    """Results over the books shown, signed over a root of other books: Objections would hold it against the DSO."""
    shown["books_root"] = to_hex(books_root([held, []]))

    with pytest.raises(ProgramDiffers) as raised:
        inspect(ShownProgram.read(sealed(shown)), orders_shown(street), pinned(street))

    assert [mismatch.what for mismatch in raised.value.mismatches] == ["books root", "digest"]


def test_inspect__orders_shown_are_not_those_of_the_results__nothing_is_signed(street: GridModel, shown: Shown) -> None:
    answer = orders_answer(street)
    answer["items"].pop(1)
    shown["books_root"] = to_hex(books_root([[ORDERS[0][0], ORDERS[0][2]], []]))

    with pytest.raises(ProgramDiffers) as raised:
        inspect(ShownProgram.read(sealed(shown)), ShownOrder.read_all(answer), pinned(street))

    assert [mismatch.what for mismatch in raised.value.mismatches] == ["orders in the result of MTU 1000"]


@pytest.mark.parametrize("emptied", [0, 1])
def test_inspect__mtu_given_up__its_orders_stand_under_the_root_and_it_is_emptied(
    street: GridModel, shown: Shown, emptied: int
) -> None:
    shown["results"][0] |= {"words": [], "price_neur_per_wh": None, "given_up": True}
    shown["report"]["mtus"][0]["given_up"] = True
    shown["emptied_mask"] = f"0x{emptied:032x}"
    program = ShownProgram.read(sealed(shown))

    if emptied:
        assert to_hex(inspect(program, orders_shown(street), pinned(street))) == shown["to_sign"]["digest"]
        return
    with pytest.raises(ProgramDiffers) as raised:
        inspect(program, orders_shown(street), pinned(street))
    assert [mismatch.what for mismatch in raised.value.mismatches] == ["emptied MTUs"]


def test_repeat__loading_understated_and_sealed_again__is_found(street: GridModel, shown: Shown) -> None:
    shown["report"]["mtus"][0]["loading_permille"] = 900
    inspect(ShownProgram.read(sealed(shown)), orders_shown(street), pinned(street))

    with pytest.raises(ProgramDiffers, match="report, validated again,"):
        repeat(ShownProgram.read(shown), orders_shown(street), pinned(street))


def test_repeat__tighter_cap_than_needed_and_sealed_again__is_found(street: GridModel, shown: Shown) -> None:
    shown["envelopes"][0]["export_cap_wh"] -= 100

    with pytest.raises(ProgramDiffers):
        repeat(ShownProgram.read(sealed(shown)), orders_shown(street), pinned(street))


def test_refusal_digest__program_tampered__can_still_be_refused(street: GridModel, shown: Shown) -> None:
    shown["report"]["mtus"][0]["loading_permille"] = 900

    assert (
        to_hex(refusal_digest(ShownRefusal.read(shown), pinned(street), reason=REASON)) == shown["to_refuse"]["digest"]
    )


def test_refusal_digest__digest_of_something_else__is_refused(street: GridModel, shown: Shown) -> None:
    shown["to_refuse"]["digest"] = shown["to_sign"]["digest"]

    with pytest.raises(ProgramDiffers):
        refusal_digest(ShownRefusal.read(shown), pinned(street), reason=REASON)


def test_inspect__cleared_by_a_rule_that_is_not_known__is_refused_whole(shown: Shown, street: GridModel) -> None:
    shown["rules"]["ties"] = TIES_RULE + 1

    with pytest.raises(UnknownRule) as refused:
        inspect(ShownProgram.read(sealed(shown)), orders_shown(street), pinned(street))

    assert (refused.value.rule, refused.value.version, refused.value.known) == ("ties", 2, (1,))


def _report(shown: Shown) -> Shown:
    return shown["report"]["mtus"][0]


HOSTILE: dict[str, tuple[Callable[[Shown], object], str]] = {
    "count as text": (lambda shown: shown.update(count="2"), "count"),
    "count true": (lambda shown: shown.update(count=True), "count"),
    "deadline as a fraction": (lambda shown: shown.update(deadline=1_500_000.0), "deadline"),
    "hash in upper case": (lambda shown: shown.update(results_root="0x" + "AB" * 32), "results_root"),
    "hash too short": (lambda shown: shown.update(report_hash="0x" + "ab" * 31), "report_hash"),
    "results no array": (lambda shown: shown.update(results={}), "results"),
    "unknown member of a result": (lambda shown: shown["results"][0].update(note="x"), "results.0.note"),
    "given up as a number": (lambda shown: shown["results"][0].update(given_up=0), "results.0.given_up"),
    "price beyond an int32": (lambda shown: shown["results"][0].update(price_neur_per_wh=2**31), "results.0.price"),
    "word without prefix": (lambda shown: shown["results"][0]["words"].__setitem__(0, "1f"), "results.0.words.0"),
    "word negative": (lambda shown: shown["results"][0]["words"].__setitem__(0, "-0x1"), "results.0.words.0"),
    "word of no order": (lambda shown: shown["results"][0]["words"].__setitem__(0, "0x" + "00" * 32), "results.0.word"),
    "word with unknown flags": (
        lambda shown: shown["results"][0]["words"].__setitem__(0, "0x" + "00" * 31 + "02"),
        "results.0.words.0",
    ),
    "unknown member of an envelope": (lambda shown: shown["envelopes"][0].update(note=1), "envelopes.0.note"),
    "cap as text": (lambda shown: shown["envelopes"][0].update(export_cap_wh="9"), "envelopes.0.export_cap_wh"),
    "schedule too short": (lambda shown: shown["schedules"]["P2"].pop(), "its whole"),
    "schedule beyond an int32": (lambda shown: shown["schedules"]["P2"].__setitem__(0, 2**31), "its whole"),
    "schedule as text": (lambda shown: shown["schedules"].update(P2="00"), "schedules"),
    "earlier position without caps": (
        lambda shown: shown["earlier"].append({"point": "P0", "mtu": FIRST_MTU, "net_wh": 0}),
        "earlier.0.import_cap_wh",
    ),
    "a rule more": (lambda shown: shown["rules"].update(caps=1), "rules.caps"),
    "a rule true": (lambda shown: shown["rules"].update(ties=True), "rules.ties"),
    "unknown member of the report": (lambda shown: shown["report"].update(note="x"), "report.note"),
    "another form of report": (lambda shown: shown["report"].update(format="dominoes-report/1"), "report.format"),
    "loading as a fraction": (lambda shown: _report(shown).update(loading_permille=1.5), "report.mtus.0.loading"),
    "element that moves the cursor": (
        lambda shown: _report(shown).update(loading_element="\x1b[2Jtrafo"),
        "report.mtus.0.loading_element",
    ),
    "unknown quantity that binds": (
        lambda shown: _report(shown)["binding"].append(
            {"kind": "bus", "code": "near", "quantity": "hope", "value_micro": 0, "limit_micro": 0}
        ),
        "report.mtus.0.binding",
    ),
    "nothing to sign": (lambda shown: shown.pop("to_sign"), "to_sign.digest"),
    "something else to sign": (lambda shown: shown.update(to_sign=["digest"]), "to_sign.digest"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_read__not_of_the_form__is_refused_with_its_place(shown: Shown, name: str) -> None:
    change, place = HOSTILE[name]
    change(shown)

    with pytest.raises(ProgramDiffers) as raised:
        ShownProgram.read(shown)

    (mismatch,) = raised.value.mismatches
    assert mismatch.what == "form of the program"
    assert mismatch.shown.startswith(place)


@pytest.mark.parametrize("answer", [None, [], "program", 7])
def test_read__no_object__is_refused(answer: Any) -> None:
    for read in (ShownProgram.read, ShownRefusal.read, ShownOrder.read_all):
        with pytest.raises(ProgramDiffers, match="form of the program"):
            read(answer)


def test_read__member_the_answer_gained__is_left_out(shown: Shown, street: GridModel) -> None:
    digest = inspect(ShownProgram.read(shown | {"news": 1}), orders_shown(street), pinned(street))

    assert to_hex(digest) == shown["to_sign"]["digest"]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"first_mtu": 2**32}, "first_mtu"),
        ({"count": -1}, "count"),
        ({"count": 2**32}, "count"),
        ({"results_root": 0}, "results_root"),
        ({"to_refuse": {"digest": "0x"}}, "digest"),
        ({"to_refuse": {}}, "to_refuse.digest"),
    ],
)
def test_read_refusal__not_of_the_form__is_refused_with_its_place(shown: Shown, change: Shown, place: str) -> None:
    with pytest.raises(ProgramDiffers) as raised:
        ShownRefusal.read(shown | change)

    assert raised.value.mismatches[0].shown.startswith(place)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"mtu": "1000"}, "orders.0.mtu"),
        ({"word": "0x1"}, "orders.0.word"),
        ({"point": 3}, "orders.0.point"),
        ({"account": "0x" + "11" * 20}, "orders.0.account"),
        ({"mtu": FIRST_MTU + 2}, "MTU 1002 at P0"),
        ({"point": "P9"}, "MTU 1000 at P9"),
        ({"word": f"0x{ORDERS[0][1][0].pack():064x}"}, "orders of MTU 1000"),
    ],
)
def test_inspect__order_that_is_none_of_the_program__is_found(
    street: GridModel, shown: Shown, change: Shown, named: str
) -> None:
    answer = orders_answer(street)
    answer["items"][0] |= change

    with pytest.raises(ProgramDiffers) as raised:
        inspect(ShownProgram.read(shown), ShownOrder.read_all(answer), pinned(street))

    assert named in str(raised.value)
