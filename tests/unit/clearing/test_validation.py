"""A program on the street: what is capped, whose export goes first, and what the report says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from clearing.auction import Levels, clear
from clearing.book import Book, Clearing
from clearing.caps import NO_POINT
from clearing.exact_check import check_clearing
from clearing.model_of_record import clear_by_model
from clearing.program import MtuBook, ValidatedProgram
from clearing.validation import BadSchedule, validate_program
from domain.hashing import canonical_json, hash_json, to_hex
from domain.orders import envelopes_hash
from domain.units import NO_CAP
from domain.words import OrderWord, Side
from grid.envelopes import SOLVER_GAVE_UP
from grid.linear_program import Minimise, SolverFailed
from grid.model import Bus, GridModel, Line, Point, Transformer
from grid.powerflow import PowerFlow
from grid.report import schedules_hash

pytestmark = pytest.mark.unit

LOT_WH = 10
FIRST_MTU = 1_000


def order(tag: int, side: Side, limit: int, lots: int, point: int) -> tuple[OrderWord, int]:
    return OrderWord(tag=tag, side=side, limit_neur_per_wh=limit, quantity_lots=lots), point


def validate(grid: GridModel, schedules: list[list[int]], *books: list[tuple[OrderWord, int]]) -> ValidatedProgram:
    return validate_program(
        books=[MtuBook.from_orders(orders) for orders in books],
        schedules_wh=np.array(schedules, dtype=np.int64),
        power_flow=PowerFlow(grid),
        first_mtu=FIRST_MTU,
        lot_wh=LOT_WH,
    )


def test_validate_program__quiet_mtu__clears_without_caps(street: GridModel) -> None:
    orders = [order(1, Side.ASK, 80, 30, 0), order(2, Side.BID, 120, 20, 1)]

    result = validate(street, [[-400], [300], [0]], orders)

    (mtu,) = result.results
    assert [(word.accepted_lots, word.cap_lots) for word in mtu.words] == [(20, NO_CAP), (20, NO_CAP)]
    assert (mtu.mtu, mtu.price_neur_per_wh, mtu.rounds, mtu.given_up) == (FIRST_MTU, 80, 1, False)
    assert result.envelopes == {}


def test_validate_program__transformer_overloaded__untraded_export_goes_first(street: GridModel) -> None:
    # 2 x 9 kWh are 72 kW on 50 kVA; point 0 sold all of it to the retailer, point 1 none
    orders = [order(1, Side.ASK, 80, 900, 0), order(2, Side.BID, 120, 900, NO_POINT)]

    result = validate(street, [[-9_000], [-9_000], [0]], orders)

    assert list(result.envelopes) == [1]
    assert result.results[0].traded_lots == 900
    entry = result.report["mtus"][0]
    assert [found["code"] for found in entry["binding"]] == ["trafo"]
    assert 980 <= entry["loading_permille"] <= 1_000
    assert entry["capped_export_wh"] == 9_000 - (result.envelopes[1][FIRST_MTU].export_wh or 0)


def test_validate_program__equal_neighbours__share_the_cap(street: GridModel) -> None:
    result = validate(street, [[-9_000], [-9_000], [0]], [])

    exports = [result.envelopes[point][FIRST_MTU].export_wh or 0 for point in (0, 1)]
    assert abs(exports[0] - exports[1]) <= 2


def test_validate_program__all_export_traded__least_surplus_is_capped_first(street: GridModel) -> None:
    orders = [
        order(1, Side.ASK, 40, 900, 0),
        order(2, Side.ASK, 90, 900, 1),
        order(3, Side.BID, 120, 5_000, NO_POINT),
    ]

    result = validate(street, [[-9_000], [-9_000], [0]], orders)

    assert list(result.envelopes) == [1]
    accepted = {word.tag: word.accepted_lots for word in result.results[0].words}
    assert accepted[1] == 900
    assert 0 < accepted[2] < 900
    assert accepted[3] == accepted[1] + accepted[2]


def test_validate_program__helpful_seller_has_the_large_surplus__the_other_is_capped() -> None:
    # overvoltage at the far bus: a Wh of the far seller helps twice as much, but loses two hundred times the surplus
    feeder = GridModel(
        code="feeder",
        source_bus="mv",
        source_micro_pu=1_025_000,
        buses=(Bus("mv", 20_000), Bus("near", 400), Bus("mid", 400), Bus("far", 400)),
        lines=(
            Line("first", "near", "mid", 200_000_000, 80_000_000, 0, 400_000),
            Line("second", "mid", "far", 200_000_000, 80_000_000, 0, 400_000),
        ),
        transformers=(Transformer("trafo", "mv", "near", 20_000, 400, 250_000, 60_000, 600_000, 3_000, 200_000, 5),),
        points=(Point("MID", "mid", 60_000, 60_000), Point("FAR", "far", 60_000, 60_000)),
    )
    orders = [
        order(1, Side.ASK, 199_000, 600, 0),
        order(2, Side.ASK, 1_000, 600, 1),
        order(3, Side.BID, 200_000, 5_000, NO_POINT),
    ]

    result = validate(feeder, [[-6_000], [-6_000]], orders)

    assert list(result.envelopes) == [0]
    assert 4_400 <= (result.envelopes[0][FIRST_MTU].export_wh or 0) <= 4_460  # by AC power flow, 4,460 just pass
    assert [found["code"] for found in result.report["mtus"][0]["binding"]] == ["far"]


@pytest.mark.parametrize(("schedule", "codes"), [([0, 0, -80_000], {"cable", "far"}), ([0, 0, 20_000], {"far"})])
def test_validate_program__no_power_flow_solution__is_halved_until_it_has_one(
    street: GridModel, schedule: list[int], codes: set[str]
) -> None:
    assert not PowerFlow(street).run(np.array([schedule])).solved[0]

    result = validate(street, [[net] for net in schedule], [])

    entry = result.report["mtus"][0]
    assert list(result.envelopes) == [2] and not entry["given_up"]
    assert [found["quantity"] for found in entry["findings"]] == ["no_solution"]
    assert codes & {found["code"] for found in entry["binding"]}


def failing(times: int) -> Callable[[Minimise], list[float]]:
    """A solver that fails its first `times` calls."""
    calls, solve = iter(range(times)), Minimise.solve

    def fail_or_solve(program: Minimise) -> list[float]:
        if next(calls, None) is not None:
            raise SolverFailed(model=program.name, reason="stopped")
        return solve(program)

    return fail_or_solve


def test_validate_program__solver_fails_once__same_envelopes(
    street: GridModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedules = [[-9_000, -9_000], [-9_000, -8_000], [0, 0]]
    expected = validate(street, schedules, [], [])
    monkeypatch.setattr(Minimise, "solve", failing(2))

    result = validate(street, schedules, [], [])

    assert result.envelopes == expected.envelopes and result.report_hash == expected.report_hash


def test_validate_program__solver_never_answers__a_common_share_is_kept(
    street: GridModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Minimise, "solve", failing(1_000))

    result = validate(street, [[-9_000], [-9_000], [300]], [])

    exports = [result.envelopes[point][FIRST_MTU].export_wh or 0 for point in (0, 1)]
    assert list(result.envelopes) == [0, 1] and exports[0] == exports[1] > 5_000
    assert 990 <= result.report["mtus"][0]["loading_permille"] <= 1_000
    assert [found["code"] for found in result.report["mtus"][0]["binding"]] == ["trafo"]
    assert result.report["fallbacks"] == [{"mtu": FIRST_MTU, "reason": SOLVER_GAVE_UP}]


def test_validate_program__import_too_large__is_capped_and_named(street: GridModel) -> None:
    orders = [order(1, Side.BID, 200, 800, 0), order(2, Side.ASK, 100, 2_000, NO_POINT)]

    result = validate(street, [[8_000], [8_000], [0]], orders)

    entry = result.report["mtus"][0]
    assert entry["capped_import_wh"] > 0
    assert entry["capped_export_wh"] == 0
    assert entry["loading_permille"] <= 1_000
    assert list(result.envelopes) == [1]


def test_validate_program__far_voltage__binds_the_far_bus_only(street: GridModel) -> None:
    result = validate(street, [[-100], [-100], [-9_500]], [])

    assert list(result.envelopes) == [2]
    assert [found["code"] for found in result.report["mtus"][0]["binding"]] == ["far"]


def test_validate_program__limit_beyond_any_schedule__gives_the_mtu_up(street: GridModel) -> None:
    impossible = replace(street, source_micro_pu=1_150_000)
    orders = [order(1, Side.ASK, 80, 30, 0), order(2, Side.BID, 120, 20, 1)]

    result = validate(impossible, [[-400, 0], [300, 0], [0, 0]], orders, [])

    assert [mtu.given_up for mtu in result.results] == [True, True]
    assert result.results[0].words == ()
    assert result.results[0].price_neur_per_wh is None
    assert result.envelopes == {}


def test_validate_program__sale_without_schedule__flows_all_the_same(street: GridModel) -> None:
    orders = [order(1, Side.ASK, 80, 1_800, 0), order(2, Side.BID, 120, 1_800, NO_POINT)]

    result = validate(street, [[0], [0], [0]], orders)

    assert 0 < result.results[0].traded_lots < 1_800


def test_validate_program__any_result__is_the_exact_clearing_under_its_caps(street: GridModel) -> None:
    orders = [
        order(1, Side.ASK, 40, 900, 0),
        order(2, Side.ASK, 90, 300, 1),
        order(3, Side.ASK, 95, 300, 1),
        order(4, Side.BID, 120, 700, 2),
        order(5, Side.BID, 99, 2_000, NO_POINT),
    ]

    (mtu,) = validate(street, [[-9_000], [-9_000], [7_000]], orders).results

    book = Book.from_words(mtu.words)
    accepted = np.array([word.accepted_lots for word in mtu.words], dtype=np.int64)
    assert check_clearing(book, Clearing(accepted, mtu.price_neur_per_wh, mtu.traded_lots)) == []


def test_validate_program__same_set_in_another_order__same_report_and_words(street: GridModel) -> None:
    orders = [order(tag, Side.ASK, 50 + tag % 3, 90, tag % 3) for tag in range(1, 200)]
    orders += [order(500, Side.BID, 60, 20_000, NO_POINT)]
    schedule = [[-9_000], [-9_000], [-9_000]]

    one, other = validate(street, schedule, orders), validate(street, schedule, orders[::-1])

    assert one.report_hash == other.report_hash == hash_json(one.report)
    assert one.results == other.results


def test_validate_program__solver_fails__numeric_path_gives_the_same_bytes(street: GridModel) -> None:
    def failing(book: Book) -> Clearing:
        def solve(levels: Levels) -> tuple[list[float], list[float]]:
            raise SolverFailed(model="clearing", reason="stopped")

        return clear_by_model(book, solve=solve)

    orders = [order(1, Side.ASK, 80, 30, 0), order(2, Side.BID, 120, 20, 1)]
    arguments = {
        "books": [MtuBook.from_orders(orders)],
        "schedules_wh": np.array([[-400], [300], [0]]),
        "power_flow": PowerFlow(street),
        "first_mtu": FIRST_MTU,
        "lot_wh": LOT_WH,
    }

    fallen = validate_program(**arguments, model=failing)  # type: ignore[arg-type]
    numeric = validate_program(**arguments, model=clear)  # type: ignore[arg-type]

    assert [fallback.mtu for fallback in fallen.fallbacks] == [FIRST_MTU]
    assert fallen.results == numeric.results
    assert [entry["mtu"] for entry in fallen.report["fallbacks"]] == [FIRST_MTU]
    assert numeric.report["fallbacks"] == []
    assert {**fallen.report, "fallbacks": []} == numeric.report


def test_validate_program__caps_in_json__name_point_and_mtu(street: GridModel) -> None:
    result = validate(street, [[-100], [-100], [-9_500]], [])

    (cap,) = result.envelopes_json()

    assert cap == {"point": "P2", "mtu": FIRST_MTU, "import_cap_wh": None, "export_cap_wh": cap["export_cap_wh"]}
    assert PowerFlow(street).broken_limits(PowerFlow(street).run(np.array([[-100, -100, -cap["export_cap_wh"]]]))) == {}


@pytest.mark.parametrize("schedule", [[[0]], [[0, 0], [0, 0], [0, 0]]])
def test_validate_program__schedule_of_another_shape__is_refused(street: GridModel, schedule: list[list[int]]) -> None:
    with pytest.raises(BadSchedule):
        validate(street, schedule, [])


def test_validate_program__order_of_an_unknown_point__is_refused(street: GridModel) -> None:
    with pytest.raises(BadSchedule):
        validate(street, [[0], [0], [0]], [order(1, Side.ASK, 1, 1, 3)])


def test_schedules_hash__one_wh_moved__differs() -> None:
    assert schedules_hash(np.array([[1, -2]])) != schedules_hash(np.array([[1, -3]]))


def test_report__public_text__names_no_connection_point_and_binds_the_envelopes(street: GridModel) -> None:
    result = validate(street, [[-100], [-100], [-9_500]], [])

    text = canonical_json(result.report).decode()

    assert not any(f'"{point.code}"' in text for point in street.points)
    points = [point.code for point in street.points]
    assert result.report["envelopes_hash"] == to_hex(envelopes_hash(points, result.envelopes_json()))
    assert result.report["mtus"][0]["capped_points"] == 1
    assert result.report["mtus"][0]["findings_count"] == 1
