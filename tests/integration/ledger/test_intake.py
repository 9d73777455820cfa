"""Order intake: what is accepted, what is refused and changes nothing, receipts, repeats, and many at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from domain.eip712 import RECEIPT, Domain
from domain.facts import BookClosed, OrderAccepted
from domain.hashing import text_id, to_hex
from domain.signing import BadSignature, recover
from domain.words import Side
from ledger_service.market import rebuild_views as rebuild_market
from ledger_service.market.tables import TABLES as MARKET_TABLES
from ledger_service.record import Record
from ledger_service.trading import Accepted, IntakeLimits, errors, queries, rebuild_views
from ledger_service.trading.submissions import order as order_module
from ledger_service.trading.tables import TABLES
from tests.integration.ledger.tables import dump
from tests.integration.ledger.town import (
    CREDIT_NEUR,
    MARKET,
    MARKET_DOMAIN,
    Resident,
    Town,
    accepted,
    give_guarantee,
    nominate,
    refused,
    signed_guarantee,
)
from tests.journal import content_of

pytestmark = pytest.mark.integration


def test_order__valid_bid__journaled_viewed_and_receipted(town: Town, resident: Resident, first_mtu: int) -> None:
    signed = resident.order(mtu=first_mtu)
    (outcome,) = accepted(town, signed)

    receipt = outcome.receipt
    assert receipt is not None and not outcome.repeated
    digest = MARKET_DOMAIN.digest(RECEIPT, receipt.values())
    assert recover(digest, receipt.signature) == town.operator.address
    tag = signed.order.digest(MARKET_DOMAIN)[:16]
    assert (receipt.tag, receipt.revision, receipt.kind, receipt.mtu) == (tag, 0, 1, first_mtu)
    (entry,) = town.record.entries(kinds=[OrderAccepted])
    assert (receipt.sequence, receipt.journal_head) == (entry.sequence, entry.hash)
    assert receipt.market_time == town.clock.now()
    assert content_of(entry)["order"] == signed.order.as_json()
    assert content_of(entry)["point"] == resident.point
    with town.record.read() as connection:
        (order,) = queries.book_orders(connection, market=MARKET, session=town.session.session)
    assert order.word() == signed.order.word(tag=tag)
    assert order.account == resident.account_hex


def test_order__sent_again__first_result_and_same_receipt(town: Town, resident: Resident, first_mtu: int) -> None:
    signed = resident.order(mtu=first_mtu)
    first, within = accepted(town, signed, signed)
    town.clock.advance_to(town.session.session + 10_000)
    late = town.make_intake().process([signed])[0]

    assert [first.repeated, within.repeated, late.repeated] == [False, True, True]
    assert first.receipt == within.receipt == late.receipt
    assert len(town.record.entries(kinds=[OrderAccepted])) == 1


def test_order__same_id_other_body__refused(town: Town, resident: Resident, first_mtu: int) -> None:
    signed = resident.order(mtu=first_mtu)
    accepted(town, signed)

    for change in ({"quantity_lots": 11}, {"salt": b"\x01" * 32}, {"mtu": first_mtu + 1}):
        refused(town, resident.sign_order(replace(signed.order, **change)), errors.OrderConflict)


def test_order__same_id_of_two_accounts__both_accepted(town: Town, first_mtu: int) -> None:
    one, other = town.residents[:2]

    accepted(town, *(r.order(mtu=first_mtu, order_id=b"\x07" * 16) for r in (one, other)))


def test_order__id_of_a_closed_program__refused(town: Town, resident: Resident, first_mtu: int) -> None:
    signed = resident.order(mtu=first_mtu)
    accepted(town, signed)
    town.clock.advance_to(town.session.session)
    town.gate.run(town.clock.now())

    moved = resident.sign_order(replace(signed.order, salt=b"\x02" * 32))
    refused(town, moved, errors.OrderConflict)
    refused(town, resident.sign_order(replace(signed.order, revision=1)), errors.GateClosed)


OTHER_CHAIN = Domain(chain_id=1, verifying_contract=MARKET_DOMAIN.verifying_contract)
OTHER_CONTRACT = Domain(chain_id=31337, verifying_contract=b"\x33" * 20)


@pytest.mark.parametrize("domain", [OTHER_CHAIN, OTHER_CONTRACT], ids=["chain", "contract"])
def test_order__signed_for_elsewhere__refused(town: Town, resident: Resident, first_mtu: int, domain: Domain) -> None:
    order = resident.order(mtu=first_mtu).order

    refused(town, resident.sign_order(order, domain=domain), errors.OrderKeyNotValid)


@pytest.mark.parametrize("change", [{"mtu": 1}, {"revision": 1}, {"side": Side.ASK}, {"quantity_lots": 9}])
def test_order__changed_after_signing__refused(
    town: Town, resident: Resident, first_mtu: int, change: dict[str, Any]
) -> None:
    signed = resident.order(mtu=first_mtu)

    refused(town, replace(signed, order=replace(signed.order, **change)), errors.OrderKeyNotValid)


@pytest.mark.parametrize("signature", [b"", b"\x00" * 65, b"\x01" * 64, b"\xff" * 65])
def test_order__no_signature__refused(town: Town, resident: Resident, first_mtu: int, signature: bytes) -> None:
    refused(town, replace(resident.order(mtu=first_mtu), signature=signature), BadSignature)


def test_order__high_s_twin_of_a_good_signature__refused(town: Town, resident: Resident, first_mtu: int) -> None:
    signed = resident.order(mtu=first_mtu)
    group = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high = group - int.from_bytes(signed.signature[32:64], "big")
    twin = signed.signature[:32] + high.to_bytes(32, "big") + bytes([55 - signed.signature[64]])

    refused(town, replace(signed, signature=twin), BadSignature)


def test_order__signed_by_account_instead_of_device__refused(town: Town, resident: Resident, first_mtu: int) -> None:
    order = resident.order(mtu=first_mtu).order
    signature = resident.account.sign(order.digest(MARKET_DOMAIN))

    refused(town, replace(resident.order(mtu=first_mtu), order=order, signature=signature), errors.OrderKeyNotValid)


def test_order__for_another_account__refused(town: Town, first_mtu: int) -> None:
    thief, victim = town.residents[:2]

    refused(town, thief.order(mtu=first_mtu, account=victim.account.address), errors.OrderKeyNotValid)


def test_order__unknown_market__refused(town: Town, resident: Resident, first_mtu: int) -> None:
    refused(town, resident.order(mtu=first_mtu, market=text_id("ELSE/DA")), errors.UnknownMarket)


@pytest.mark.parametrize("offset", [-1, 96, 10_000])
def test_order__mtu_outside_the_session__refused(town: Town, resident: Resident, first_mtu: int, offset: int) -> None:
    outside = resident.order(mtu=first_mtu + offset, session=town.session.session)

    refused(town, outside, errors.SessionNotOpen)


def test_order__session_that_is_not_open__refused(town: Town, resident: Resident, first_mtu: int) -> None:
    refused(town, resident.order(mtu=first_mtu, session=town.session.session + 60), errors.SessionNotOpen)


def test_order__at_the_gate__last_second_in_next_out(town: Town, resident: Resident, first_mtu: int) -> None:
    town.clock.advance_to(town.session.session - 1)
    accepted(town, resident.order(mtu=first_mtu))
    town.clock.advance_to(town.session.session)

    refused(town, resident.order(mtu=first_mtu), errors.GateClosed)
    town.gate.run(town.clock.now())
    refused(town, resident.order(mtu=first_mtu), errors.GateClosed)


@pytest.mark.parametrize(
    ("limit", "error"),
    [(100_001, errors.OffTick), (-50, errors.OffTick), (4_000_100, errors.OutOfBand), (-500_100, errors.OutOfBand)],
)
def test_order__bad_limit__refused(
    town: Town, resident: Resident, first_mtu: int, limit: int, error: type[Exception]
) -> None:
    refused(town, resident.order(mtu=first_mtu, limit_neur_per_wh=limit), error)


@pytest.mark.parametrize("limit", [-500_000, 0, 4_000_000])
def test_order__limit_at_the_edge_of_the_band__accepted(
    town: Town, resident: Resident, first_mtu: int, limit: int
) -> None:
    accepted(town, resident.order(mtu=first_mtu, limit_neur_per_wh=limit))


def test_order__bids_up_to_the_connection__then_refused(town: Town, resident: Resident, first_mtu: int) -> None:
    accepted(town, resident.order(mtu=first_mtu, quantity_lots=400))
    accepted(town, resident.order(mtu=first_mtu, quantity_lots=25))

    refusal = refused(town, resident.order(mtu=first_mtu, quantity_lots=1), errors.BeyondConnection)
    assert (refusal.energy_wh, refusal.limit_wh) == (4_260, 4_250)
    accepted(town, resident.order(mtu=first_mtu + 1, quantity_lots=425))


def test_order__sale_without_schedule__refused(town: Town, resident: Resident, first_mtu: int) -> None:
    refused(town, resident.order(mtu=first_mtu, side=Side.ASK, quantity_lots=1), errors.BeyondSchedule)


def test_order__sales_up_to_the_schedule__then_refused(town: Town, resident: Resident, first_mtu: int) -> None:
    nominate(town, resident, -500)
    accepted(town, *(resident.order(mtu=first_mtu, side=Side.ASK, quantity_lots=25) for _ in range(2)))

    refusal = refused(town, resident.order(mtu=first_mtu, side=Side.ASK, quantity_lots=1), errors.BeyondSchedule)
    assert (refusal.energy_wh, refusal.export_wh) == (510, 500)


def test_order__import_scheduled__covers_no_sale(town: Town, resident: Resident, first_mtu: int) -> None:
    nominate(town, resident, 500)

    refused(town, resident.order(mtu=first_mtu, side=Side.ASK, quantity_lots=1), errors.BeyondSchedule)


def test_order__sale_beyond_the_export_connection__refused(town: Town, resident: Resident, first_mtu: int) -> None:
    nominate(town, resident, -2_500)

    refused(town, resident.order(mtu=first_mtu, side=Side.ASK, quantity_lots=251), errors.BeyondConnection)


def test_order__worst_cost_beyond_credit__refused_until_there_is_room(
    town: Town, resident: Resident, first_mtu: int
) -> None:
    # 10 lots of 10 Wh at 4,000,000 nEUR/Wh cost 0.4 EUR; the credit line is 100 EUR.
    dear = {"limit_neur_per_wh": 4_000_000, "quantity_lots": 250}
    signed = [resident.order(mtu=first_mtu + n, **dear) for n in range(10)]
    accepted(town, *signed)

    refusal = refused(town, resident.order(mtu=first_mtu + 11, quantity_lots=1), errors.BeyondCredit)
    assert refusal.available_neur == CREDIT_NEUR
    assert refusal.exposure_neur == CREDIT_NEUR + 10 * 100_000

    accepted(town, resident.cancel(signed[0].order, revision=1))
    accepted(town, resident.order(mtu=first_mtu + 11, quantity_lots=1))


def test_change__at_the_credit_limit__counts_the_difference_only(
    town: Town, resident: Resident, first_mtu: int
) -> None:
    dear = {"limit_neur_per_wh": 4_000_000, "quantity_lots": 250}
    signed = [resident.order(mtu=first_mtu + n, **dear) for n in range(10)]
    accepted(town, *signed)

    dearer = replace(signed[0].order, revision=1, quantity_lots=251)
    refused(town, resident.sign_order(dearer), errors.BeyondCredit)
    accepted(town, resident.sign_order(replace(dearer, quantity_lots=250, salt=b"\x08" * 32)))


def test_order__tag_of_another_order__refused(
    town: Town, resident: Resident, first_mtu: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody can make two orders with one tag on purpose; the book's words must differ all the same.
    monkeypatch.setattr(order_module, "tag_of", lambda digest: b"\x09" * 16)
    signed = resident.order(mtu=first_mtu)
    accepted(town, signed)

    refused(town, town.residents[1].order(mtu=first_mtu), errors.TagTaken)
    accepted(town, town.residents[1].order(mtu=first_mtu + 1))
    accepted(town, resident.cancel(signed.order, revision=1), town.residents[1].order(mtu=first_mtu))


def test_order__balance_counts_with_its_sign(town: Town, resident: Resident, first_mtu: int) -> None:
    town.funds.balances[resident.account_hex] = -CREDIT_NEUR + 5 * 10 * 100_000

    accepted(town, resident.order(mtu=first_mtu, quantity_lots=5))
    town.funds.balances[resident.account_hex] += 10 * 100_000 - 1
    refused(town, resident.order(mtu=first_mtu, quantity_lots=1), errors.BeyondCredit)
    town.funds.balances[resident.account_hex] += 1
    accepted(town, resident.order(mtu=first_mtu, quantity_lots=1))


def test_order__line_on_chain_is_lower_than_the_one_given__the_lower_counts(
    town: Town, resident: Resident, first_mtu: int
) -> None:
    town.funds.lines[resident.account_hex] = 5 * 10 * 100_000

    refused(town, resident.order(mtu=first_mtu, quantity_lots=6), errors.BeyondCredit)
    accepted(town, resident.order(mtu=first_mtu, quantity_lots=5))


def test_order__line_lowered__counts_at_once(town: Town, resident: Resident, first_mtu: int) -> None:
    accepted(town, resident.order(mtu=first_mtu, quantity_lots=5))
    account = resident.account.address
    lowered = signed_guarantee(town.retailer.account, account, credit_neur=5 * 10 * 100_000, nonce=2)
    with town.record.begin() as tx:
        give_guarantee(tx, lowered)

    refused(town, resident.order(mtu=first_mtu + 1, quantity_lots=1), errors.BeyondCredit)


def test_bid__guarantor_is_called__refused_with_the_reason(town: Town, resident: Resident, first_mtu: int) -> None:
    nominate(town, resident, -2_500)
    town.funds.missing_neur = 7

    refusal = refused(town, resident.order(mtu=first_mtu, quantity_lots=1), errors.GuarantorCalled)
    assert (refusal.guarantor, refusal.missing_neur) == (town.retailer.account_hex, 7)
    accepted(town, resident.order(mtu=first_mtu, side=Side.ASK, quantity_lots=1))


def test_order__under_a_line_for_oneself__is_a_part_of_ones_own_balance(town: Town, first_mtu: int) -> None:
    retailer = town.retailer
    town.funds.balances[retailer.account_hex] = 5 * 10 * 100_000

    refused(town, retailer.order(mtu=first_mtu, quantity_lots=6), errors.BeyondCredit)
    accepted(town, retailer.order(mtu=first_mtu, quantity_lots=5))


def test_order__cost_of_settled_mtus__counts_no_more(town: Town, resident: Resident, first_mtu: int) -> None:
    dear = {"limit_neur_per_wh": 4_000_000, "quantity_lots": 250}
    accepted(town, *(resident.order(mtu=first_mtu + n, **dear) for n in range(10)))
    refused(town, resident.order(mtu=first_mtu + 20, **dear), errors.BeyondCredit)

    town.funds.first_unsettled = first_mtu + 1
    accepted(town, resident.order(mtu=first_mtu + 20, **dear))
    town.intake = town.make_intake()
    refused(town, resident.order(mtu=first_mtu + 21, quantity_lots=1), errors.BeyondCredit)


def test_order__ask_with_negative_limit__may_cost_too(town: Town, resident: Resident, first_mtu: int) -> None:
    nominate(town, resident, -2_500)
    town.funds.balances[resident.account_hex] = -CREDIT_NEUR + 100

    negative = {"side": Side.ASK, "limit_neur_per_wh": -100, "quantity_lots": 1}
    refused(town, resident.order(mtu=first_mtu, **negative), errors.BeyondCredit)
    accepted(town, resident.order(mtu=first_mtu, side=Side.ASK, quantity_lots=1))


def test_retailer__trades_at_the_transformer__within_its_own_limits(town: Town, first_mtu: int) -> None:
    retailer = town.retailer
    (outcome,) = accepted(town, retailer.order(mtu=first_mtu, side=Side.ASK, quantity_lots=25_000))
    assert content_of(outcome.entry)["point"] is None

    refused(town, retailer.order(mtu=first_mtu, side=Side.ASK, quantity_lots=1), errors.BeyondConnection)
    accepted(town, retailer.order(mtu=first_mtu, quantity_lots=25_000, limit_neur_per_wh=99_900))
    assert IntakeLimits().retailer_energy_wh == 250_000


def test_change__next_revision__replaces_the_order(town: Town, resident: Resident, first_mtu: int) -> None:
    signed = resident.order(mtu=first_mtu, quantity_lots=425)
    changed = resident.sign_order(replace(signed.order, revision=1, limit_neur_per_wh=200, salt=b"\x05" * 32))
    accepted(town, signed, changed)

    with town.record.read() as connection:
        (order,) = queries.book_orders(connection, market=MARKET, session=town.session.session)
    assert (order.revision, order.limit_neur_per_wh) == (1, 200)
    assert order.tag == changed.order.digest(MARKET_DOMAIN)[:16]


@pytest.mark.parametrize("revision", [2, 3, 2**32 - 1])
def test_change__revision_skipped__refused(town: Town, resident: Resident, first_mtu: int, revision: int) -> None:
    signed = resident.order(mtu=first_mtu)
    accepted(town, signed)

    refusal = refused(town, resident.sign_order(replace(signed.order, revision=revision)), errors.RevisionOutOfOrder)
    assert refusal.expected == 1


def test_change__of_nothing__refused(town: Town, resident: Resident, first_mtu: int) -> None:
    refused(town, resident.order(mtu=first_mtu, revision=1), errors.OrderUnknown)


def test_change__to_another_mtu__refused(town: Town, resident: Resident, first_mtu: int) -> None:
    signed = resident.order(mtu=first_mtu)
    accepted(town, signed)

    moved = resident.sign_order(replace(signed.order, revision=1, mtu=first_mtu + 1))
    refused(town, moved, errors.OrderMoved)


def test_cancel__live_order__out_of_the_book_and_receipted(town: Town, resident: Resident, first_mtu: int) -> None:
    signed = resident.order(mtu=first_mtu, quantity_lots=425)
    cancel = resident.cancel(signed.order, revision=1)
    _, outcome = accepted(town, signed, cancel)
    again = town.make_intake().process([cancel])[0]

    receipt = outcome.receipt
    assert receipt is not None and again.repeated and again.receipt == receipt
    assert (receipt.kind, receipt.revision) == (2, 1)
    assert receipt.tag == signed.order.digest(MARKET_DOMAIN)[:16]
    assert recover(MARKET_DOMAIN.digest(RECEIPT, receipt.values()), receipt.signature) == town.operator.address
    with town.record.read() as connection:
        assert queries.book_orders(connection, market=MARKET, session=town.session.session) == []
    accepted(town, resident.order(mtu=first_mtu, quantity_lots=425))


def test_cancel__then_change__refused(town: Town, resident: Resident, first_mtu: int) -> None:
    signed = resident.order(mtu=first_mtu)
    accepted(town, signed, resident.cancel(signed.order, revision=1))

    refused(town, resident.sign_order(replace(signed.order, revision=2)), errors.OrderWithdrawn)
    refused(town, resident.cancel(signed.order, revision=2), errors.OrderWithdrawn)
    refused(town, resident.sign_order(replace(signed.order, revision=1)), errors.OrderConflict)


def test_cancel__of_another_account__refused(town: Town, first_mtu: int) -> None:
    victim, other = town.residents[:2]
    signed = victim.order(mtu=first_mtu)
    accepted(town, signed)

    refused(town, other.cancel(signed.order, revision=1), errors.OrderUnknown)


@pytest.mark.parametrize("revision", [2, 5])
def test_cancel__wrong_revision__refused(town: Town, resident: Resident, first_mtu: int, revision: int) -> None:
    signed = resident.order(mtu=first_mtu)
    accepted(town, signed)

    refused(town, resident.cancel(signed.order, revision=revision), errors.RevisionOutOfOrder)


def test_cancel__after_the_gate__refused(town: Town, resident: Resident, first_mtu: int) -> None:
    signed = resident.order(mtu=first_mtu)
    accepted(town, signed)
    town.clock.advance_to(town.session.session)

    refused(town, resident.cancel(signed.order, revision=1), errors.GateClosed)


def test_schedule__nominated_and_revised__last_one_counts(town: Town, resident: Resident) -> None:
    program = town.session
    first = resident.schedule(program, [100] * program.count)
    second = resident.schedule(program, [-200] * program.count, revision=1)
    outcomes = accepted(town, first, second, first)

    assert [outcome.repeated for outcome in outcomes] == [False, False, True]
    with town.record.read() as connection:
        found = queries.schedules(connection, market=MARKET, session=program.session)
    assert {point: (item.revision, set(item.net_wh)) for point, item in found.items()} == {"POINT-0": (1, {-200})}


def test_schedule__bad_ones__refused(town: Town, resident: Resident) -> None:
    program, other = town.session, town.residents[1]
    flat = [0] * program.count

    refused(town, resident.schedule(program, flat, revision=1), errors.RevisionOutOfOrder)
    refused(town, resident.schedule(program, flat[1:]), errors.NotASession)
    refused(town, resident.schedule(replace(program, first_mtu=program.first_mtu + 1), flat), errors.NotASession)
    refused(town, resident.schedule(program, [4_251, *flat[1:]]), errors.BeyondConnection)
    refused(town, resident.schedule(program, [-2_501, *flat[1:]]), errors.BeyondConnection)
    refused(town, replace(resident.schedule(program, flat), point="POINT-1"), errors.OrderKeyNotValid)
    wrong = Resident("wrong", "POINT-1")
    wrong.account, wrong.device = resident.account, resident.device
    refused(town, wrong.schedule(program, flat), errors.WrongPoint)
    stranger = Resident("stranger", "POINT-1")
    refused(town, stranger.schedule(program, flat), errors.OrderKeyNotValid)
    accepted(town, other.schedule(program, [4_250, -2_500, *flat[2:]]))
    refused(town, other.schedule(program, flat), errors.OrderConflict)


def test_schedule__below_live_sales__refused(town: Town, resident: Resident, first_mtu: int) -> None:
    nominate(town, resident, -500)
    accepted(town, resident.order(mtu=first_mtu, side=Side.ASK, quantity_lots=50))

    for net_wh in (-490, 0, 500):
        lowered = resident.schedule(town.session, [net_wh] * town.session.count, revision=1)
        refused(town, lowered, errors.BeyondSchedule)


def test_schedule__after_the_gate__refused(town: Town, resident: Resident) -> None:
    town.clock.advance_to(town.session.session)

    refused(town, resident.schedule(town.session, [0] * town.session.count), errors.GateClosed)


def test_process__good_and_bad_together__each_has_its_own_outcome(
    town: Town, resident: Resident, first_mtu: int
) -> None:
    good, far = resident.order(mtu=first_mtu), resident.order(mtu=1, session=town.session.session)
    outcomes = town.send(good, far, good, resident.order(mtu=first_mtu, limit_neur_per_wh=1))

    assert [type(outcome) for outcome in outcomes] == [Accepted, errors.SessionNotOpen, Accepted, errors.OffTick]
    assert len(town.record.entries(kinds=[OrderAccepted])) == 1


def test_process__two_intakes_over_one_record__see_each_other(town: Town, resident: Resident, first_mtu: int) -> None:
    other = town.make_intake()
    accepted(town, resident.order(mtu=first_mtu, quantity_lots=400))

    (outcome,) = other.process([resident.order(mtu=first_mtu, quantity_lots=26)])
    assert type(outcome) is errors.BeyondConnection
    (outcome,) = other.process([resident.order(mtu=first_mtu, quantity_lots=25)])
    assert isinstance(outcome, Accepted)
    refused(town, resident.order(mtu=first_mtu, quantity_lots=1), errors.BeyondConnection)


def test_submit__many_threads_race_for_one_connection__exactly_what_fits(
    town: Town, resident: Resident, first_mtu: int
) -> None:
    town.intake.start()
    orders = [resident.order(mtu=first_mtu, quantity_lots=25) for _ in range(40)]
    outcomes: list[Any] = []

    def submit(part: list[Any]) -> None:
        for order in part:
            outcomes.extend(town.intake.submit([order]).result(timeout=60))

    threads = [threading.Thread(target=submit, args=(orders[n::8],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    town.intake.close()

    assert sum(isinstance(outcome, Accepted) for outcome in outcomes) == 17
    assert {type(outcome) for outcome in outcomes} == {Accepted, errors.BeyondConnection}
    assert len(town.record.entries(kinds=[OrderAccepted])) == 17
    town.record.verify()


def test_submit__in_coroutines__answers_after_the_commit(town: Town, first_mtu: int) -> None:
    town.intake.start()

    async def submit(order: Any) -> int:
        (outcome,) = await asyncio.wrap_future(town.intake.submit([order]))
        assert outcome.entry.sequence <= town.record.head().sequence
        return int(outcome.entry.sequence)

    async def all_of_them() -> list[int]:
        orders = [town.residents[n % 3].order(mtu=first_mtu + n) for n in range(60)]
        return list(await asyncio.gather(*(submit(order) for order in orders)))

    sequences = asyncio.run(all_of_them())
    town.intake.close()
    assert len(set(sequences)) == 60


def test_submit__closed_or_too_many__refused(town: Town, resident: Resident, first_mtu: int) -> None:
    order = resident.order(mtu=first_mtu)
    with pytest.raises(errors.IntakeClosed):
        town.intake.submit([order])
    town.intake.start()
    with pytest.raises(errors.IntakeBusy):
        town.intake.submit([order] * 20_001)
    waiting = town.intake.submit([order])
    town.intake.close()
    town.intake.close()

    assert isinstance(waiting.result(timeout=1)[0], Accepted)
    with pytest.raises(errors.IntakeClosed):
        town.intake.submit([order])


def test_gate__racing_with_intake__every_receipted_order_is_in_the_book(town: Town, first_mtu: int) -> None:
    town.intake.start()
    gate = town.session.session
    outcomes: list[Any] = []

    def submit(resident: Resident) -> None:
        for n in range(40):
            outcomes.extend(town.intake.submit([resident.order(mtu=first_mtu + n)]).result(timeout=60))
            if n == 20 and resident is town.residents[0]:
                town.clock.advance_to(gate)
                town.gate.run(gate)

    threads = [threading.Thread(target=submit, args=(resident,)) for resident in town.residents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    town.intake.close()

    (closed,) = town.record.entries(kinds=[BookClosed])
    tags = {tag for book in content_of(closed)["books"] for tag in book["tags"]}
    receipts = [outcome.receipt for outcome in outcomes if isinstance(outcome, Accepted)]
    assert {to_hex(receipt.tag) for receipt in receipts} == tags
    assert len(receipts) < 120
    assert all(receipt.sequence < closed.sequence for receipt in receipts)


def test_rebuild__after_all_kinds_of_facts__same_tables(town: Town, first_mtu: int) -> None:
    one, other, third = town.residents
    nominate(town, one, -500)
    nominate(town, one, -600, revision=1)
    signed = [one.order(mtu=first_mtu), other.order(mtu=first_mtu + 1), third.order(mtu=first_mtu)]
    accepted(town, *signed)
    accepted(town, other.cancel(signed[1].order, revision=1))
    accepted(town, one.sign_order(replace(signed[0].order, revision=1, quantity_lots=3)))
    town.clock.advance_to(town.session.session)
    town.gate.run(town.clock.now())
    tables = MARKET_TABLES + TABLES
    before = dump(town.record, tables)

    with town.record.begin() as tx:
        rebuild_market(tx)
        rebuild_views(tx)
    assert dump(town.record, tables) == before
    assert all(before.values())


def test_rebuild__erased_order__leaves_no_row(town: Town, resident: Resident, first_mtu: int) -> None:
    (outcome,) = accepted(town, resident.order(mtu=first_mtu))
    town.record.erase([outcome.entry.sequence], "request")
    with town.record.begin() as tx:
        rebuild_views(tx)

    with town.record.read() as connection:
        assert queries.orders_of(connection, account=resident.account_hex) == []


def test_queries__orders_of_account__paged_with_withdrawn(make_town: Callable[..., Town], record: Record) -> None:
    town = make_town(households=1)
    program = town.open_session()
    resident = town.residents[0]
    signed = [resident.order(mtu=program.first_mtu + n // 2) for n in range(6)]
    accepted(town, *signed, resident.cancel(signed[5].order, revision=1))

    with record.read() as connection:
        first = queries.orders_of(connection, account=resident.account_hex, limit=4)
        rest = queries.orders_of(
            connection, account=resident.account_hex, after=(first[-1].mtu, first[-1].order_id), limit=4
        )
        order = queries.order_of(connection, account=resident.account_hex, order_id=signed[5].order.order_id)
        assert order is not None
        entry = queries.entry_of_order(connection, order)
    assert len(first) == 4 and len(rest) == 2
    assert {order.order_id for order in first + rest} == {item.order.order_id for item in signed}
    assert entry is not None and entry.kind == "order.cancelled"
