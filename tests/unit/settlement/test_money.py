"""Deposits, redemptions, cover, and balances that follow the chain in pairs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert

from domain.eip712 import COVER, REDEMPTION
from domain.errors import OutOfRange
from domain.facts import ChainIncluded, ChainRequested
from domain.hashing import keccak, to_hex
from domain.parties import Guarantee
from domain.words import unpack_settlement_word
from ledger_service.chain.tables import INCLUDED, chain_transaction
from ledger_service.money import queries
from ledger_service.money.operations import (
    BALANCE_HIGHEST_NEUR,
    DEPOSIT_HIGHEST_NEUR,
    BadReference,
    BalanceTooHigh,
    BalanceTooLow,
    DebtTooLow,
    NotTheGuarantor,
    OtherDebt,
    ReferenceUsed,
    WrongHolder,
    check_line,
    deposit,
    give_cover,
    request_redemption,
)
from ledger_service.money.stage import MoneyStage
from ledger_service.money.views import BANK, SettlementNotProposed, rebuild_views
from ledger_service.outbox import RETRY_SECONDS, NeverAsked, ask_again
from ledger_service.registry.errors import DeadlinePassed
from ledger_service.settlement.queries import latest_proposal
from ledger_service.settlement.stage import SettlementStage
from ledger_service.stage import run_until_quiet
from ledger_service.trading import Backing
from scripts.serving.composition import RecordFunds
from tests.journal import append_fact, content_of

pytestmark = pytest.mark.unit

REF = keccak(b"payment 1")


def balances(scene: Any, *accounts: bytes) -> list[int]:
    with scene.record.read() as connection:
        return [queries.balance_neur(connection, account=account) for account in accounts]


def run(scene: Any, now: int) -> None:
    run_until_quiet([SettlementStage(scene.record), MoneyStage(scene.record, market_time=int)], now)


def deposited(scene: Any, account: bytes, amount: int, *, ref: bytes = REF) -> None:
    args = {"account": to_hex(account), "amountNeur": str(amount), "ref": to_hex(ref)}
    scene.include(f"deposit:{to_hex(ref)}", [("Accounts", "Deposited", args)])


def indebted(scene: Any, tools: Any, account: bytes, amount: int) -> None:
    """Debt of an account, as the replacement of a debtor leaves it."""
    args = {"account": to_hex(tools.key("house2").address), "successor": to_hex(account), "balanceNeur": -amount}
    scene.include(f"debt:{to_hex(account)}", [("Accounts", "AccountReplaced", args)])


def guaranteed(scene: Any, guarantor: bytes, account: bytes, credit: int, *, nonce: int = 1, locked: int = -1) -> None:
    """A line on chain; `locked` is what stands behind the account where a lower one only counts for new orders."""
    pair = {"guarantor": to_hex(guarantor), "account": to_hex(account)}
    given = ("Guarantees", "GuaranteeSet", pair | {"creditNeur": str(credit), "nonce": nonce})
    stands = ("Accounts", "LineSet", pair | {"creditNeur": str(credit if locked < 0 else locked)})
    scene.include(f"guarantee:{to_hex(account)}:{nonce}", [stands, given])


def cover(scene: Any, tools: Any, *, amount: int, debt: int = 600, deadline: int = 2_000, now: int = 1_000) -> Any:
    guarantor, account = tools.key("retailer"), tools.key("house1").address
    values = {"guarantor": guarantor.address, "account": account, "amountNeur": amount, "debtNeur": debt, "ref": REF}
    signature = guarantor.sign(tools.SETTLEMENT_DOMAIN.digest(COVER, values | {"deadline": deadline}))
    return give_cover(
        scene.record,
        guarantor=guarantor.address,
        account=account,
        amount_neur=amount,
        debt_neur=debt,
        ref=REF,
        deadline=deadline,
        signature=signature,
        now=now,
        domain=tools.SETTLEMENT_DOMAIN,
    )


def requests(scene: Any, function: str) -> list[dict[str, Any]]:
    entries = scene.record.entries(kinds=[ChainRequested])
    return [content_of(entry) for entry in entries if content_of(entry)["function"] == function]


def redemption(scene: Any, tools: Any, *, amount: int, deadline: int, signer: str = "house1", now: int = 1000) -> Any:
    account = tools.key("house1").address
    values = {"account": account, "amountNeur": amount, "ref": REF, "deadline": deadline}
    signature = tools.key(signer).sign(tools.SETTLEMENT_DOMAIN.digest(REDEMPTION, values))
    return request_redemption(
        scene.record,
        account=account,
        amount_neur=amount,
        ref=REF,
        deadline=deadline,
        signature=signature,
        now=now,
        domain=tools.SETTLEMENT_DOMAIN,
    )


def test_deposit__same_reference_twice__is_one_fact(scene: Any, tools: Any) -> None:
    account = tools.key("house1").address
    with scene.record.begin() as tx:
        first = deposit(tx, account=account, amount_neur=5_000, ref=REF)
        again = deposit(tx, account=account, amount_neur=5_000, ref=REF)
        with pytest.raises(ReferenceUsed) as refusal:
            deposit(tx, account=account, amount_neur=6_000, ref=REF)
    assert "deposit:" not in str(refusal.value)

    assert again.sequence == first.sequence
    assert [item["role"] for item in requests(scene, "deposit")] == ["treasurer"]


@pytest.mark.parametrize("amount", [0, -1, DEPOSIT_HIGHEST_NEUR + 1, 2**79, 1.5, float("nan"), True, "5"])
def test_deposit__bad_amount__changes_nothing(scene: Any, tools: Any, amount: Any) -> None:
    head = scene.record.head()

    with scene.record.begin() as tx, pytest.raises(OutOfRange):
        deposit(tx, account=tools.key("house1").address, amount_neur=amount, ref=REF)

    assert scene.record.head() == head


def test_deposit__bad_reference__is_refused(scene: Any, tools: Any) -> None:
    with scene.record.begin() as tx:
        with pytest.raises(BadReference):
            deposit(tx, account=b"\x00" * 20, amount_neur=1, ref=REF)
        with pytest.raises(BadReference):
            deposit(tx, account=tools.key("house1").address, amount_neur=1, ref=b"short")
        with pytest.raises(BadReference):
            deposit(tx, account=tools.key("house1").address, amount_neur=1, ref=bytes(32))


def test_deposit__beyond_what_the_contract_keeps__is_refused(scene: Any, tools: Any) -> None:
    account, room = tools.key("house1").address, 1_000
    deposited(scene, account, BALANCE_HIGHEST_NEUR - room)
    run(scene, 0)

    with scene.record.begin() as tx:
        with pytest.raises(BalanceTooHigh):
            deposit(tx, account=account, amount_neur=room + 1, ref=keccak(b"payment 2"))
        first = deposit(tx, account=account, amount_neur=room, ref=keccak(b"payment 2"))
    deposited(scene, account, room, ref=keccak(b"payment 2"))
    run(scene, 0)
    with scene.record.begin() as tx:
        again = deposit(tx, account=account, amount_neur=room, ref=keccak(b"payment 2"))
    assert again.sequence == first.sequence


def test_fold__deposit_included__is_a_pair(scene: Any, tools: Any) -> None:
    account = tools.key("house1").address

    deposited(scene, account, 5_000)
    run(scene, 0)

    assert balances(scene, account) == [5_000]
    with scene.record.read() as connection:
        assert -queries.balance_neur(connection, account=BANK) == 5_000
        (movement,) = queries.postings(connection, account=account)
    assert (movement.kind, movement.amount_neur) == ("deposit", 5_000)


def test_fold__transaction_included_again__counts_once(scene: Any, tools: Any) -> None:
    account = tools.key("house1").address

    deposited(scene, account, 5_000)
    run(scene, 0)
    deposited(scene, account, 5_000)
    run(scene, 0)

    assert balances(scene, account) == [5_000]


def test_fold__transaction_fails_after_a_reorg__is_undone(scene: Any, tools: Any) -> None:
    account = tools.key("house1").address
    deposited(scene, account, 5_000)
    run(scene, 0)

    with scene.record.begin() as tx:
        append_fact(tx, "chain.failed", {"key": f"deposit:{to_hex(REF)}", "reason": "reverted"})
    run(scene, 0)

    assert balances(scene, account) == [0]


def test_redemption__signed_and_covered__completes_after_the_window(scene: Any, tools: Any) -> None:
    account = tools.key("house1").address
    deposited(scene, account, 5_000)
    run(scene, 0)

    entry = redemption(scene, tools, amount=3_000, deadline=2_000)
    repeat = redemption(scene, tools, amount=3_000, deadline=2_000, now=5_000)
    args = {"account": to_hex(account), "amountNeur": 3_000, "ref": to_hex(REF), "readyAt": 4_000}
    scene.include("requestRedemption:1", [("Redemptions", "RedemptionRequested", args)])
    run(scene, 3_999)
    assert requests(scene, "completeRedemption") == []
    run(scene, 4_000)
    run(scene, 4_001)

    assert repeat.sequence == entry.sequence
    assert len(requests(scene, "completeRedemption")) == 1
    scene.include("completeRedemption:1", [("Redemptions", "Redeemed", {k: args[k] for k in list(args)[:3]})])
    run(scene, 4_002)
    assert balances(scene, account) == [2_000]
    with scene.record.read() as connection:
        assert queries.redemptions(connection, account=account)[0].redeemed_neur == 3_000
        assert -queries.balance_neur(connection, account=BANK) == 2_000


CUT = (("Redeemed", 1_000), ("RedemptionCancelled", 2_000))
"""Of a redemption of 3,000 nEUR what is paid, and what debits since its request took."""


def without(members: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in members.items() if key != name}


def ready_redemption(scene: Any, tools: Any, *, ref: bytes = REF) -> dict[str, Any]:
    """A redemption of 3,000 nEUR that the chain lets complete from market time 4,000 on."""
    args = {"account": to_hex(tools.key("house1").address), "amountNeur": 3_000, "ref": to_hex(ref), "readyAt": 4_000}
    scene.include(f"requestRedemption:{to_hex(ref)}", [("Redemptions", "RedemptionRequested", args)])
    return args


def fail(scene: Any, key: str, reason: str) -> None:
    with scene.record.begin() as tx:
        append_fact(tx, "chain.failed", {"key": key, "reason": reason})


def test_redemption__cut_by_debits__ends_with_what_was_left(scene: Any, tools: Any) -> None:
    account = tools.key("house1").address
    deposited(scene, account, 5_000)
    args = ready_redemption(scene, tools)
    run(scene, 4_000)
    (asked,) = requests(scene, "completeRedemption")

    ends = [("Redemptions", event, args | {"amountNeur": amount}) for event, amount in CUT]
    scene.include(asked["key"], [(contract, event, without(members, "readyAt")) for contract, event, members in ends])
    run(scene, 4_001)
    run(scene, 4_000 + RETRY_SECONDS)

    assert len(requests(scene, "completeRedemption")) == 1
    with scene.record.read() as connection:
        (state,) = queries.redemptions(connection, account=account)
        assert queries.free_neur(connection, account=account) == 4_000
    assert (state.redeemed_neur, state.left_neur) == (1_000, 0)


def test_redemption__fails_again_and_again__waits_between_and_survives_a_restart(scene: Any, tools: Any) -> None:
    deposited(scene, tools.key("house1").address, 5_000)
    ready_redemption(scene, tools)
    run(scene, 4_000)
    fail(scene, requests(scene, "completeRedemption")[-1]["key"], "out of gas")
    run(scene, 5_000)

    run(scene, 5_000 + RETRY_SECONDS - 1)
    assert len(requests(scene, "completeRedemption")) == 1
    run(scene, 5_000 + RETRY_SECONDS)
    fail(scene, requests(scene, "completeRedemption")[-1]["key"], "out of gas")
    run(scene, 9_000)
    run(scene, 9_000 + RETRY_SECONDS)

    keys = [item["key"] for item in requests(scene, "completeRedemption")]
    assert keys == [keys[0], f"{keys[0]}#2", f"{keys[0]}#3"]


def test_redemption__completed_by_somebody_else__is_not_asked_again(scene: Any, tools: Any) -> None:
    deposited(scene, tools.key("house1").address, 5_000)
    ready_redemption(scene, tools)
    run(scene, 4_000)

    fail(scene, requests(scene, "completeRedemption")[0]["key"], "RedemptionsUnknown(account=0x, ref=0x)")
    run(scene, 5_000)
    run(scene, 5_000 + RETRY_SECONDS)

    assert len(requests(scene, "completeRedemption")) == 1


def test_ask_again__never_asked__is_a_fault(scene: Any) -> None:
    with scene.record.begin() as tx, pytest.raises(NeverAsked):
        ask_again(tx, failed_key="completeRedemption:nobody")


def test_redemption__forged_late_or_too_much__is_refused(scene: Any, tools: Any) -> None:
    deposited(scene, tools.key("house1").address, 5_000)
    run(scene, 0)

    with pytest.raises(WrongHolder):
        redemption(scene, tools, amount=3_000, deadline=2_000, signer="house2")
    with pytest.raises(DeadlinePassed):
        redemption(scene, tools, amount=3_000, deadline=1_000)
    with pytest.raises(BalanceTooLow):
        redemption(scene, tools, amount=5_001, deadline=2_000)

    assert requests(scene, "requestRedemption") == []


def test_cover__by_the_guarantor__pays_the_debt(scene: Any, tools: Any) -> None:
    guarantor, account = tools.key("retailer").address, tools.key("house1").address
    guaranteed(scene, guarantor, account, 100)
    deposited(scene, guarantor, 5_000)
    indebted(scene, tools, account, 600)
    run(scene, 0)

    cover(scene, tools, amount=400)
    covered = {"guarantor": to_hex(guarantor), "account": to_hex(account), "amountNeur": "400", "ref": to_hex(REF)}
    scene.include("cover:1", [("Guarantees", "DebtCovered", covered)])
    run(scene, 0)

    assert len(requests(scene, "cover")) == 1
    assert balances(scene, account, guarantor) == [-200, 4_600]
    with scene.record.read() as connection:
        assert queries.guarantees(connection)[0].called_neur == 100
        assert queries.free_neur(connection, account=guarantor) == 4_400


def test_cover__by_another_or_beyond_the_debt__is_refused(scene: Any, tools: Any) -> None:
    guarantor, account = tools.key("retailer").address, tools.key("house1").address
    deposited(scene, guarantor, 5_000)
    indebted(scene, tools, account, 600)
    run(scene, 0)

    with pytest.raises(NotTheGuarantor):
        cover(scene, tools, amount=1)
    guaranteed(scene, guarantor, account, 100)
    run(scene, 0)
    with pytest.raises(DebtTooLow) as caught:
        cover(scene, tools, amount=601)
    with pytest.raises(OtherDebt):
        cover(scene, tools, amount=1, debt=599)
    with pytest.raises(DeadlinePassed):
        cover(scene, tools, amount=1, now=2_000)

    assert caught.value.debt_neur == 600
    assert requests(scene, "cover") == []


def test_cover__what_is_called__needs_nothing_free_and_the_rest_does(scene: Any, tools: Any) -> None:
    guarantor, account = tools.key("retailer").address, tools.key("house1").address
    guaranteed(scene, guarantor, account, 100)
    deposited(scene, guarantor, 620)
    indebted(scene, tools, account, 600)
    run(scene, 0)

    with pytest.raises(BalanceTooLow) as caught:
        cover(scene, tools, amount=521)  # 500 are called, 20 are free
    assert caught.value.free_neur == 520
    cover(scene, tools, amount=520)


def test_fold__guarantor_replaced__its_accounts_follow(scene: Any, tools: Any) -> None:
    guarantor, account, successor = (tools.key(name).address for name in ("retailer", "house1", "house2"))
    guaranteed(scene, guarantor, account, 100)
    replaced = {"account": to_hex(guarantor), "successor": to_hex(successor), "balanceNeur": 0}
    scene.include("replace:1", [("Accounts", "AccountReplaced", replaced)])
    run(scene, 0)

    with scene.record.read() as connection:
        assert queries.guarantor_of(connection, account=account) == successor
        assert queries.given_neur(connection, account=successor) == 100


def test_fold__holder_with_a_line_of_its_own_replaced__keeps_it(scene: Any, tools: Any) -> None:
    account, successor = tools.key("house1").address, tools.key("house2").address
    deposited(scene, account, 50)
    guaranteed(scene, account, account, 30)
    replaced = {"account": to_hex(account), "successor": to_hex(successor), "balanceNeur": 50}
    scene.include("replace:1", [("Accounts", "AccountReplaced", replaced)])
    run(scene, 0)

    with scene.record.read() as connection:
        assert queries.own_line_neur(connection, account=successor) == 30
        assert queries.free_neur(connection, account=successor) == 20
        assert queries.free_neur(connection, account=account) == 0


def test_backing__line_lowered_while_trades_stand__counts_at_once_and_stays_locked(scene: Any, tools: Any) -> None:
    guarantor, account = tools.key("retailer").address, tools.key("house1").address
    deposited(scene, guarantor, 120)
    guaranteed(scene, guarantor, account, 100)
    guaranteed(scene, guarantor, account, 30, nonce=2, locked=100)
    run(scene, 0)

    with scene.record.read() as connection:
        assert queries.backing(connection, account=account) == Backing(has_neur=0, line_neur=30, missing_neur=0)
        assert queries.free_neur(connection, account=guarantor) == 20
        (state,) = queries.guarantees(connection)
    assert (state.credit_neur, state.locked_neur) == (30, 100)


def test_backings__of_many_customers__what_their_guarantor_lacks_is_summed_once(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarantor, customers = bytes([1]) * 20, [bytes([number]) * 20 for number in range(2, 12)]
    for customer in customers:
        guaranteed(scene, guarantor, customer, 100)
    run(scene, 0)
    summed: list[bytes] = []
    given = queries.given_neur
    monkeypatch.setattr(
        queries, "given_neur", lambda tx, *, account: summed.append(account) or given(tx, account=account)
    )

    backing = RecordFunds(scene.record).backings()

    assert {backing(to_hex(customer)).missing_neur for customer in customers} == {1_000}
    assert summed.count(guarantor) == 1 and len(summed) == len(customers) + 1


def test_backing__guarantor_below_its_lines__is_called(scene: Any, tools: Any) -> None:
    guarantor, account = tools.key("retailer").address, tools.key("house1").address
    deposited(scene, guarantor, 150)
    guaranteed(scene, guarantor, account, 100)
    guaranteed(scene, guarantor, guarantor, 50)
    indebted(scene, tools, account, 130)
    run(scene, 0)

    with scene.record.read() as connection:
        assert queries.backing(connection, account=account) == Backing(has_neur=-130, line_neur=100, missing_neur=30)
        assert queries.backing(connection, account=guarantor) == Backing(has_neur=20, line_neur=50, missing_neur=0)


def test_line__beyond_what_is_free__is_refused(scene: Any, tools: Any) -> None:
    guarantor, account = tools.key("retailer").address, tools.key("house1").address
    deposited(scene, guarantor, 150)
    guaranteed(scene, guarantor, account, 100)
    run(scene, 0)

    def line(credit: int, by: bytes, of: bytes) -> Guarantee:
        return Guarantee(to_hex(by), to_hex(of), credit, 2, 2_000, b"")

    with scene.record.begin() as tx:
        check_line(tx, line(150, guarantor, account))
        check_line(tx, line(50, guarantor, guarantor))
        check_line(tx, line(0, guarantor, account))
        for refused in (line(151, guarantor, account), line(51, guarantor, guarantor), line(1, account, account)):
            with pytest.raises(BalanceTooLow):
                check_line(tx, refused)


def test_fold__amount_suspended_then_booked__waits_on_an_account_of_its_own(scene: Any, tools: Any) -> None:
    account, suspense, guarantor = tools.key("house1").address, b"\x05" * 20, tools.key("retailer").address
    moved = {"account": to_hex(account), "amountNeur": "70"}
    waiting = moved | {"suspense": to_hex(suspense)}
    passed = {"account": to_hex(account), "guarantor": to_hex(guarantor), "amountNeur": "-5"}

    scene.include("settle:1", [("Accounts", "AmountSuspended", waiting), ("Accounts", "DebitPassedOn", passed)])
    run(scene, 0)
    with scene.record.read() as connection:
        balances = [queries.balance_neur(connection, account=item) for item in (account, suspense, guarantor)]
    scene.include("bind:1", [("Accounts", "SuspenseBooked", waiting)])
    run(scene, 0)

    assert balances == [-65, 70, -5]
    with scene.record.read() as connection:
        after = [queries.balance_neur(connection, account=item) for item in (account, suspense, guarantor)]
    assert after == [5, 0, -5]


def test_fold__settlement_included__books_every_word_in_pairs(scene: Any, tools: Any) -> None:
    run(scene, tools.ENDED)
    with scene.record.read() as connection:
        proposal = latest_proposal(connection, area=tools.AREA, period=tools.PERIOD)

    scene.settled(proposal)
    run(scene, tools.ENDED)

    for word in proposal.words:
        account, amount = unpack_settlement_word(word)
        assert balances(scene, account) == [amount]
    with scene.record.read() as connection:
        movements = queries.postings(connection, account=tools.key("house2").address)
        assert -queries.balance_neur(connection, account=BANK) == 0
    assert {movement.kind for movement in movements} >= {"local_sale", "imbalance_shortfall", "excess_export", "vat"}
    assert balances(scene, b"\x00" * 20) == [0]
    with scene.record.begin() as tx:
        before = queries.postings(tx.connection, account=tools.key("house2").address)
        rebuild_views(tx, now=tools.ENDED)
        assert queries.postings(tx.connection, account=tools.key("house2").address) == before


def test_fold__chain_settles_what_was_never_proposed__stops(scene: Any, tools: Any) -> None:
    run(scene, tools.ENDED)
    with scene.record.read() as connection:
        proposal = latest_proposal(connection, area=tools.AREA, period=tools.PERIOD)

    scene.settled(replace(proposal, words_hash=keccak(b"other words")))

    with pytest.raises(SettlementNotProposed):
        run(scene, tools.ENDED)


@pytest.mark.parametrize("is_final", [False, True])
def test_redemption__requested_in_a_block_that_may_go__waits_until_it_is_final(
    scene: Any, tools: Any, is_final: bool
) -> None:
    deposited(scene, tools.key("house1").address, 1_000)
    args = ready_redemption(scene, tools)
    row = {
        "key": f"requestRedemption:{to_hex(REF)}",
        "request": 1,
        "role": "operator",
        "sender": bytes(20),
        "nonce": 0,
        "contract": "Redemptions",
        "function": "requestRedemption",
        "tx_hash": bytes(32),
        "gas_price_wei": 0,
        "status": INCLUDED,
        "block_number": 7,
        "block_hash": bytes(32),
        "is_final": is_final,
    }
    with scene.record.begin() as tx:
        tx.connection.execute(insert(chain_transaction).values(row))

    run(scene, args["readyAt"] + 1)

    assert bool(requests(scene, "completeRedemption")) is is_final


def test_fold__deposit_in_a_block_that_is_gone__is_undone(scene: Any, tools: Any) -> None:
    account = tools.key("house1").address
    deposited(scene, account, 500)
    run(scene, 0)
    key = content_of(scene.record.entries(kinds=[ChainIncluded])[-1])["key"]
    assert balances(scene, account) == [500]

    with scene.record.begin() as tx:
        append_fact(tx, "chain.rewound", {"key": key, "block": 1})
    run(scene, 1_000)

    assert balances(scene, account) == [0]
