"""A day settled, corrected and paid on a real chain: what the record says of money is what the contract holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.bindings import Calendar, Guarantees, Market, Readings, read_events
from contracts.bindings.market import Program
from contracts.bindings.readings import ReadingsPassedOver
from domain.eip712 import COVER, REDEMPTION
from domain.facts import (
    ChainFailed,
    ChainIncluded,
    ChainObserved,
    MtuUnread,
    SessionOpened,
    Subject,
)
from domain.hashing import ZERO_HASH, keccak, text_id, to_hex
from domain.mtu import mtu_end
from domain.roles import ChainRole
from domain.words import settlement_words_hash
from ledger_service.evidence.auditor import export_auditor
from ledger_service.evidence.public import export_public
from ledger_service.evidence.recorded import ChainInfo, last_anchor
from ledger_service.market import CalendarStage
from ledger_service.market.queries import declared_key, is_included
from ledger_service.metering.queries import metering_area_of
from ledger_service.money import operations, queries
from ledger_service.money.views import BANK
from ledger_service.outbox import request
from ledger_service.settlement.gather import proposal_package
from ledger_service.settlement.queries import period_state
from oracle.attester.chain import Contracts, MarketRules, NodeChain, RecordedProgram
from oracle.attester.settlement_checks import chain_objections
from tests.integration.ledger import town
from tests.integration.settlement.day_on_chain import DAY, EUR, World, key, settle_day
from tests.journal import content_of
from tests.strangers import Stranger

pytestmark = pytest.mark.integration


def test_settle__unread_day_then_a_late_reading__chain_and_record_agree(world: World) -> None:
    settle_day(world)

    house = key("house").address
    due = -(1_000 * 390_000) * 119 // 100
    on_chain = world.settlement.settlement_of(area=text_id(town.AREA), period=1)
    assert on_chain.revisions == 2
    assert world.chain.balance_of(account=house) == due
    assert world.differences() == []
    with world.record.read() as connection:
        assert queries.balance_neur(connection, account=house) == due
        state = period_state(connection, area=town.AREA, period=1)
    assert state.settled == 2
    root = world.settlement.statements_root_of(area=text_id(town.AREA), period=1, revision=1)
    assert root == world.proposal().statements_root
    failed = [content_of(entry) for entry in world.record.entries(kinds=[ChainFailed])]
    assert failed == []


def test_mark_unread__some_marked_before_by_somebody_else__the_rest_is_marked_and_all_recorded_once(
    world: World,
) -> None:
    with world.record.read() as connection:
        first = period_state(connection, area=town.AREA, period=1).first_mtu
    overdue = mtu_end(first + 3) + 3_601
    for now in range(world.now, mtu_end(first), 7_200):
        world.run_to(now)
    with world.record.begin() as tx:
        call = Readings.mark_unread(area=text_id(town.AREA), period=1, first_mtu=first, count=2)
        request(tx, call, key="by somebody else", role=ChainRole.TREASURER, about=Subject())
    world.run_to(overdue)

    told = [content_of(entry)["mtu"] for entry in world.record.entries(kinds=[MtuUnread])]
    assert told == [first + at for at in range(4)]
    readings = Readings(rpc=world.node.rpc, address=world.deployment.addresses["Readings"])
    assert readings.resolved_count(area=text_id(town.AREA), period=1) == 4
    passed = [
        event.mtu
        for entry in world.record.entries(kinds=[ChainIncluded], limit=10_000)
        for event in read_events(entry.as_a(ChainIncluded).events, ReadingsPassedOver)
    ]
    assert passed == [first, first + 1]
    assert world.record.entries(kinds=[ChainFailed]) == []


def test_mark_unread__by_a_stranger_where_all_is_marked__leaves_nothing_in_the_journal(world: World) -> None:
    with world.record.read() as connection:
        first = period_state(connection, area=town.AREA, period=1).first_mtu
    overdue = mtu_end(first + 3) + 3_601
    for now in range(world.now, overdue, 7_200):
        world.run_to(now)
    world.run_to(overdue)
    stranger = Stranger(rpc=world.node.rpc, addresses=world.deployment.addresses, chain_id=world.deployment.chain_id)

    (sent,) = stranger.send(Readings.mark_unread(area=text_id(town.AREA), period=1, first_mtu=first, count=4))
    world.gateway.flush(node=world.node, timestamp=overdue + 60)
    world.run_to(overdue + 120)

    assert stranger.succeeded(sent)
    assert [entry.as_a(ChainObserved).tx_hash for entry in world.record.entries(kinds=[ChainObserved])] == []


def test_declare_period__somebody_else_after_its_end__is_followed_and_read(world: World) -> None:
    with world.record.read() as connection:
        state = period_state(connection, area=town.AREA, period=1)
    second = state.first_mtu + state.count
    ended = mtu_end(second + state.count - 1)
    for now in range(world.now, mtu_end(second), 7_200):
        world.run_to(now)
    with world.record.begin() as tx:
        call = Calendar.declare_period(area=text_id(town.AREA), first_mtu=second, count=state.count)
        request(tx, call, key="by somebody else", role=ChainRole.TREASURER, about=Subject())
    world.record.timed_by(lambda: world.now)
    world.stages[0] = CalendarStage(world.record, last_day=DAY + timedelta(days=1))
    world.run_to(ended)
    world.run_to(ended + 3_600)

    (failed,) = [entry.as_a(ChainFailed) for entry in world.record.entries(kinds=[ChainFailed])]
    assert failed.reason == f"CalendarPeriodNotContiguous(expectedFirstMtu={second + state.count})"
    with world.record.read() as connection:
        assert is_included(connection, declared_key(town.AREA, 2))
    readings = Readings(rpc=world.node.rpc, address=world.deployment.addresses["Readings"])
    before = readings.resolved_count(area=text_id(town.AREA), period=2)
    world.run_to(ended + 3_602)
    world.rest()
    after = readings.resolved_count(area=text_id(town.AREA), period=2)
    assert (before, after) == (0, state.count)


def node_chain(world: World) -> NodeChain:
    """What an attester reads the chain with."""
    names = {
        name.lower(): world.deployment.addresses[name]
        for name in ("Accounts", "Calendar", "Market", "Readings", "Roles", "Settlement")
    }
    return NodeChain(rpc=world.node.rpc, contracts=Contracts(**names))


def test_node_chain__area_as_the_service_tells_it__differs_nowhere_unless_it_lies(world: World) -> None:
    chain = node_chain(world)
    domains = {name: world.deployment.domain(name) for name in ("Readings", "Settlement")}
    with world.record.read() as connection:
        told = metering_area_of(
            connection, area=town.AREA, readings=domains["Readings"], settlement=domains["Settlement"]
        )
    first, *others = told.attesters
    stranger = replace(first, address=key("stranger").address)

    assert chain.area_objections(told) == []
    assert chain.area_objections(replace(told, attest_seconds=1)) == ["the area has other deadlines on chain"]
    assert chain.area_objections(replace(told, threshold=1)) == ["the chain asks for another number of attesters"]
    assert chain.area_objections(replace(told, attesters=(stranger, *others))) == [
        f"{first.name} is no attester of the area on chain"
    ]


def test_node_chain__keys_under_terms__are_those_that_hold_their_role_for_the_area(world: World) -> None:
    chain = node_chain(world)
    held = {name: to_hex(key(name).address) for name in ("dso", "registrar", "operator")}

    assert chain.held_role(held["dso"], ChainRole.DSO, town.AREA)
    assert chain.held_role(held["registrar"], ChainRole.REGISTRAR, None)
    assert not chain.held_role(held["dso"], ChainRole.DSO, "elsewhere")
    assert not chain.held_role(held["dso"], ChainRole.REGISTRAR, None)
    assert not chain.held_role(held["operator"], ChainRole.DSO, town.AREA)


def record_program(world: World) -> tuple[int, Program]:
    """The DSO signs the day's program, in which one MTU would trade: its session, and what is signed."""
    opened = content_of(next(iter(world.record.entries(kinds=[SessionOpened]))))
    session = opened["session"]
    world.run_to(session + 1)
    program = Program(
        results_root=keccak(b"results"),
        traded_mask=1,
        emptied_mask=2,
        grid_model_hash=keccak(b"grid"),
        report_hash=keccak(b"report"),
        deadline=session + 600,
    )
    market = Market(rpc=world.node.rpc, address=world.deployment.addresses["Market"])
    market_id = text_id(town.MARKET)
    signature = key("dso").sign(market.program_digest(market=market_id, session=session, program=program))
    call = Market.record_program(market=market_id, session=session, program=program, signature=signature)
    with world.record.begin() as tx:
        request(tx, call, key="recordProgram by anybody", role=ChainRole.TREASURER, about=Subject())
    world.rest()
    return session, program


def test_node_chain__program_recorded__gives_what_the_dso_signed(world: World) -> None:
    chain = node_chain(world)
    assert chain.period(area=town.AREA, period=1, markets=[town.MARKET]).programs == {}

    session, signed = record_program(world)

    found = chain.period(area=town.AREA, period=1, markets=[town.MARKET])
    recorded = RecordedProgram(
        results_root=signed.results_root,
        traded_mask=signed.traded_mask,
        emptied_mask=signed.emptied_mask,
        grid_model_hash=signed.grid_model_hash,
        report_hash=signed.report_hash,
        dso=key("dso").address,
    )
    assert found.programs == {(town.MARKET, session): recorded}
    assert found.pending == 1
    assert found.markets == {town.MARKET: MarketRules(text_id(town.AREA), town.market().lot_wh)}
    assert found.words_hashes == ()
    assert chain.market_time() == world.now


def test_node_chain__settled_twice__bears_each_revision_out(world: World) -> None:
    state = settle_day(world)
    with world.record.read() as connection:
        package = proposal_package(connection, area=town.AREA, period=1)

    found = node_chain(world).period(area=town.AREA, period=1, markets=[town.MARKET])

    assert (found.first_mtu, found.count) == (state.first_mtu, state.count)
    assert found.words_hashes == (settlement_words_hash([]), package.proposal.words_hash)
    assert list(chain_objections(package, replace(found, words_hashes=found.words_hashes[:1]))) == []


def test_settle__horizon_over__is_final_on_chain(world: World) -> None:
    settle_day(world)

    for now in range(world.now, world.now + 90_000, 7_200):
        world.run_to(now)

    assert world.settlement.settlement_of(area=text_id(town.AREA), period=1).is_final
    with world.record.read() as connection:
        assert period_state(connection, area=town.AREA, period=1).is_final


def test_money__deposit_cover_redemption__chain_and_record_agree(world: World) -> None:
    settle_day(world)
    debt = 1_000 * 390_000 * 119 // 100
    domain, redemptions = world.deployment.domain("Guarantees"), world.deployment.domain("Redemptions")
    house, retailer = key("house"), key("retailer account")
    pair = {"guarantor": retailer.address, "account": house.address}
    line = domain.digest(town.GUARANTEE, pair | {"creditNeur": 5 * EUR, "nonce": 1, "deadline": 2**37})
    cover = pair | {"amountNeur": debt, "debtNeur": debt, "ref": keccak(b"cover"), "deadline": 2**37}
    redemption = {"account": house.address, "amountNeur": 2 * EUR, "ref": keccak(b"out"), "deadline": world.now + 900}
    with world.record.begin() as tx:
        operations.deposit(tx, account=retailer.address, amount_neur=10 * EUR, ref=keccak(b"in"))
    world.rest()
    with world.record.begin() as tx:
        call = Guarantees.guarantee(
            guarantor=retailer.address,
            account=house.address,
            credit_neur=5 * EUR,
            nonce=1,
            deadline=2**37,
            guarantor_signature=retailer.sign(line),
            account_signature=house.sign(line),
        )
        request(tx, call, key="guarantee:1", role=ChainRole.OPERATOR, about=Subject())
    world.rest()
    operations.give_cover(
        world.record,
        guarantor=retailer.address,
        account=house.address,
        amount_neur=debt,
        debt_neur=debt,
        ref=cover["ref"],
        deadline=2**37,
        signature=retailer.sign(domain.digest(COVER, cover)),
        now=world.now,
        domain=domain,
    )
    world.rest()
    with world.record.begin() as tx:
        operations.deposit(tx, account=house.address, amount_neur=3 * EUR, ref=keccak(b"in too"))
    world.rest()
    operations.request_redemption(
        world.record,
        account=house.address,
        amount_neur=2 * EUR,
        ref=redemption["ref"],
        deadline=redemption["deadline"],
        signature=house.sign(redemptions.digest(REDEMPTION, redemption)),
        now=world.now,
        domain=redemptions,
    )
    world.rest()
    world.run_to(world.now + 601)

    assert world.differences() == []
    assert world.chain.supply() == 11 * EUR
    with world.record.read() as connection:
        assert queries.balance_neur(connection, account=house.address) == EUR
        assert queries.credit_neur(connection, account=house.address) == 5 * EUR
        assert -queries.balance_neur(connection, account=BANK) == 11 * EUR
        assert queries.redemptions(connection)[0].redeemed_neur == 2 * EUR


def test_export__settled_day__ends_at_the_head_the_chain_holds(world: World, tmp_path: Path) -> None:
    settle_day(world)
    chain = ChainInfo(chain_id=world.deployment.chain_id, contracts=world.deployment.addresses)

    public = export_public(world.record, tmp_path / "public", chain=chain)
    auditor = export_auditor(world.record, tmp_path / "auditor", chain=chain, receipts=lambda _entry: b"")

    assert public == auditor
    with world.record.read() as connection:
        assert last_anchor(connection) == auditor
    kinds = {entry.kind for entry in world.record.entries(after=auditor.sequence)}
    assert kinds <= {"chain.requested", "chain.signed", "chain.included", "block.mined"}
    attested = (tmp_path / "public" / "attestations.jsonl").read_text().splitlines()
    assert len(attested) == 97
    assert auditor.head != ZERO_HASH
