"""What others send to the contracts, and what happens to areas that are not ours: neither stops a stage."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from domain.hashing import keccak, text_id, to_hex
from ledger_service.money import queries
from ledger_service.money.tables import money_suspense
from ledger_service.settlement.queries import period_state
from tests.journal import append_fact
from tests.unit.settlement.test_money import REF, balances, deposited, run
from tests.unit.settlement.test_stage import settle

pytestmark = pytest.mark.unit


def test_run__events_of_an_area_and_a_market_that_are_not_ours__pass_by(scene: Any, tools: Any) -> None:
    area, market, root = (to_hex(keccak(name)) for name in (b"elsewhere", b"elsewhere/DA", b"root"))
    opened = {"market": market, "session": 7, "period": 1, "firstMtu": 5_000, "count": 4}
    unread = {"area": area, "mtu": 5_000, "readingsRoot": root}
    final = {"area": area, "period": 1}

    scene.include("open:elsewhere", [("Market", "SessionOpened", opened)])
    scene.include("unread:elsewhere", [("Readings", "ReadingsUnread", unread)])
    scene.include("finalise:elsewhere", [("Settlement", "PeriodFinalised", final)])

    assert settle(scene, tools).readings_root == scene.readings_root


def test_run__period_declared_and_marked_by_others_before_it_is_a_fact__is_known(scene: Any, tools: Any) -> None:
    first, area = tools.FIRST + tools.COUNT, to_hex(text_id(tools.AREA))
    declared = {"area": area, "period": 2, "firstMtu": first, "count": 4, "declaredAt": tools.ENDED + 3_600}
    unread = [{"area": area, "mtu": first + at, "readingsRoot": to_hex(keccak(b"root"))} for at in range(4)]

    scene.include("declare", [("Calendar", "PeriodDeclared", declared)])
    scene.include("mark", [("Readings", "ReadingsUnread", args) for args in unread])
    with scene.record.begin() as tx:
        append_fact(tx, "period.declared", {"area": tools.AREA, "period": 2, "first_mtu": first, "count": 4})
    settle(scene, tools)

    with scene.record.read() as connection:
        assert period_state(connection, area=tools.AREA, period=2).first_mtu == first


def test_fold__one_transaction_asks_twice_and_another_burns_twice__each_counts(scene: Any, tools: Any) -> None:
    account, refs = tools.key("house1").address, (REF, keccak(b"payment 2"))
    deposited(scene, account, 5_000)
    taken = [{"account": to_hex(account), "amountNeur": 1_000, "ref": to_hex(ref)} for ref in refs]
    asked = [("Redemptions", "RedemptionRequested", args | {"readyAt": 4_000}) for args in taken]
    parts = [("Redemptions", "Redeemed", args | {"amountNeur": 400}) for args in (*taken, taken[0])]

    scene.include("a contract asks", asked)
    scene.include("a contract completes", parts)
    run(scene, 3_000)

    with scene.record.read() as connection:
        states = {state.ref: state.left_neur for state in queries.redemptions(connection, account=account)}
    assert states == {refs[0]: 200, refs[1]: 600}
    assert balances(scene, account) == [3_800]


def test_fold__settlement_of_an_area_that_is_not_ours__moves_nothing_here(scene: Any, tools: Any) -> None:
    deposited(scene, tools.key("house1").address, 5_000)
    hashes = {name: to_hex(REF) for name in ("wordsHash", "clearingRoot", "readingsRoot", "statementsRoot")}
    elsewhere = {"area": to_hex(keccak(b"elsewhere")), "period": 1, "revision": 0, "tariffHash": to_hex(REF), **hashes}

    scene.include("settle:elsewhere", [("Settlement", "PeriodSettled", elsewhere)])
    run(scene, 0)

    assert balances(scene, tools.key("house1").address) == [5_000]


def test_fold__two_areas_settle_in_one_transaction__what_waits_is_of_its_own_area(scene: Any, tools: Any) -> None:
    def suspended(name: str, suspense: bytes) -> tuple[str, str, dict[str, Any]]:
        args = {"account": to_hex(tools.key(name).address), "suspense": to_hex(suspense), "amountNeur": "70"}
        return "Accounts", "AmountSuspended", args

    def booked(area: bytes) -> tuple[str, str, dict[str, Any]]:
        page = {"area": to_hex(area), "period": 1, "revision": 0, "page": 0, "id": to_hex(REF)}
        return "Settlement", "SettlementPageBooked", page

    first, second = b"\x05" * 20, b"\x06" * 20
    elsewhere, here = booked(keccak(b"elsewhere")), booked(text_id(tools.AREA))
    scene.include("settle:both", [suspended("house1", first), elsewhere, suspended("house2", second), here])
    run(scene, 0)

    with scene.record.read() as connection:
        rows = connection.execute(select(money_suspense.c.suspense, money_suspense.c.area)).all()
    assert {bytes(row.suspense): row.area for row in rows} == {first: "", second: tools.AREA}
