"""What a DSO's client refuses to sign: anything its content, its own grid or its own rules do not give."""

from __future__ import annotations

import copy
from collections.abc import Callable
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
from domain.merkle import merkle_root
from domain.mtu import MtuRange
from domain.orders import envelopes_hash
from domain.rules import UnknownRule
from domain.words import OrderWord, Side, result_hash
from grid.model import GridModel
from grid.powerflow import PowerFlow

pytestmark = pytest.mark.unit

MARKET = "street/DA"
FIRST_MTU = 1_000
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
    return Pinned(DOMAIN, street, MARKET, LOT_WH, MtuRange(first=FIRST_MTU, count=2), DEADLINE)


def sealed(shown: Shown) -> Shown:
    """The program as an operator would send it: every hash and digest made from the content it has now."""
    for result in shown["results"]:
        result["result_hash"] = to_hex(
            result_hash(
                market=text_id(MARKET),
                mtu=result["mtu"],
                price_neur_per_wh=result["price_neur_per_wh"],
                words=[int(word, 16) for word in result["words"]],
            )
        )
    shown["results_root"] = to_hex(merkle_root([from_hex(result["result_hash"]) for result in shown["results"]]))
    shown["report"]["envelopes_hash"] = to_hex(envelopes_hash(list(shown["schedules"]), shown["envelopes"]))
    shown["report_hash"] = to_hex(hash_json(shown["report"]))
    signed = {
        "market": text_id(MARKET),
        "firstMtu": shown["first_mtu"],
        "count": shown["count"],
        "resultsRoot": from_hex(shown["results_root"]),
    }
    rest = {
        "gridModelHash": from_hex(shown["grid_model_hash"]),
        "reportHash": from_hex(shown["report_hash"]),
        "deadline": shown["deadline"],
    }
    shown["to_sign"] = {"digest": to_hex(DOMAIN.digest(PROGRAM, signed | rest))}
    shown["to_refuse"] = {"digest": to_hex(DOMAIN.digest(REFUSAL, signed | {"reason": REASON}))}
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
            "first_mtu": FIRST_MTU,
            "count": 2,
            "results": [
                {
                    "mtu": mtu.mtu,
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


def orders_shown(street: GridModel) -> list[ShownOrder]:
    return ShownOrder.read_all(
        {
            "mtu": FIRST_MTU + at,
            "word": f"0x{word.pack():064x}",
            "point": None if point == NO_POINT else street.points[point].code,
        }
        for at, orders in enumerate(ORDERS)
        for word, point in orders
    )


def test_inspect__honest_program__gives_the_digest_its_content_gives(street: GridModel, shown: Shown) -> None:
    assert to_hex(inspect(ShownProgram.read(shown), pinned(street))) == shown["to_sign"]["digest"]
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
    "report": (lambda shown: shown["report"]["mtus"][0].update(loading_permille=900), "report hash"),
    "results root": (lambda shown: shown.update(results_root="0x" + "00" * 32), "results root"),
    "grid": (lambda shown: shown.update(grid_model_hash="0x" + "00" * 32), "grid model hash"),
    "deadline": (lambda shown: shown.update(deadline=DEADLINE + 1), "deadline"),
    "market": (lambda shown: shown.update(market="lane/DA"), "market"),
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
        inspect(ShownProgram.read(shown), pinned(street))

    assert named in [mismatch.what for mismatch in raised.value.mismatches]


RESEALED: dict[str, tuple[Callable[[Shown], object], str]] = {
    "price": (lambda shown: shown["results"][0].update(price_neur_per_wh=119), "price of MTU 1000"),
    "accepted": (lambda shown: _word(shown, 0, accepted_lots=899), "balance of MTU 1000"),
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
        inspect(ShownProgram.read(sealed(shown)), pinned(street))

    assert named in [mismatch.what for mismatch in raised.value.mismatches]


def test_repeat__loading_understated_and_sealed_again__is_found(street: GridModel, shown: Shown) -> None:
    shown["report"]["mtus"][0]["loading_permille"] = 900
    inspect(ShownProgram.read(sealed(shown)), pinned(street))

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
        inspect(ShownProgram.read(sealed(shown)), pinned(street))

    assert (refused.value.rule, refused.value.version, refused.value.known) == ("ties", 2, (1,))
