"""What others send to the contracts themselves is in the journal: once each, in the chain's order, through reorgs."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from contracts.bindings import Accounts, Anchors, Call
from domain.facts import HAPPENED, ChainRequested, Subject
from domain.hashing import keccak, to_hex
from domain.roles import ChainRole
from domain.signing import SigningKey
from ledger_service.chain.gateway import Gateway
from ledger_service.record import Record
from tests.integration.chain.conftest import EUR, GENESIS, KEYS, REORGANISABLE, account
from tests.journal import content_of
from tests.strangers import Stranger

pytestmark = pytest.mark.integration

OPERATOR = {"operator": KEYS["operator"]}


def gateway_of(world: Any, record: Record | None = None) -> Gateway:
    """A gateway that holds the operator's key alone."""
    return Gateway.open(
        record=record or world.record,
        rpc=world.rpc,
        deployment=world.deployment,
        signers=OPERATOR,
        profile=REORGANISABLE,
    )


def treasurer(world: Any) -> Stranger:
    """Somebody whose transactions the gateway does not send."""
    return stranger(world, KEYS["treasurer"])


def stranger(world: Any, key: SigningKey | None = None) -> Stranger:
    """The same; without a key, somebody who has no role."""
    deployment = world.deployment
    rpc = world.node.rpc if hasattr(world, "node") else world.rpc
    return Stranger(rpc=rpc, addresses=deployment.addresses, chain_id=deployment.chain_id, key=key)


def deposit(number: int) -> Call:
    return Accounts.deposit(account=account(number), amount_neur=EUR, ref=number.to_bytes(32, "big"))


def anchor(sequence: int) -> ChainRequested:
    call = Anchors.anchor(sequence=sequence, head=sequence.to_bytes(32, "big"))
    return ChainRequested(
        key=f"anchor:{sequence}",
        role=ChainRole.OPERATOR,
        contract=call.contract,
        function=call.function,
        args=call.args,
        about=Subject(),
    )


def told(record: Record) -> list[tuple[str, str]]:
    """Kind and event of everything that happened after the deployment, in the journal's order."""
    facts = [(entry.kind, content_of(entry)) for entry in record.entries(kinds=HAPPENED, limit=1_000)]
    return [
        (kind.removeprefix("chain."), event["event"])
        for kind, fact in facts
        for event in fact["events"]
        if event["event"] in ("Deposited", "HeadAnchored")
    ]


def test_step__sent_by_others__is_observed_once_also_after_a_restart(world: Any, ask: Any) -> None:
    gateway, other = gateway_of(world), treasurer(world)
    sent = other.send(deposit(1), deposit(2))
    world.mine()

    first, again = gateway.step(), gateway.step()
    world.mine(9)
    gateway.step()
    restarted = gateway_of(world).step()

    facts = [fact for fact in world.facts("chain.observed") if fact["tx_hash"] in sent]
    assert (again.observed, restarted.observed) == (0, 0) and first.observed >= 2
    assert [fact["tx_hash"] for fact in facts] == sent
    assert {fact["sender"] for fact in facts} == {to_hex(KEYS["treasurer"].address)}
    assert [fact["events"][0]["args"]["account"] for fact in facts] == [to_hex(account(n)) for n in (1, 2)]


def test_step__own_and_others_in_one_block__are_told_in_its_order(world: Any, ask: Any) -> None:
    gateway, other = gateway_of(world), treasurer(world)
    other.send(deposit(1))
    ask(world.record, anchor(1), anchor(2))
    gateway.step()
    other.send(deposit(2))
    world.mine()

    gateway.step()

    anchored, deposited = ("included", "HeadAnchored"), ("observed", "Deposited")
    assert sorted(told(world.record)) == sorted([deposited, anchored, anchored, deposited])
    block = world.rpc.call("eth_getBlockByNumber", "latest", False)["transactions"]
    facts = [*world.facts("chain.included"), *world.facts("chain.observed")]
    placed = {fact["tx_hash"]: fact for fact in facts}
    entries = [content_of(entry)["tx_hash"] for entry in world.record.entries(kinds=HAPPENED, limit=1_000)]
    assert [item for item in entries if item in block] == block and set(block) <= placed.keys()


@pytest.mark.parametrize("comes_back", [True, False])
def test_step__their_block_gone__is_withdrawn_and_told_again_where_it_comes_back(
    world: Any, ask: Any, comes_back: bool
) -> None:
    gateway, other = gateway_of(world), treasurer(world)
    (sent,) = other.send(deposit(1))
    world.mine()
    gateway.step()

    world.rpc.call("anvil_reorg", 1, [])
    if comes_back:
        other.succeeded(sent)
    else:
        world.rpc.call("anvil_dropAllTransactions")
    world.mine(2)
    gateway.step()
    gateway.step()

    observed = [fact for fact in world.facts("chain.observed") if fact["tx_hash"] == sent]
    (rewound,) = world.facts("chain.rewound")
    assert (rewound["key"], rewound["function"]) == (f"observed:{sent}", "")
    assert len(observed) == (2 if comes_back else 1)
    assert world.balance(1) == (EUR if comes_back else 0)


def test_open__restored_record_asks_for_what_was_observed__it_is_its_own(world: Any, ask: Any, tmp_path: Any) -> None:
    ask(world.record, anchor(1))
    gateway_of(world).step()
    world.mine()
    gateway_of(world).step()
    restored = Record.open(f"sqlite:///{tmp_path}/restored.db")
    gateway_of(world, restored).step()

    ask(restored, anchor(1))
    later = gateway_of(world, restored)
    later.step()
    later.step()

    kinds = [entry.kind for entry in restored.entries(limit=1_000) if entry.kind != "block.mined"]
    assert kinds[-4:] == ["chain.requested", "chain.signed", "chain.rewound", "chain.included"]
    assert told(restored) == [("observed", "HeadAnchored"), ("included", "HeadAnchored")]
    restored.close()


def test_flush__sent_to_the_embedded_node__comes_first_and_is_replayed(embedded: Any, ask: Any) -> None:
    gateway = Gateway.open(
        record=embedded.record, rpc=embedded.node.rpc, deployment=embedded.deployment, signers=OPERATOR
    )
    (sent,) = treasurer(embedded).send(deposit(1))
    assert embedded.node.has_others()
    ask(embedded.record, anchor(1))

    progress = gateway.flush(node=embedded.node, timestamp=GENESIS + 900)
    before = embedded.hashes()
    os.kill(embedded.node.pid, signal.SIGKILL)
    embedded.node.restart()

    assert (progress.included, progress.observed) == (1, 1)
    assert told(embedded.record) == [("observed", "Deposited"), ("included", "HeadAnchored")]
    assert embedded.facts("block.mined")[-1]["transactions"][0] == sent
    assert embedded.hashes() == before
    assert not embedded.node.has_others()


def test_flush__sent_while_the_block_is_made__waits_for_the_next_one(
    embedded: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node takes whatever it has by then: it makes the block again without it, and must not forget it."""
    gateway = Gateway.open(
        record=embedded.record, rpc=embedded.node.rpc, deployment=embedded.deployment, signers=OPERATOR
    )
    sender, send = treasurer(embedded), embedded.node._send

    def send_after_a_stranger(raw: bytes) -> None:
        monkeypatch.undo()
        sender.send(deposit(1))
        send(raw)

    monkeypatch.setattr(embedded.node, "_send", send_after_a_stranger)
    ask(embedded.record, anchor(1))

    gateway.flush(node=embedded.node, timestamp=GENESIS + 900)
    waits = embedded.node.has_others()
    gateway.flush(node=embedded.node, timestamp=GENESIS + 1_800)

    assert waits
    assert told(embedded.record) == [("included", "HeadAnchored"), ("observed", "Deposited")]


def test_flush__sent_again_while_the_block_is_made__comes_in_its_turn(
    embedded: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record says in which order; a sender who hands in once more must not change it for the node."""
    gateway = Gateway.open(
        record=embedded.record, rpc=embedded.node.rpc, deployment=embedded.deployment, signers=OPERATOR
    )
    for sender in (treasurer(embedded), stranger(embedded)):
        sender.send(deposit(1))
    others, send = embedded.node._pool.others(), embedded.node._send

    def send_after_the_last_listed(raw: bytes) -> None:
        monkeypatch.undo()
        send(others[-1])
        send(raw)

    monkeypatch.setattr(embedded.node, "_send", send_after_the_last_listed)
    ask(embedded.record, anchor(1))

    gateway.flush(node=embedded.node, timestamp=GENESIS + 900)
    recorded = embedded.facts("block.mined")[-1]["transactions"]
    block = embedded.node.rpc.call("eth_getBlockByNumber", "latest", False)

    assert recorded[: len(others)] == [to_hex(keccak(raw)) for raw in others]
    assert block["transactions"] == recorded
