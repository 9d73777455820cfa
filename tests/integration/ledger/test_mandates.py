"""Agents at order intake: what they may send within a mandate, what is refused beyond each of its limits, its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from domain.eip712 import RECEIPT
from domain.facts import MandateGranted, MandateRevoked, OrderAccepted, OrderCancelled
from domain.hashing import ZERO_HASH, to_hex
from domain.orders import tag_of
from domain.signing import SigningKey, recover
from domain.words import Side
from ledger_service.record import Record
from ledger_service.registry import mandates as views
from ledger_service.registry import operations
from ledger_service.registry.errors import AlreadyRegistered
from ledger_service.registry.tables import registry_mandate
from ledger_service.registry.views import rebuild_views
from ledger_service.trading import Accepted, errors
from tests.integration.ledger.agents import Agent, cancel_of, mandate, revocation, signed_mandate
from tests.integration.ledger.tables import dump
from tests.integration.ledger.test_intake_replaced import AGAIN, replaced, restarted
from tests.integration.ledger.test_two_markets import close, decide, later, sessions, towns
from tests.integration.ledger.town import (
    MARKET_DOMAIN,
    Resident,
    Town,
    accepted,
    nominate,
    refused,
    register_key,
    signed_key,
)

pytestmark = pytest.mark.integration

__all__ = ["towns"]  # a fixture


@pytest.fixture
def agent(town: Town, resident: Resident) -> Agent:
    """An agent with a mandate."""
    return Agent(town, resident).grant(town)


def test_mandate__signed_by_the_order_key__is_journalled_receipted_and_its_agents_order_counts(
    town: Town, resident: Resident, first_mtu: int
) -> None:
    agent = Agent(town, resident)
    (granted,) = accepted(town, signed_mandate(agent.mandate, resident.device))
    (taken,) = accepted(town, agent.bid(mtu=first_mtu, lots=10))

    (entry,), (order,) = (list(town.record.entries(kinds=[kind])) for kind in (MandateGranted, OrderAccepted))
    receipt = granted.receipt
    assert receipt is not None and taken.receipt is not None
    assert recover(MARKET_DOMAIN.digest(RECEIPT, receipt.values()), receipt.signature) == town.operator.address
    assert (receipt.kind, receipt.market, receipt.session, receipt.mtu, receipt.revision) == (3, ZERO_HASH, 0, 0, 0)
    assert (receipt.sequence, receipt.journal_head, receipt.tag) == (entry.sequence, entry.hash, entry.fact.tag)
    assert entry.fact.mandate == agent.mandate and entry.fact.order_key == to_hex(resident.device.address)
    assert order.fact.order_key == to_hex(agent.device.address) and order.fact.mandate == entry.fact.tag
    assert order.fact.point == resident.point and to_hex(order.fact.order.account) == resident.account_hex


def test_order__of_the_accounts_own_key__names_no_mandate(town: Town, resident: Resident, first_mtu: int) -> None:
    accepted(town, resident.order(mtu=first_mtu))

    (entry,) = town.record.entries(kinds=[OrderAccepted])
    assert "mandate" not in entry.fact.payload()


def test_mandate__again__is_answered_as_the_first_time_also_after_its_end(town: Town, agent: Agent) -> None:
    again = signed_mandate(agent.mandate, agent.resident.device)
    (outcome,) = accepted(town, again)
    assert outcome.repeated

    agent.revoke(town)
    (outcome,) = accepted(town, again)

    assert outcome.repeated
    refused(town, agent.bid(mtu=agent.mandate.from_mtu, lots=1), errors.MandateEnded)


@AGAIN
def test_order__beyond_a_limit__is_refused_and_told_what_is_left(
    town: Town, agent: Agent, first_mtu: int, meanwhile: Callable[[Town], None]
) -> None:
    nominate(town, agent.resident, -2_000)
    accepted(town, agent.bid(mtu=first_mtu, lots=60), agent.bid(mtu=first_mtu + 1, lots=100))
    meanwhile(town)

    refusal = refused(town, agent.bid(mtu=first_mtu, lots=41), errors.MandateEnergy)
    assert (refusal.span, refusal.limit_wh, refusal.left_wh) == (f"MTU {first_mtu}", 1_000, 400)
    refusal = refused(town, agent.bid(mtu=first_mtu + 2, lots=41), errors.MandateEnergy)
    assert (refusal.span, refusal.limit_wh, refusal.left_wh) == ("local day 2016-06-16", 2_000, 400)
    refused(town, agent.bid(mtu=first_mtu, lots=1, limit_neur_per_wh=120_100), errors.MandatePrice)
    ask = {"side": Side.ASK, "limit_neur_per_wh": 79_900}
    refused(town, agent.bid(mtu=first_mtu + 3, lots=1, **ask), errors.MandatePrice)
    accepted(town, agent.bid(mtu=first_mtu, lots=40))
    refused(town, agent.bid(mtu=first_mtu + 2, lots=1), errors.MandateEnergy)
    accepted(town, agent.bid(mtu=first_mtu + 3, lots=100, side=Side.ASK, limit_neur_per_wh=110_000))


def test_order__outside_the_mandates_mtus__is_refused(town: Town, resident: Resident, first_mtu: int) -> None:
    agent = Agent(town, resident, from_mtu=first_mtu + 4, to_mtu=first_mtu + 8).grant(town)

    for mtu in (first_mtu + 3, first_mtu + 8):
        refused(town, agent.bid(mtu=mtu, lots=1), errors.MandateMtu)
    accepted(town, agent.bid(mtu=first_mtu + 4, lots=1), agent.bid(mtu=first_mtu + 7, lots=1))


def test_order__in_a_market_that_the_mandate_does_not_name__is_refused(towns: Town) -> None:
    resident, mtu = towns.residents[0], towns.session.first_mtu
    agent = Agent(towns, resident).grant(towns)
    order = later(towns, agent, mtu=mtu, side=Side.BID, lots=1)

    if sessions(towns)[1].market in agent.mandate.markets:  # two sessions of the market that it names
        accepted(towns, order)
    else:
        refused(towns, order, errors.MandateMarket)


def test_energy__over_all_sessions__counts_what_traded_and_what_stands_open(towns: Town) -> None:
    resident, mtu = towns.residents[0], towns.session.first_mtu
    codes = tuple(sorted(book for book in (town_market.market.market for town_market in _books(towns))))
    agent = Agent(towns, resident, markets=codes).grant(towns)
    bid = agent.bid(mtu=mtu, lots=80)
    accepted(towns, bid)

    refused(towns, later(towns, agent, mtu=mtu, side=Side.BID, lots=21), errors.MandateEnergy)
    close(towns)
    refused(towns, later(towns, agent, mtu=mtu, side=Side.BID, lots=21), errors.MandateEnergy)
    decide(towns, mtu=mtu, order=bid, accepted_lots=30)
    restarted(towns)

    refused(towns, later(towns, agent, mtu=mtu, side=Side.BID, lots=71), errors.MandateEnergy)
    accepted(towns, later(towns, agent, mtu=mtu, side=Side.BID, lots=70))


def _books(town: Town) -> list[object]:
    town.send()  # the state is loaded with the first transaction
    assert town.intake._state is not None
    return list(town.intake._state.markets.values())


def test_energy__of_settled_mtus__counts_against_their_day_still(town: Town, agent: Agent, first_mtu: int) -> None:
    accepted(town, agent.bid(mtu=first_mtu, lots=100), agent.bid(mtu=first_mtu + 1, lots=60))
    town.funds.first_unsettled = first_mtu + 2

    for meanwhile in (lambda _: None, restarted):
        meanwhile(town)
        refused(town, agent.bid(mtu=first_mtu + 2, lots=41), errors.MandateEnergy)
    accepted(town, agent.bid(mtu=first_mtu + 2, lots=40))


def test_energy__of_many_orders_in_one_transaction__is_not_overrun(town: Town, agent: Agent, first_mtu: int) -> None:
    outcomes = town.send(*(agent.bid(mtu=first_mtu, lots=30) for _ in range(5)))

    assert [isinstance(outcome, Accepted) for outcome in outcomes] == [True, True, True, False, False]


def test_revision__by_the_agent__counts_once_and_by_the_account_not_at_all(
    town: Town, agent: Agent, first_mtu: int
) -> None:
    first = agent.bid(mtu=first_mtu, lots=100)
    accepted(town, first)
    second = agent.sign_order(replace(first.order, revision=1, quantity_lots=90))
    accepted(town, second)
    refused(town, agent.bid(mtu=first_mtu, lots=11), errors.MandateEnergy)

    accepted(town, agent.resident.sign_order(replace(first.order, revision=2)))

    accepted(town, agent.bid(mtu=first_mtu, lots=100))
    refused(town, agent.sign_order(replace(first.order, revision=3)), errors.OrderUnknown)


def test_cancel__by_the_agent__of_its_own_order_alone(town: Town, agent: Agent, first_mtu: int) -> None:
    own, others = agent.bid(mtu=first_mtu, lots=100), agent.resident.order(mtu=first_mtu)
    accepted(town, own, others)

    refused(town, cancel_of(others.order, agent.device), errors.OrderUnknown)
    accepted(town, cancel_of(own.order, agent.device))

    (entry,) = town.record.entries(kinds=[OrderCancelled])
    assert entry.fact.mandate == agent.mandate.tag(MARKET_DOMAIN)
    accepted(town, agent.bid(mtu=first_mtu, lots=100))


@AGAIN
def test_revocation__from_its_receipt_on__ends_what_the_agent_may(
    town: Town, agent: Agent, first_mtu: int, meanwhile: Callable[[Town], None]
) -> None:
    before = agent.bid(mtu=first_mtu, lots=10)
    accepted(town, before)
    (ended, late) = town.send(revocation(agent.mandate, agent.resident.device), agent.bid(mtu=first_mtu, lots=10))
    meanwhile(town)

    assert isinstance(ended, Accepted) and ended.receipt is not None and ended.receipt.kind == 4
    assert isinstance(late, errors.MandateEnded)
    refused(town, cancel_of(before.order, agent.device), errors.MandateEnded)
    (entry,) = town.record.entries(kinds=[MandateRevoked])
    assert entry.fact.mandate == agent.mandate.tag(MARKET_DOMAIN)
    accepted(town, agent.resident.cancel(before.order, revision=1))


def test_revocation__by_whom_it_is_not__is_refused(town: Town, agent: Agent) -> None:
    other = town.residents[1]

    refused(town, revocation(agent.mandate, agent.device), errors.OrderKeyNotValid)
    refused(town, revocation(agent.mandate, other.device), errors.OrderKeyNotValid)
    theirs = replace(agent.mandate, account=other.account_hex)
    refused(town, revocation(theirs, other.device), errors.MandateUnknown)


def test_mandate__later_one_for_the_agent__takes_the_place_of_the_first(
    town: Town, agent: Agent, first_mtu: int
) -> None:
    accepted(town, agent.bid(mtu=first_mtu, lots=100))
    narrower = replace(agent.mandate, mtu_buy_wh=500, nonce=2)
    accepted(town, signed_mandate(narrower, agent.resident.device))

    refused(town, agent.bid(mtu=first_mtu, lots=51), errors.MandateEnergy)
    accepted(town, agent.bid(mtu=first_mtu, lots=50))


@AGAIN
def test_mandate__of_a_key_that_was_replaced__ends_with_it(
    town: Town, agent: Agent, first_mtu: int, meanwhile: Callable[[Town], None]
) -> None:
    resident, fresh = agent.resident, SigningKey.generate()
    with town.record.begin() as tx:
        begins = signed_key(resident.account, fresh.address, point=resident.point, valid_from_mtu=first_mtu + 4)
        register_key(tx, begins, now=town.clock.now())
    meanwhile(town)

    accepted(town, agent.bid(mtu=first_mtu + 3, lots=1))
    refused(town, agent.bid(mtu=first_mtu + 4, lots=1), errors.MandateEnded)
    refused(
        town,
        signed_mandate(replace(agent.mandate, nonce=2, from_mtu=first_mtu + 4), resident.device),
        errors.OrderKeyNotValid,
    )
    accepted(town, signed_mandate(replace(agent.mandate, nonce=3, from_mtu=first_mtu + 4), fresh))
    accepted(town, agent.bid(mtu=first_mtu + 4, lots=1))
    accepted(town, revocation(replace(agent.mandate, nonce=3, from_mtu=first_mtu + 4), fresh))


@AGAIN
def test_mandate__of_an_account_that_gave_way__ends_with_it(
    town: Town, agent: Agent, first_mtu: int, meanwhile: Callable[[Town], None]
) -> None:
    successor = replaced(town, agent.resident)
    meanwhile(town)

    refused(town, agent.bid(mtu=first_mtu, lots=1), errors.AccountGaveWay)
    refused(town, signed_mandate(replace(agent.mandate, nonce=2), agent.resident.device), errors.AccountGaveWay)
    theirs = mandate(successor, agent.device.address, first_mtu=first_mtu)
    accepted(town, signed_mandate(theirs, successor.device))
    order = successor.order(mtu=first_mtu).order
    accepted(town, agent.sign_order(order))


def test_mandate__that_nobody_may_give__is_refused(town: Town, resident: Resident, first_mtu: int) -> None:
    agent, other = Agent(town, resident), town.residents[1]
    given = agent.mandate

    def refusal(error: type[Exception], key: SigningKey = resident.device, **changes: object) -> None:
        refused(town, signed_mandate(replace(given, **changes), key), error)

    refusal(errors.OrderKeyNotValid, agent.device)
    refusal(errors.OrderKeyNotValid, resident.account)
    refusal(errors.OrderKeyNotValid, other.device)
    refusal(errors.WrongPoint, points=("POINT-1",))
    refusal(errors.WrongPoint, points=())
    refusal(errors.UnknownMarket, markets=("TEST/DA", "NOWHERE/DA"))
    refusal(errors.MandateZoneWrong, zone="Europe/Lisbon")
    refusal(errors.MandateOver, to_mtu=given.from_mtu)
    refusal(errors.MandateOver, to_mtu=given.from_mtu + 400 * 96)
    for address in (other.account_hex, to_hex(other.device.address), given.account, to_hex(bytes([1]) * 20)):
        refusal(AlreadyRegistered, agent=address)


def test_agent__with_its_mandate__may_do_nothing_else(town: Town, agent: Agent, first_mtu: int) -> None:
    refused(town, agent.schedule(town.session, [0] * town.session.count), errors.OrderKeyNotValid)
    other = town.residents[1]
    stranger = replace(agent.bid(mtu=first_mtu, lots=1).order, account=other.account.address)
    refused(town, agent.sign_order(stranger), errors.OrderKeyNotValid)
    refused(town, signed_mandate(replace(agent.mandate, nonce=2), agent.device), errors.OrderKeyNotValid)


def test_agents_key__registered_as_another_part__is_refused(town: Town, agent: Agent) -> None:
    with town.record.begin() as tx, pytest.raises(AlreadyRegistered):
        operations.check_unclaimed(tx, address=to_hex(agent.device.address), organisations=())
    other = town.residents[1]
    with town.record.begin() as tx, pytest.raises(AlreadyRegistered):
        register_key(tx, signed_key(other.account, agent.device.address, point=other.point))


def test_views__rebuilt__are_the_same(town: Town, agent: Agent, record: Record) -> None:
    agent.revoke(town)
    before = dump(record, [registry_mandate])
    with record.begin() as tx:
        rebuild_views(tx)

    assert dump(record, [registry_mandate]) == before
    with record.read() as connection:
        (shown,) = views.mandates_for(connection, agent=to_hex(agent.device.address))
        assert views.mandates_by(connection, account=agent.resident.account_hex) == [shown]
    assert shown.tag == tag_of(agent.mandate.digest(MARKET_DOMAIN)) and shown.revoked is not None
