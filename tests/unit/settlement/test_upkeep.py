"""What anyone may ask of the contracts: the service asks once it is possible, and not again while nothing changes."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, update

from domain.facts import AccountReplaced, ChainRequested, PeriodDeclared
from domain.hashing import text_id, to_hex
from ledger_service.chain.tables import chain_observed
from ledger_service.market import views as market_views
from ledger_service.money.queries import balance_neur, guarantor_of
from ledger_service.money.stage import MoneyStage
from ledger_service.settlement.stage import SettlementStage
from ledger_service.settlement.tables import settlement_period
from ledger_service.stage import run_until_quiet
from tests.journal import append_fact, content_of

pytestmark = pytest.mark.unit

SUSPENSE = b"\x05" * 20


def rest(scene: Any) -> None:
    run_until_quiet([SettlementStage(scene.record), MoneyStage(scene.record, market_time=int)], 0)


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


BATCH = {"id": "0x" + "07" * 32}
"""A settlement of several pages."""


def page(scene: Any, tools: Any, *events: Any, number: int = 0) -> None:
    """One of its pages, with what it does besides."""
    booked = {"area": to_hex(text_id(tools.AREA)), "period": 1, "revision": 0, "page": number, **BATCH}
    scene.include(f"settle:{number}", [*events, ("Settlement", "SettlementPageBooked", booked)])


def lacks(tools: Any, lacking: int) -> tuple[str, str, dict[str, str]]:
    args = {"account": to_hex(tools.key("house2").address), "lackingNeur": str(lacking)}
    return ("Accounts", "DebtUncovered", args)


def test_recount__pages_counted_a_debt_and_were_abandoned__is_asked_once(scene: Any, tools: Any) -> None:
    page(scene, tools, lacks(tools, 100))
    rest(scene)
    open_still = requests(scene, "recount")

    scene.include("abandon", [("Settlement", "SettlementAbandoned", BATCH)])
    rest(scene)
    scene.include("any", [])
    rest(scene)

    assert (open_still, requests(scene, "recount")) == ([], [[to_hex(tools.key("house2").address)]])


def test_recount__debt_that_is_there__is_not_asked(scene: Any, tools: Any) -> None:
    page(scene, tools, lacks(tools, 0))

    scene.include("abandon", [("Settlement", "SettlementAbandoned", BATCH)])
    rest(scene)

    assert requests(scene, "recount") == []


def test_abandoned_settlement__what_its_pages_kept_back__is_where_it_was(scene: Any, tools: Any) -> None:
    house = tools.key("house1").address
    kept = {"account": to_hex(house), "suspense": to_hex(SUSPENSE), "amountNeur": "70"}
    page(scene, tools, ("Accounts", "AmountSuspended", kept))
    rest(scene)
    between = [balance(scene, account) for account in (house, SUSPENSE)]

    scene.include("abandon", [("Settlement", "SettlementAbandoned", BATCH)])
    rest(scene)

    assert (between, [balance(scene, account) for account in (house, SUSPENSE)]) == ([-70, 70], [0, 0])


def balance(scene: Any, account: bytes) -> int:
    with scene.record.read() as connection:
        return balance_neur(connection, account=account)


def replaced(scene: Any, tools: Any, key: str, amount: int) -> None:
    """The first household's money goes to a successor."""
    args = {"account": to_hex(tools.key("house1").address), "successor": to_hex(SUSPENSE), "balanceNeur": str(amount)}
    scene.include(key, [("Accounts", "AccountReplaced", args)])


def deposited(scene: Any, tools: Any, amount: int) -> None:
    args = {"account": to_hex(tools.key("house1").address), "amountNeur": str(amount), "ref": "0x" + "01" * 32}
    scene.include("late payment", [("Accounts", "Deposited", args)])


def test_collect__money_reaches_an_account_after_it_was_replaced__is_asked_once(scene: Any, tools: Any) -> None:
    replaced(scene, tools, "replace", 0)
    rest(scene)
    before = requests(scene, "collect")
    deposited(scene, tools, 70)
    rest(scene)
    rest(scene)
    asked = requests(scene, "collect")
    replaced(scene, tools, "collect", 70)
    rest(scene)

    assert (before, asked) == ([], [[to_hex(tools.key("house1").address)]])
    assert requests(scene, "collect") == asked


def test_replacement__its_block_vanishes__lines_are_the_accounts_again_and_nothing_is_recorded(
    scene: Any, tools: Any
) -> None:
    line(scene, tools, 100, 1, stands=100)
    house, successor = tools.key("house1").address, SUSPENSE
    row = {"key": "replace", "tx_hash": b"\x01" * 32, "block_number": 2, "block_hash": b"\x02" * 32, "is_final": False}
    with scene.record.begin() as tx:
        tx.connection.execute(insert(chain_observed), row)
    replaced(scene, tools, "replace", 0)
    rest(scene)
    with scene.record.read() as connection:
        between = [guarantor_of(connection, account=account) for account in (house, successor)]

    with scene.record.begin() as tx:
        append_fact(tx, "chain.rewound", {"key": "replace"})
    rest(scene)

    with scene.record.read() as connection:
        after = [guarantor_of(connection, account=account) for account in (house, successor)]
    retailer = tools.key("retailer").address
    assert (between, after) == ([None, retailer], [retailer, None])
    assert scene.record.entries(kinds=[AccountReplaced]) == []
