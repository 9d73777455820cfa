"""An account whose key is lost goes on under its successor, on real contracts: service, attesters and money agree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.bindings import Successions
from domain.eip712 import ACCOUNT_REPLACEMENT
from domain.facts import AccountReplaced, ChainRequested, SettlementProposed
from domain.hashing import from_hex, keccak, to_hex
from domain.mtu import mtu_end, mtu_of
from domain.parties import Participant, Replacement
from domain.words import unpack_settlement_word
from ledger_service.metering.queries import metering_area_of
from ledger_service.money import operations, queries, replacements
from ledger_service.money.replacements import Asked
from ledger_service.registry import queries as registry
from ledger_service.registry.operations import replace_account
from ledger_service.settlement.gather import proposal_package
from ledger_service.settlement.queries import period_state
from oracle.attester.settlement_checks import chain_objections, markets_of
from tests.integration.ledger import town
from tests.integration.settlement.day_on_chain import EUR, World, key
from tests.integration.settlement.test_on_chain import node_chain
from tests.integration.settlement.test_strangers import Others, give_line

pytestmark = pytest.mark.integration

LATE = 2**37
HOUSE, SUCCESSOR = key("house"), key("new house")
IMPORT_WH = 1_000


@pytest.fixture
def others(world: World) -> Others:
    """Holders who send transactions of their own; the retailer stands behind the house."""
    made = Others(world)
    with world.record.begin() as tx:
        operations.deposit(tx, account=key("retailer account").address, amount_neur=20 * EUR, ref=keccak(b"in"))
    world.rest()
    made.send(give_line(world, 3 * EUR, 1))
    return made


def propose(world: World) -> replacements.Proposed:
    """Registrar and retailer propose a successor for the house; how it stands on chain."""
    asked = Asked(to_hex(HOUSE.address), to_hex(SUCCESSOR.address), LATE)
    domain = world.deployment.domain("Successions")
    values = {"account": HOUSE.address, "successor": SUCCESSOR.address, "deadline": LATE}
    digest = domain.digest(ACCOUNT_REPLACEMENT, values)
    replacements.propose_successor(
        world.record,
        asked=asked,
        guarantor_signature=key("retailer account").sign(digest),
        successor_signature=SUCCESSOR.sign(digest),
        operators=(),
        organisations=(),
        domain=domain,
        now=world.now,
    )
    world.rest()
    with world.record.read() as connection:
        (found,) = replacements.proposed(connection)
    return found


def replaced(world: World) -> list[Replacement]:
    return [entry.as_a(AccountReplaced).replacement for entry in world.record.entries(kinds=[AccountReplaced])]


def end_of_day(world: World) -> int:
    """Everything of the first day up to the end of its time to be read; in one MTU the house draws energy."""
    with world.record.read() as connection:
        state = period_state(connection, area=town.AREA, period=1)
    first, end = state.first_mtu, mtu_end(state.first_mtu + state.count - 1)
    for now in range(world.now, mtu_end(first), 7_200):
        world.run_to(now)
    world.run_to(mtu_end(first) + 1)
    world.attest(first, 0, IMPORT_WH)
    for now in range(world.now, end + 3_601 + 7_200, 7_200):
        world.run_to(now)
    return end


def accounts_paid(world: World) -> set[str]:
    return {to_hex(unpack_settlement_word(word)[0]) for word in world.proposal().words}


def test_lost_key__window_passes__successor_takes_over_and_is_billed(world: World, others: Others) -> None:
    found = propose(world)

    world.run_to(found.ready_at - 1)
    before = replaced(world)
    world.run_to(found.ready_at + 1)
    (item,) = replaced(world)
    end_of_day(world)
    world.sign()

    assert before == []
    assert item == Replacement(to_hex(HOUSE.address), to_hex(SUCCESSOR.address), mtu_of(found.ready_at + 1) + 1)
    assert to_hex(SUCCESSOR.address) in accounts_paid(world)
    assert to_hex(HOUSE.address) not in accounts_paid(world)
    assert world.differences() == []
    with world.record.read() as connection:
        party = registry.participant_of(connection, item.successor)
        assert party is not None and party.point == "POINT-1"
        assert registry.participant_of(connection, item.account) is None
        assert queries.guarantor_of(connection, account=SUCCESSOR.address) == key("retailer account").address


def test_lost_key__old_key_is_there_after_all__nothing_changes(world: World, others: Others) -> None:
    found = propose(world)

    others.send(Successions.cancel_successor(account=HOUSE.address), key=HOUSE)
    world.run_to(found.ready_at + 86_400)

    assert replaced(world) == []
    with world.record.read() as connection:
        assert replacements.proposed(connection) == []
        assert registry.participant_of(connection, to_hex(HOUSE.address)) is not None
    assert not [call for call in asked(world) if call.function == "succeed"]


def asked(world: World) -> list[ChainRequested]:
    return [entry.as_a(ChainRequested) for entry in world.record.entries(kinds=[ChainRequested], limit=10_000)]


def replace_at_once(world: World, others: Others) -> None:
    """The house sends its replacement to the contract itself."""
    values = {"account": HOUSE.address, "successor": SUCCESSOR.address, "deadline": LATE}
    digest = world.deployment.domain("Successions").digest(ACCOUNT_REPLACEMENT, values)
    signatures = {"account_signature": HOUSE.sign(digest), "successor_signature": SUCCESSOR.sign(digest)}
    others.send(Successions.replace_account(**values, **signatures))


def metered_parties(world: World) -> tuple[Participant, ...]:
    """Who stands at points, as attesters get it."""
    domains = {name.lower(): world.deployment.domain(name) for name in ("Readings", "Settlement")}
    with world.record.read() as connection:
        return metering_area_of(connection, area=town.AREA, **domains).parties


def test_replacement__area_as_attesters_get_it__names_the_account_that_signed(world: World, others: Others) -> None:
    before = metered_parties(world)

    replace_at_once(world, others)
    last = Replacement(to_hex(SUCCESSOR.address), to_hex(key("newest house").address), mtu_of(world.now) + 1)
    with world.record.begin() as tx:
        assert replace_account(tx, replacement=last)

    assert metered_parties(world) == before
    with world.record.read() as connection:
        present = registry.participants(connection, area=town.AREA)
    assert last.successor in {party.account for party in present}
    assert to_hex(HOUSE.address) in {party.account for party in before}


def test_replacement__after_the_period_ended__its_bill_stays_and_its_money_follows(
    world: World, others: Others
) -> None:
    end_of_day(world)

    replace_at_once(world, others)
    world.sign()
    world.rest()

    assert to_hex(HOUSE.address) in accounts_paid(world)
    assert [call.function for call in asked(world)].count("collect") == 1
    assert world.chain.balance_of(account=HOUSE.address) == 0
    assert world.chain.balance_of(account=SUCCESSOR.address) < 0
    assert world.differences() == []


def test_replacement__while_a_correction_is_open__goes_with_the_period(world: World, others: Others) -> None:
    """The period ended before: its corrections name the account of the time, and its money follows once more."""
    end_of_day(world)
    world.sign()
    with world.record.read() as connection:
        state = period_state(connection, area=town.AREA, period=1)

    world.attest(state.first_mtu, 1, 3 * IMPORT_WH)
    replace_at_once(world, others)
    world.sign()
    world.rest()

    assert to_hex(HOUSE.address) in accounts_paid(world)
    assert world.chain.balance_of(account=HOUSE.address) == 0
    assert world.differences() == []


def test_replacement__service_is_killed_before_it_followed__it_follows_once(world: World, others: Others) -> None:
    world.stages = []
    replace_at_once(world, others)
    assert replaced(world) == []

    world.__post_init__()
    world.rest()
    world.__post_init__()
    world.rest()

    assert len(replaced(world)) == 1
    assert world.differences() == []


def test_replacement__known_only_after_the_proposal__is_proposed_again(world: World, others: Others) -> None:
    end_of_day(world)
    with world.record.read() as connection:
        state = period_state(connection, area=town.AREA, period=1)
    late = Replacement(to_hex(HOUSE.address), to_hex(SUCCESSOR.address), state.first_mtu + 1)

    with world.record.begin() as tx:
        assert replace_account(tx, replacement=late)
    world.rest()
    world.rest()

    proposals = [entry.as_a(SettlementProposed) for entry in world.record.entries(kinds=[SettlementProposed])]
    accounts = [
        {item.account for item in proposal.statements} & {late.account, late.successor} for proposal in proposals
    ]
    assert accounts == [{late.account}, {late.successor}]


def test_attesters__replacement_as_the_chain_has_it__is_no_objection(world: World, others: Others) -> None:
    replace_at_once(world, others)
    end_of_day(world)

    with world.record.read() as connection:
        package = proposal_package(connection, area=town.AREA, period=1)
    on_chain = node_chain(world).period(area=town.AREA, period=1, markets=markets_of(package))

    assert package.replacements == tuple(replaced(world))
    assert list(chain_objections(package, on_chain)) == []
    left_out = replace(package, replacements=())
    assert any("is left out" in reason for reason in chain_objections(left_out, on_chain))


def test_attesters__replacement_that_the_chain_does_not_have__is_refused(world: World, others: Others) -> None:
    thief = Replacement(to_hex(HOUSE.address), to_hex(key("thief").address), mtu_of(world.now) + 1)
    with world.record.begin() as tx:
        tx.append(AccountReplaced(thief))
    end_of_day(world)

    with world.record.read() as connection:
        package = proposal_package(connection, area=town.AREA, period=1)
    on_chain = node_chain(world).period(area=town.AREA, period=1, markets=markets_of(package))

    assert from_hex(thief.successor) in {unpack_settlement_word(word)[0] for word in package.proposal.words}
    reason = f"the chain has not let {thief.successor} replace {thief.account} from MTU {thief.valid_from_mtu} on"
    assert list(chain_objections(package, on_chain)) == [reason]
    assert world.record.entries(kinds=[SettlementProposed])
