"""The gateway against a node that is reorganised, loses transactions, or is used by others with the same keys."""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from contracts.bindings import Call
from contracts.rpc import NodeUnavailable, Rpc, as_int
from contracts.transactions import UnsignedTransaction
from domain.facts import ChainFailed, ChainIncluded
from domain.hashing import to_hex
from ledger_service.chain.errors import FinalityBroken, SignerMissing
from ledger_service.chain.gateway import Gateway
from ledger_service.record import Record
from tests.finality import final
from tests.journal import content_of, request_fact

pytestmark = pytest.mark.integration

EUR = 1_000_000_000


def test_step__requested_calls__are_stored_sent_and_included_once(world: Any, deposit: Any, ask: Any) -> None:
    gateway = world.gateway()
    ask(world.record, deposit(1), deposit(2))

    first = gateway.step()
    world.mine()
    second = gateway.step()
    third = gateway.step()

    assert (first.taken, first.sent, second.included, third.included, third.sent) == (2, 2, 2, 0, 0)
    included = world.facts("chain.included")
    assert [fact["key"] for fact in included] == ["deposit-1-1", "deposit-2-2"]
    assert included[0]["events"][0]["event"] == "Deposited"
    assert included[0]["events"][0]["args"]["amountNeur"] == EUR
    assert world.balance(1) == EUR


def test_request__same_key_from_many_threads__gives_one_transaction(world: Any, deposit: Any, ask: Any) -> None:
    gateway = world.gateway()
    threads = [Thread(target=ask, args=(world.record, deposit(1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    gateway.step()
    world.mine()
    gateway.step()

    assert len(world.facts("chain.requested")) == len(world.facts("chain.signed")) == 1
    assert world.balance(1) == EUR


def test_take__revert__names_the_custom_error_and_is_not_tried_again(world: Any, deposit: Any, ask: Any) -> None:
    gateway = world.gateway()
    ask(world.record, deposit(1, ref=7), deposit(2, ref=7))

    gateway.step()
    world.mine()
    gateway.step()
    world.mine()
    gateway.step()

    (failed,) = world.facts("chain.failed")
    assert failed["key"] == "deposit-2-7"
    assert failed["reason"].startswith("AccountsRefUsed(ref=0x")
    assert len(world.facts("chain.signed")) == 2
    assert world.balance(2) == 0


@pytest.mark.parametrize(
    ("contract", "function", "args"),
    [
        ("Settlement", "nothing", []),
        ("Nothing", "deposit", []),
        ("Accounts", "deposit", ["0x00"]),
        ("Accounts", "deposit", ["0x" + "11" * 20, str(2**96), "0x" + "22" * 32]),
        ("Accounts", "deposit", ["0x" + "11" * 20, "1.5", "0x" + "22" * 32]),
        ("Accounts", "deposit", ["0x" + "11" * 20, -1, "0x" + "22" * 31]),
    ],
)
def test_take__call_that_does_not_exist__fails_without_a_nonce(
    world: Any, ask: Any, deposit: Any, contract: str, function: str, args: list[Any]
) -> None:
    gateway = world.gateway()
    odd = request_fact(key="odd", role="treasurer", call=Call(contract=contract, function=function, args=tuple(args)))
    ask(world.record, odd, deposit(1))

    gateway.step()
    world.mine()
    gateway.step()

    assert [fact["key"] for fact in world.facts("chain.failed")] == ["odd"]
    assert world.balance(1) == EUR


def test_take__role_without_key__keeps_the_request_for_later(world: Any, ask: Any, deposit: Any) -> None:
    keyless = Gateway(record=world.record, rpc=world.rpc, deployment=world.deployment, signers={})
    ask(world.record, deposit(1))

    with pytest.raises(SignerMissing):
        keyless.take()

    assert world.gateway().step().taken == 1


@pytest.mark.parametrize("depth", [1, 3])
def test_step__reorganised_chain__goes_back_to_pending_and_has_one_effect(
    world: Any, deposit: Any, ask: Any, depth: int
) -> None:
    gateway = world.gateway()
    ask(world.record, deposit(1))
    gateway.step()
    world.mine(depth)
    gateway.step()
    assert world.balance(1) == EUR

    world.rpc.call("anvil_reorg", depth, [])
    assert world.balance(1) == 0
    rewound = gateway.step()
    world.mine(3)
    gateway.step()
    world.mine()
    gateway.step()

    assert rewound.rewound == 1
    assert len(world.facts("chain.rewound")) == 1
    included = world.facts("chain.included")
    assert len(included) == 2
    assert included[0]["tx_hash"] == included[1]["tx_hash"]
    assert world.balance(1) == EUR


def test_step__final_block_gone__halts(world: Any, deposit: Any, ask: Any) -> None:
    gateway = world.gateway()
    snapshot = world.rpc.call("evm_snapshot")
    ask(world.record, deposit(1))
    gateway.step()
    world.mine(9)
    gateway.step()
    assert final(gateway) == 2

    world.rpc.call("evm_revert", snapshot)
    world.mine(9)

    with pytest.raises(FinalityBroken) as caught:
        gateway.step()
    assert caught.value.number == 2


def test_step__dropped_from_the_pool__is_sent_again(world: Any, deposit: Any, ask: Any) -> None:
    gateway = world.gateway()
    ask(world.record, deposit(1))
    gateway.step()
    world.rpc.call("anvil_dropAllTransactions")

    world.mine(2)
    again = gateway.step()
    world.mine()
    gateway.step()

    assert again.sent == 1
    assert world.balance(1) == EUR
    assert len(world.facts("chain.signed")) == 1


def test_step__killed_between_stored_and_sent__next_gateway_sends_once(world: Any, deposit: Any, ask: Any) -> None:
    ask(world.record, deposit(1), deposit(2))
    world.gateway().take()

    restarted = world.gateway()
    progress = restarted.step()
    world.mine()
    restarted.step()

    assert (progress.taken, progress.sent) == (0, 2)
    assert (world.balance(1), world.balance(2)) == (EUR, EUR)
    assert len(world.facts("chain.signed")) == 2


def test_step__killed_after_sending__next_gateway_finds_it_and_does_not_sign_again(
    world: Any, deposit: Any, ask: Any
) -> None:
    ask(world.record, deposit(1))
    world.gateway().step()

    world.gateway().step()
    world.mine()
    world.gateway().step()

    assert len(world.facts("chain.signed")) == len(world.facts("chain.included")) == 1
    assert world.balance(1) == EUR


def test_step__nonces_burned_below__are_filled(world: Any, deposit: Any, ask: Any) -> None:
    gateway = world.gateway()
    treasurer = gateway._signers["treasurer"].address
    gateway._repair._floor[treasurer] = 3
    ask(world.record, deposit(1), deposit(2))

    gateway.step()
    world.mine()
    gateway.step()

    filled = [fact["key"] for fact in world.facts("chain.signed") if fact["key"].startswith("fill:")]
    assert [key.rsplit(":", 1)[1] for key in filled] == ["0", "1", "2"]
    assert (world.balance(1), world.balance(2)) == (EUR, EUR)


def test_step__nonce_taken_by_another_sender_of_the_key__takes_a_new_one(world: Any, deposit: Any, ask: Any) -> None:
    gateway = world.gateway()
    ask(world.record, deposit(1))
    gateway.take()
    key = gateway._signers["treasurer"]
    other = UnsignedTransaction(chain_id=world.deployment.chain_id, nonce=0, to=key.address, data=b"", gas=21_000).sign(
        key
    )
    world.rpc.call("eth_sendRawTransaction", to_hex(other.raw))
    world.mine()

    gateway.step()
    world.mine()
    gateway.step()

    assert [fact["nonce"] for fact in world.facts("chain.signed")] == [0, 1]
    assert world.balance(1) == EUR


def test_open__record_older_than_the_chain__adopts_what_was_sent(
    world: Any, deposit: Any, ask: Any, tmp_path: Path
) -> None:
    ask(world.record, deposit(1))
    lost = world.gateway()
    lost.step()
    world.mine()
    lost.step()
    restored = Record.open(f"sqlite:///{tmp_path}/restored.db")
    ask(restored, deposit(1), deposit(2))

    gateway = world.gateway(record=restored)
    gateway.step()
    world.mine()
    gateway.step()

    included = [content_of(entry)["key"] for entry in restored.entries(kinds=[ChainIncluded])]
    assert sorted(included) == ["deposit-1-1", "deposit-2-2"]
    assert restored.entries(kinds=[ChainFailed]) == []
    assert (world.balance(1), world.balance(2)) == (EUR, EUR)
    treasurer = to_hex(gateway._signers["treasurer"].address)
    assert as_int(world.rpc.call("eth_getTransactionCount", treasurer, "latest")) == 2
    restored.close()


def test_step__node_away__loses_nothing_and_drains_when_it_is_back(world: Any, deposit: Any, ask: Any) -> None:
    away = Gateway(
        record=world.record,
        rpc=Rpc("http://127.0.0.1:9", timeout_s=2),
        deployment=world.deployment,
        signers=world.gateway()._signers,
    )
    ask(world.record, deposit(1))
    before = world.record.head()

    with pytest.raises(NodeUnavailable):
        away.step()

    assert world.record.head() == before
    gateway = world.gateway()
    gateway.step()
    world.mine()
    assert gateway.step().included == 1
