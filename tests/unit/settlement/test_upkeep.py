"""What anyone may ask of the contracts: the service asks once it is possible, and not again while nothing changes."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from domain.facts import ChainRequested, PeriodDeclared
from domain.hashing import text_id, to_hex
from ledger_service.market import views as market_views
from ledger_service.money.stage import MoneyStage
from ledger_service.settlement.stage import SettlementStage
from ledger_service.settlement.tables import settlement_period
from ledger_service.stage import run_until_quiet
from tests.journal import content_of

pytestmark = pytest.mark.unit

SUSPENSE = b"\x05" * 20


def rest(scene: Any) -> None:
    run_until_quiet([SettlementStage(scene.record), MoneyStage(scene.record)], 0)


def requests(scene: Any, function: str) -> list[list[Any]]:
    asked = [content_of(entry) for entry in scene.record.entries(kinds=[ChainRequested], limit=10_000)]
    return [item["args"] for item in asked if item["function"] == function]


def line(scene: Any, tools: Any, credit: int, nonce: int, *, stands: int) -> None:
    """The retailer's line for the first household; `stands` is what the chain keeps behind it."""
    pair = {"guarantor": to_hex(tools.key("retailer").address), "account": to_hex(tools.key("house1").address)}
    given = ("Guarantees", "GuaranteeSet", pair | {"creditNeur": str(credit), "nonce": nonce})
    scene.include(f"line:{nonce}", [("Accounts", "LineSet", pair | {"creditNeur": str(stands)}), given])


def suspended(scene: Any, tools: Any, amount: int) -> None:
    """A page of a settlement keeps an amount of the first household back."""
    args = {"account": to_hex(tools.key("house1").address), "suspense": to_hex(SUSPENSE), "amountNeur": str(amount)}
    page = {"area": to_hex(text_id(tools.AREA)), "period": 1, "revision": 0, "page": 0, "id": "0x" + "00" * 32}
    scene.include("settle:page", [("Accounts", "AmountSuspended", args), ("Settlement", "SettlementPageBooked", page)])


def uncovered(scene: Any, tools: Any, lacking: int, *, key: str) -> None:
    """The chain counts what the second household lacks."""
    args = {"account": to_hex(tools.key("house2").address), "lackingNeur": str(lacking)}
    scene.include(key, [("Accounts", "DebtUncovered", args)])


def test_release__line_lowered_in_a_period_that_has_begun__is_asked_once_that_is_settled(
    scene: Any, tools: Any
) -> None:
    with scene.record.begin() as tx:
        market_views.rebuild_views(tx)
    assert scene.record.entries(kinds=[PeriodDeclared])
    line(scene, tools, 100, 1, stands=100)
    line(scene, tools, 30, 2, stands=100)
    rest(scene)
    before = requests(scene, "release")

    with scene.record.begin() as tx:
        tx.connection.execute(update(settlement_period).values(settled=1))
    scene.include("any", [])
    rest(scene)
    head = scene.record.head()
    rest(scene)

    assert (before, requests(scene, "release")) == ([], [[to_hex(tools.key("house1").address)]])
    assert scene.record.head() == head


def test_release__line_that_stands_as_it_was_given__is_not_asked_for(scene: Any, tools: Any) -> None:
    line(scene, tools, 100, 1, stands=100)

    rest(scene)

    assert requests(scene, "release") == []


@pytest.mark.parametrize(("amount", "lacking", "times"), [(70, 70, 0), (70, 69, 1), (-70, 500, 1)])
def test_book_suspense__credit_or_debit_that_waits__is_asked_as_far_as_debts_let_it(
    scene: Any, tools: Any, amount: int, lacking: int, times: int
) -> None:
    suspended(scene, tools, amount)
    uncovered(scene, tools, lacking, key="lack:1")

    rest(scene)
    head = scene.record.head()
    rest(scene)

    assert requests(scene, "bookSuspense") == [[to_hex(tools.key("house1").address)]] * times
    assert scene.record.head() == head


def test_book_suspense__debt_that_kept_it_is_covered__is_asked_and_failed_only_once(scene: Any, tools: Any) -> None:
    suspended(scene, tools, 70)
    uncovered(scene, tools, 100, key="lack:1")
    rest(scene)
    assert requests(scene, "bookSuspense") == []

    uncovered(scene, tools, 0, key="lack:2")
    rest(scene)
    scene.include("any", [])
    rest(scene)

    assert len(requests(scene, "bookSuspense")) == 1
