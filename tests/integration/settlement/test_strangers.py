"""Each call that anyone or a holder may send reaches the contracts before the service sends it, and is followed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from contracts.artifacts import load_artifacts
from contracts.bindings import Calendar, Call, Guarantees, Market, Readings, Redemptions, Settlement, Successions
from contracts.naming import snake
from domain.eip712 import ACCOUNT_REPLACEMENT, COVER, GUARANTEE, REDEMPTION
from domain.facts import (
    HAPPENED,
    ChainObserved,
    ChainRequested,
    MtuUnread,
    PeriodDeclared,
    SessionDone,
    SessionOpened,
    Subject,
)
from domain.hashing import keccak, text_id, to_hex
from domain.mtu import mtu_end
from domain.roles import ChainRole
from domain.signing import SigningKey
from ledger_service.money import operations, queries
from ledger_service.outbox import call_of, happened, request
from ledger_service.settlement.queries import period_state
from tests.integration.ledger import town
from tests.integration.settlement.day_on_chain import EUR, World, key
from tests.strangers import Stranger

pytestmark = pytest.mark.integration

LATE = 2**37
IMPORT_WH = 20_000

BY_ROLE = frozenset(
    {
        *(f"Roles.{name}" for name in ("acceptGrant", "cancelProposal", "confirmGrant", "pause", "proposeGrant")),
        *(f"Roles.{name}" for name in ("proposeReplacement", "proposeRevocation", "revoke", "unpause")),
        *("Calendar.createArea", "Market.closeSession", "Market.createMarket", "Market.openSession"),
        *("Accounts.bindAccount", "Accounts.deposit", "Successions.proposeAreaChange"),
        *("Successions.proposeSuccessor", "Anchors.anchor", "Registry.register"),
    }
)
"""What only the key of a role may call."""

BY_CONTRACTS = frozenset(
    {
        "Market.recordCleared",
        *(f"Accounts.{name}" for name in ("book", "burn", "changeArea", "closeBatch", "cover", "lowerLine", "moveIn")),
        *(f"Accounts.{name}" for name in ("moveOut", "openBatch", "replace", "reserve", "setLine", "unreserve")),
        "Handovers.moveOut",
    }
)
"""What only another contract of ours may call."""

ELSEWHERE = {
    "Market.recordProgram": "tests/functional/test_strangers.py",
    "Clearing.clear": "tests/functional/test_strangers.py",
    "Clearing.clearMany": "its events are those of clear",
    **dict.fromkeys(
        ("Objections.proveCrossing", "Objections.proveInvalidWord", "Objections.proveMismatch"),
        "evidence against a signer, which no stage waits for",
    ),
    "Accounts.bookSuspense": "tests/unit/settlement/test_money.py reads its event",
    "Accounts.recount": "its events are calls on guarantors, which balances already show",
    "Successions.changeArea": "no stage waits for it",
    "Successions.cancelAreaChange": "no stage waits for it",
    **dict.fromkeys(
        ("Handovers.agree", "Handovers.takeOver", "Handovers.withdraw"),
        "the hand-over to a new version, which needs a second deployment",
    ),
    "Settlement.abandonSettlement": "a settlement of several pages, which a day of one household has not",
}
"""What is not sent here, and where it is, or why its event changes nothing that a stage waits for."""


@dataclass
class Others:
    """Strangers and holders at the world's node; each call comes into a block before a stage can react."""

    world: World
    sent: list[tuple[str, str]] = field(default_factory=list)

    def send(self, *calls: Call, key: SigningKey | None = None, at: int = 0) -> None:
        world = self.world
        stranger = Stranger(
            rpc=world.node.rpc, addresses=world.deployment.addresses, chain_id=world.deployment.chain_id, key=key
        )
        hashes = stranger.send(*calls)
        world.now = max(world.now, at, world.node.head().timestamp + 1)
        world.gateway.flush(node=world.node, timestamp=world.now)
        for call, tx_hash in zip(calls, hashes, strict=True):
            assert stranger.succeeded(tx_hash), call
            self.sent.append((f"{call.contract}.{call.function}", tx_hash))
        world.rest()


def entry_points() -> set[str]:
    """Every function of our contracts that changes something."""
    return {
        f"{name}.{entry['name']}"
        for name, artifact in load_artifacts().items()
        for entry in artifact.abi.entries
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }


def signed(world: World, contract: str, shape: Any, values: dict[str, Any], *names: str) -> list[bytes]:
    digest = world.deployment.domain(contract).digest(shape, values)
    return [key(name).sign(digest) for name in names]


def give_line(world: World, credit_neur: int, nonce: int) -> Call:
    names = {"guarantor": key("retailer account").address, "account": key("house").address}
    names |= {"nonce": nonce, "deadline": LATE}
    values = names | {"creditNeur": credit_neur}
    guarantor, account = signed(world, "Guarantees", GUARANTEE, values, "retailer account", "house")
    return Guarantees.guarantee(
        **names, credit_neur=credit_neur, guarantor_signature=guarantor, account_signature=account
    )


def ask_for_money(world: World, ref: bytes) -> Call:
    house = key("house").address
    values = {"account": house, "amountNeur": EUR, "ref": ref, "deadline": LATE}
    (signature,) = signed(world, "Redemptions", REDEMPTION, values, "house")
    return Redemptions.request_redemption(account=house, amount_neur=EUR, ref=ref, deadline=LATE, signature=signature)


def money(world: World, others: Others) -> None:
    """Lines given and lowered, money asked for, one redemption cancelled and one completed."""
    with world.record.begin() as tx:
        operations.deposit(tx, account=key("retailer account").address, amount_neur=20 * EUR, ref=keccak(b"in"))
        operations.deposit(tx, account=key("house").address, amount_neur=5 * EUR, ref=keccak(b"in too"))
    world.rest()
    others.send(give_line(world, 3 * EUR, 1))
    others.send(give_line(world, 2 * EUR, 2))
    out, back = keccak(b"out"), keccak(b"back")
    others.send(ask_for_money(world, out))
    others.send(ask_for_money(world, back))
    house = key("house")
    others.send(Redemptions.cancel_redemption(account=house.address, ref=back), key=house)
    others.send(Redemptions.complete_redemption(account=house.address, ref=out), at=world.now + 601)


def trade(world: World, others: Others) -> None:
    """The session ends before anybody closed its books in time."""
    (opened,) = (entry.as_a(SessionOpened) for entry in world.record.entries(kinds=[SessionOpened]))
    due = opened.session + town.market().grace_seconds + 1
    others.send(Market.end_session(market=text_id(town.MARKET), session=opened.session), at=due)


def read(world: World, others: Others, first: int, count: int) -> None:
    """Two MTUs are attested, one alone and one in a batch, two are marked; the rest is the service's."""
    for mtu in (first, first + 1):
        struct, signatures = world.record_attestation(mtu, 0, IMPORT_WH)
        if mtu == first:
            call = Readings.attest(period=1, attestation=struct, signatures=signatures)
        else:
            call = Readings.attest_many(period=1, attestations=[struct], signatures=[signatures])
        others.send(call, at=mtu_end(mtu) + 1)
    call = Readings.mark_unread(area=text_id(town.AREA), period=1, first_mtu=first + 2, count=2)
    others.send(call, at=mtu_end(first + 3) + 3_601)
    for now in range(world.now, mtu_end(first + count - 1) + 3_601 + 7_200, 7_200):
        world.run_to(now)


def settle(world: World, others: Others) -> None:
    """Attesters' signatures come to the chain by somebody else, who releases the line at once; then debt is covered."""
    world.collect_signatures()
    asked = [entry.as_a(ChainRequested) for entry in world.record.entries(kinds=[ChainRequested], limit=10_000)]
    (call,) = (call_of(item) for item in asked if item.function == "settle")
    house, retailer = key("house").address, key("retailer account").address
    others.send(call, Guarantees.release(account=house))
    with world.record.read() as connection:
        debt = -queries.balance_neur(connection, account=house)
    values = {"guarantor": retailer, "account": house, "amountNeur": debt, "debtNeur": debt}
    values |= {"ref": keccak(b"cover"), "deadline": LATE}
    (signature,) = signed(world, "Guarantees", COVER, values, "retailer account")
    names = {snake(name): value for name, value in values.items()}
    others.send(Guarantees.cover(**names, signature=signature))


def replace_accounts(world: World, others: Others) -> None:
    """One account with its key, and one whose key was thought lost, then is."""
    values = {"account": key("house").address, "successor": key("new house").address, "deadline": LATE}
    account, successor = signed(world, "Successions", ACCOUNT_REPLACEMENT, values, "house", "new house")
    others.send(Successions.replace_account(**values, account_signature=account, successor_signature=successor))
    others.send(Successions.collect(account=values["account"]))
    lost = key("tax account")
    propose(world, lost)
    others.send(Successions.cancel_successor(account=lost.address), key=lost)
    propose(world, lost)
    others.send(Successions.succeed(account=lost.address), at=world.now + world.chain.change_seconds() + 1)


def propose(world: World, lost: SigningKey) -> None:
    """The registrar proposes a successor, with the operator's agreement, as nobody guarantees for the account."""
    values = {"account": lost.address, "successor": key("new tax account").address, "deadline": LATE}
    agreed, successor = signed(world, "Successions", ACCOUNT_REPLACEMENT, values, "operator", "new tax account")
    call = Successions.propose_successor(**values, guarantor_signature=agreed, successor_signature=successor)
    with world.record.begin() as tx:
        request(tx, call, key=f"propose:{world.now}", role=ChainRole.REGISTRAR, about=Subject())
    world.rest()


@pytest.fixture
def others(world: World) -> Others:
    """A day and its correction time, in which everybody else is faster than the service."""
    made = Others(world)
    with world.record.read() as connection:
        state = period_state(connection, area=town.AREA, period=1)
    money(world, made)
    trade(world, made)
    read(world, made, state.first_mtu, state.count)
    settle(world, made)
    horizon = world.now + town.area().horizon_seconds + 1
    made.send(Settlement.finalise(area=text_id(town.AREA), period=1), at=horizon)
    replace_accounts(world, made)
    second = state.first_mtu + state.count
    call = Calendar.declare_period(area=text_id(town.AREA), first_mtu=second, count=state.count)
    made.send(call, at=mtu_end(second + state.count - 1))
    return made


def test_strangers__a_day_by_their_calls__is_followed_once_and_balances_are_the_chains(others: Others) -> None:
    world, names, sent = others.world, {name for name, _ in others.sent}, [tx_hash for _, tx_hash in others.sent]
    facts = list(happened(world.record.entries(kinds=HAPPENED, limit=10_000)))
    observed = [to_hex(fact.tx_hash) for fact in facts if isinstance(fact, ChainObserved)]
    with world.record.read() as connection:
        state = period_state(connection, area=town.AREA, period=1)

    assert not names & (BY_ROLE | BY_CONTRACTS | ELSEWHERE.keys())
    assert names | BY_ROLE | BY_CONTRACTS | ELSEWHERE.keys() == entry_points(), "an entry point that nobody tried"
    assert [tx_hash for tx_hash in observed if tx_hash in sent] == sent
    assert len({fact.tx_hash for fact in facts}) == len(facts)
    assert world.differences() == []
    assert (state.settled, state.is_final) == (1, True)
    assert len(world.record.entries(kinds=[SessionDone])) == 1
    assert len(world.record.entries(kinds=[MtuUnread], limit=1_000)) == state.count - 2
    assert [entry.as_a(PeriodDeclared).period for entry in world.record.entries(kinds=[PeriodDeclared])] == [1, 2]
