"""Who may trade, and with whom: keys that change, agreements, guarantees, and nobody with itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.hashing import to_hex
from domain.members import noun_json
from domain.mtu import mtu_of
from domain.signing import SigningKey
from domain.words import Side
from ledger_service.registry import operations
from ledger_service.registry.errors import NoAgreement
from ledger_service.trading import errors
from tests.integration.ledger.town import (
    BEFORE,
    Resident,
    Town,
    accepted,
    give_guarantee,
    nominate,
    participant,
    refused,
    register_key,
    sign_agreement,
    signed_guarantee,
    signed_key,
)
from tests.journal import append_fact, content_of

pytestmark = pytest.mark.integration


def _move_in(town: Town, newcomer: Resident, *, supplied_from_mtu: int = 0) -> None:
    with town.record.begin() as tx:
        operations.register_participant(tx, participant=participant(9, newcomer.account), organisations=(), now=BEFORE)
        agreement = town.agreement(9, newcomer, valid_from_mtu=supplied_from_mtu)
        sign_agreement(tx, agreement)
        key = signed_key(newcomer.account, newcomer.device.address, point=newcomer.point)
        register_key(tx, key)


def test_order__without_guarantor__refused(town: Town, first_mtu: int) -> None:
    newcomer = Resident("newcomer", "POINT-9")
    _move_in(town, newcomer)

    refused(town, newcomer.order(mtu=first_mtu), errors.NoGuarantor)
    with town.record.begin() as tx:
        guarantee = signed_guarantee(
            town.retailer.account, newcomer.account.address, credit_neur=10**9, agreed_by=newcomer.account
        )
        give_guarantee(tx, guarantee)
    accepted(town, newcomer.order(mtu=first_mtu))


def test_order__device_replaced__old_key_ends_where_the_new_one_begins(
    town: Town, resident: Resident, first_mtu: int
) -> None:
    old, new = resident.device, SigningKey.generate()
    with town.record.begin() as tx:
        key = signed_key(resident.account, new.address, point=resident.point, valid_from_mtu=first_mtu + 5)
        register_key(tx, key, now=town.clock.now())

    accepted(town, resident.order(mtu=first_mtu + 4))
    refused(town, resident.order(mtu=first_mtu + 5), errors.OrderKeyNotValid)
    resident.device = new
    accepted(town, resident.order(mtu=first_mtu + 5))
    refused(town, resident.order(mtu=first_mtu + 4), errors.OrderKeyNotValid)
    resident.device = old


def test_key__pending_change_then_one_at_once__the_last_registered_counts(
    town: Town, resident: Resident, first_mtu: int
) -> None:
    """A stolen device is out at once, whatever change was announced before, and for good."""
    stolen, announced, fresh = resident.device, SigningKey.generate(), SigningKey.generate()
    current_mtu = mtu_of(town.clock.now())
    for device, valid_from_mtu in ((announced, first_mtu + 5), (fresh, current_mtu)):
        key = signed_key(resident.account, device.address, point=resident.point, valid_from_mtu=valid_from_mtu)
        with town.record.begin() as tx:
            register_key(tx, key, now=town.clock.now())

    for device in (stolen, announced):
        resident.device = device
        for mtu in (first_mtu, first_mtu + 5):
            refused(town, resident.order(mtu=mtu), errors.OrderKeyNotValid)
    resident.device = fresh
    accepted(town, resident.order(mtu=first_mtu), resident.order(mtu=first_mtu + 5))
    town.intake = town.make_intake()
    accepted(town, resident.order(mtu=first_mtu + 5))


def test_cancel__key_changed_since_the_order__by_the_new_key_only(
    town: Town, resident: Resident, first_mtu: int
) -> None:
    signed = resident.order(mtu=first_mtu)
    accepted(town, signed)
    fresh = SigningKey.generate()
    current_mtu = mtu_of(town.clock.now())
    key = signed_key(resident.account, fresh.address, point=resident.point, valid_from_mtu=current_mtu)
    with town.record.begin() as tx:
        register_key(tx, key, now=town.clock.now())

    refused(town, resident.cancel(signed.order, revision=1), errors.OrderKeyNotValid)
    resident.device = fresh
    (outcome,) = accepted(town, resident.cancel(signed.order, revision=1))
    assert content_of(outcome.entry)["order_key"] == to_hex(fresh.address)


def test_order__before_its_agreement_begins__refused(town: Town, first_mtu: int) -> None:
    newcomer = Resident("newcomer", "POINT-9")
    _move_in(town, newcomer, supplied_from_mtu=first_mtu + 1)
    with town.record.begin() as tx:
        give_guarantee(
            tx,
            signed_guarantee(
                town.retailer.account, newcomer.account.address, credit_neur=10**9, agreed_by=newcomer.account
            ),
        )

    refused(town, newcomer.order(mtu=first_mtu), NoAgreement)
    accepted(town, newcomer.order(mtu=first_mtu + 1))
    town.intake = town.make_intake()
    refused(town, newcomer.order(mtu=first_mtu), NoAgreement)
    accepted(town, newcomer.order(mtu=first_mtu + 1))


def test_order__under_a_tariff_that_is_not_valid_yet__refused(town: Town, resident: Resident, first_mtu: int) -> None:
    accepted(town, resident.order(mtu=first_mtu))
    later = town.agreement(0, resident, version=2, tariff="later", valid_from_mtu=first_mtu)
    with town.record.begin() as tx:  # as a record may hold it from before this was refused at registration
        append_fact(tx, "tariff.published", noun_json(town.tariff(tariff="later", valid_from_mtu=first_mtu + 1)))
        append_fact(tx, "agreement.signed", noun_json(later))
    refused(town, resident.order(mtu=first_mtu), NoAgreement)
    accepted(town, resident.order(mtu=first_mtu + 1))


def test_order__guarantee_ended_with_a_line_of_zero__refused(town: Town, resident: Resident, first_mtu: int) -> None:
    nominate(town, resident, -500)
    account = resident.account.address
    with town.record.begin() as tx:
        give_guarantee(tx, signed_guarantee(town.retailer.account, account, credit_neur=0, nonce=2))
    town.funds.balances[resident.account_hex] = 10**12

    refused(town, resident.order(mtu=first_mtu, limit_neur_per_wh=0), errors.NoGuarantor)
    refused(town, resident.order(mtu=first_mtu, side=Side.ASK), errors.NoGuarantor)


@pytest.mark.parametrize("who", ["household", "retailer"])
@pytest.mark.parametrize("first", list(Side))
def test_order__would_trade_with_ones_own__refused(town: Town, first_mtu: int, first: Side, who: str) -> None:
    trader = town.retailer if who == "retailer" else town.residents[0]
    if who == "household":
        nominate(town, trader, -500)
    second, apart = (Side.ASK, 100) if first is Side.BID else (Side.BID, -100)
    held = trader.order(mtu=first_mtu, side=first)
    accepted(town, held)

    for limit in (100_000, 100_000 - apart):
        refusal = refused(town, trader.order(mtu=first_mtu, side=second, limit_neur_per_wh=limit), errors.SelfTrade)
        assert (refusal.mtu, refusal.own_limit_neur_per_wh) == (first_mtu, 100_000)
    accepted(town, trader.order(mtu=first_mtu, side=second, limit_neur_per_wh=100_000 + apart))
    accepted(town, trader.order(mtu=first_mtu + 1, side=second))
    accepted(town, trader.cancel(held.order, revision=1), trader.order(mtu=first_mtu, side=second))


def test_change__to_the_other_side__its_own_earlier_revision_does_not_count(
    town: Town, resident: Resident, first_mtu: int
) -> None:
    nominate(town, resident, -500)
    signed, other = (resident.order(mtu=first_mtu) for _ in range(2))
    accepted(town, signed, resident.sign_order(replace(signed.order, revision=1, side=Side.ASK)))
    town.intake = town.make_intake()

    refused(town, other, errors.SelfTrade)
    accepted(town, resident.sign_order(replace(signed.order, revision=2)), other)
    refused(town, resident.sign_order(replace(signed.order, revision=3, side=Side.ASK)), errors.SelfTrade)


def test_orders__of_two_accounts__may_cross(town: Town, first_mtu: int) -> None:
    nominate(town, town.residents[1], -500)

    accepted(town, town.residents[0].order(mtu=first_mtu), town.residents[1].order(mtu=first_mtu, side=Side.ASK))
