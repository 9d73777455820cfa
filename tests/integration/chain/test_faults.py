"""Faults of node, disk and process between a committed fact and what becomes of it on the chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from contracts.rpc import NodeAnswerInvalid, Rpc, RpcError
from domain.hashing import to_hex
from ledger_service.chain import embedded as embedded_module
from ledger_service.chain.errors import DumpNotWritten, NodeBehind, NodeLies
from ledger_service.chain.gateway import Gateway
from ledger_service.chain.headers import read_headers
from ledger_service.chain.receipt_root import check_receipts
from ledger_service.chain.setup import deploy_embedded
from ledger_service.clock import ManualClock
from ledger_service.record import Record, StorageUnavailable
from scripts.serving.embedded import market_loop
from scripts.serving.embedded.market_loop import MarketLoop
from tests.integration.chain.conftest import CONFIG, DEPLOYER, EUR, GENESIS, REORGANISABLE, SENDERS

pytestmark = pytest.mark.integration

Change = Callable[[str, Sequence[Any], Any], Any]


class Changing(Rpc):
    """A node whose answers go through `change(method, parameters, answer)` while it is set."""

    change: Change | None = None

    def batch(self, calls: Sequence[Any]) -> list[Any]:
        answers = super().batch(calls)
        if self.change is None:
            return answers
        return [self.change(method, given, answer) for (method, given), answer in zip(calls, answers, strict=True)]


def gateway_over(world: Any, rpc: Rpc, record: Record | None = None) -> Gateway:
    return Gateway.open(
        record=record or world.record,
        rpc=rpc,
        deployment=world.deployment,
        signers=SENDERS,
        profile=REORGANISABLE,
    )


def chain_kinds(record: Record) -> list[str]:
    """Kinds of what became of the gateway's own transactions; the deployment was somebody else's."""
    kinds = [entry.kind for entry in record.entries() if entry.kind.startswith("chain.")]
    return [kind for kind in kinds if kind != "chain.observed"]


# The start


def test_deploy__stopped_before_its_file_was_written__goes_on(embedded: Any) -> None:
    blocks, facts = embedded.node.head().number, len(embedded.record.entries())

    again = deploy_embedded(
        record=embedded.record, node=embedded.node, config=CONFIG, key=DEPLOYER, timestamp=GENESIS + 50
    )

    assert again.as_json() == embedded.deployment.as_json()
    assert (embedded.node.head().number, len(embedded.record.entries())) == (blocks, facts)


# Receipts


def test_step__receipt_refused_by_the_node__waits_and_has_one_outcome(world: Any, deposit: Any, ask: Any) -> None:
    def refuse(method: str, _: Sequence[Any], answer: Any) -> Any:
        busy = RpcError(method=method, error_code=-32000, message="transaction indexing is in progress", data=None)
        return busy if method == "eth_getTransactionReceipt" else answer

    rpc = Changing(world.rpc.url)
    gateway = gateway_over(world, rpc)
    ask(world.record, deposit(1))
    gateway.step()
    world.mine(3)

    rpc.change = refuse
    gateway.step()
    world.mine()
    rpc.change = None
    gateway.step()
    world.mine()
    gateway.step()

    assert chain_kinds(world.record) == ["chain.requested", "chain.signed", "chain.included"]
    assert world.balance(1) == EUR


def test_check_receipts__honest_node__finds_nothing(world: Any, deposit: Any, ask: Any) -> None:
    hashes = two_deposits(world, deposit, ask)
    taken = {item: world.rpc.call("eth_getTransactionReceipt", to_hex(item)) for item in hashes}

    check_receipts(rpc=world.rpc, numbers=[world.rpc.block_number()], taken=taken)


@pytest.mark.parametrize("member", ["status", "logs", "cumulativeGasUsed"])
def test_check_receipts__one_member_changed__node_lies(world: Any, deposit: Any, ask: Any, member: str) -> None:
    lies = {"status": "0x0", "logs": [], "cumulativeGasUsed": "0x1"}
    two_deposits(world, deposit, ask)
    rpc = Changing(world.rpc.url)
    rpc.change = lambda method, _, answer: (
        {**answer, member: lies[member]} if method == "eth_getTransactionReceipt" else answer
    )

    with pytest.raises(NodeLies, match="receipts root"):
        check_receipts(rpc=rpc, numbers=[world.rpc.block_number()], taken={})


@pytest.mark.parametrize(
    ("member", "value"), [("receiptsRoot", "0x" + "11" * 32), ("timestamp", "0x1"), ("extraData", "0x11")]
)
def test_read_headers__one_member_changed__node_lies(world: Any, member: str, value: str) -> None:
    world.mine()
    rpc = Changing(world.rpc.url)
    rpc.change = lambda method, _, answer: {**answer, member: value} if method == "eth_getBlockByNumber" else answer

    assert read_headers(rpc=world.rpc, numbers=[2])[0].number == 2
    with pytest.raises(NodeLies, match="do not give its hash"):
        read_headers(rpc=rpc, numbers=[2])


def two_deposits(world: Any, deposit: Any, ask: Any) -> list[bytes]:
    gateway = world.gateway()
    ask(world.record, deposit(1), deposit(2))
    gateway.step()
    hashes = [item.tx_hash for item in gateway.pending()]
    world.mine()
    return hashes


# Reorganisations


def test_step__same_block_comes_back__ends_included(world: Any, deposit: Any, ask: Any) -> None:
    rpc = Changing(world.rpc.url)
    gateway = gateway_over(world, rpc)
    ask(world.record, deposit(1))
    gateway.step()
    world.mine()
    gateway.step()

    rpc.change = hidden_after(1)
    assert gateway.step().rewound == 1
    rpc.change = None
    assert gateway.step().included == 1

    assert chain_kinds(world.record)[-3:] == ["chain.included", "chain.rewound", "chain.included"]


def hidden_after(block: int) -> Change:
    """A node that has lost every block after this one."""

    def change(method: str, _: Sequence[Any], answer: Any) -> Any:
        if method == "eth_blockNumber":
            return hex(min(int(answer, 16), block))
        number = {"eth_getBlockByNumber": "number", "eth_getTransactionReceipt": "blockNumber"}.get(method)
        gone = number is not None and isinstance(answer, dict) and int(answer[number], 16) > block
        return None if gone else answer

    return change


def test_step__chain_moves_before_blocks_are_made_final__stale_ones_do_not_become_final(
    world: Any, deposit: Any, ask: Any
) -> None:
    gateway = world.gateway()
    ask(world.record, deposit(1))
    gateway.step()
    world.mine()
    gateway.step()
    world.mine(8)
    finalise = gateway._watch.finalise

    def after_reorg() -> int:
        world.rpc.call("anvil_reorg", 9, [])
        world.mine(2)
        return int(finalise())

    gateway._watch.finalise = after_reorg
    gateway.step()
    gateway._watch.finalise = finalise
    world.mine()
    rewound = gateway.step().rewound
    world.mine()
    gateway.step()

    assert rewound == 1
    assert world.balance(1) == EUR


def test_step__node_behind_the_final_block__waits(world: Any, deposit: Any, ask: Any) -> None:
    rpc = Changing(world.rpc.url)
    gateway = gateway_over(world, rpc)
    ask(world.record, deposit(1))
    gateway.step()
    world.mine(9)
    gateway.step()
    gateway.step()

    rpc.change = hidden_after(1)
    with pytest.raises(NodeBehind) as caught:
        gateway.step()
    rpc.change = None

    assert caught.value.retryable
    assert gateway.step().rewound == 0


def test_step__adopted_transaction_in_a_block_that_is_gone__is_sent_again(
    world: Any, deposit: Any, ask: Any, tmp_path: Any
) -> None:
    ask(world.record, deposit(1))
    lost = world.gateway()
    lost.step()
    world.mine()
    lost.step()
    restored = Record.open(f"sqlite:///{tmp_path}/restored.db")
    ask(restored, deposit(1))
    gateway = world.gateway(record=restored)
    gateway.step()
    gateway.step()

    world.rpc.call("anvil_reorg", 1, [])
    world.rpc.call("anvil_dropAllTransactions")
    for _ in range(8):
        gateway.step()
        world.mine()
    gateway.step()
    restored.close()

    assert world.balance(1) == EUR


# Prices


def test_step__price_below_the_base_fee__is_raised_until_it_is_taken(world: Any, deposit: Any, ask: Any) -> None:
    gateway = world.gateway(profile=replace(REORGANISABLE, gas_price_wei=0, gas_price_cap_wei=100))
    world.rpc.call("anvil_setBalance", to_hex(SENDERS["treasurer"].address), hex(10**20))
    ask(world.record, deposit(1))

    for _ in range(8):
        gateway.step()
        world.rpc.call("anvil_setNextBlockBaseFeePerGas", "0x3")
        world.mine()
    gateway.step()

    prices = [int(fact["gas_price_wei"]) for fact in world.facts("chain.signed")]
    assert prices == sorted(set(prices)) and prices[-1] >= 3
    assert len(world.facts("chain.included")) == 1
    assert world.balance(1) == EUR


# The embedded node


def fill(embedded: Any, deposit: Any, ask: Any, blocks: int) -> Gateway:
    gateway = embedded.gateway()
    for at in range(1, blocks + 1):
        ask(embedded.record, deposit(at))
        gateway.flush(node=embedded.node, timestamp=GENESIS + 900 * at)
    return gateway  # type: ignore[no-any-return]


def test_restart__disk_full_on_the_way__no_half_chain_passes_for_a_whole_one(
    embedded: Any, deposit: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = fill(embedded, deposit, ask, 3)
    hashes = embedded.hashes()

    def full(path: Any, _: bytes) -> None:
        raise DumpNotWritten(path=str(path), reason="No space left on device")

    embedded.node._process.kill()
    with monkeypatch.context() as patch:
        patch.setattr(embedded_module, "_write_durably", full)
        with pytest.raises(DumpNotWritten):
            embedded.node.restart()
        assert not embedded.node.alive()
    ask(embedded.record, deposit(9))
    gateway.flush(node=embedded.node, timestamp=GENESIS + 9_000)

    assert embedded.hashes()[: len(hashes)] == hashes
    assert len(embedded.hashes()) == len(hashes) + 1


@pytest.mark.parametrize(
    "error",
    [
        NodeAnswerInvalid(url="http://node", reason="cut"),
        RpcError(method="evm_mine", error_code=-32000, message="busy", data=None),
    ],
)
def test_mine__answer_lost_after_the_fact__block_is_made_all_the_same(
    embedded: Any, deposit: Any, ask: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    gateway = fill(embedded, deposit, ask, 1)
    ask(embedded.record, deposit(2))
    call, failures = embedded.node.rpc.call, [error]

    def once(method: str, *given: Any) -> Any:
        if method == "evm_mine" and failures:
            raise failures.pop()
        return call(method, *given)

    monkeypatch.setattr(embedded.node.rpc, "call", once)
    included = gateway.flush(node=embedded.node, timestamp=GENESIS + 5_000).included
    ask(embedded.record, deposit(3))
    later = gateway.flush(node=embedded.node, timestamp=GENESIS + 6_000).included

    assert (included, later) == (1, 1)
    assert [fact["number"] for fact in embedded.facts("block.mined")] == list(range(1, 5))


# The loop


def loop_over(embedded: Any) -> MarketLoop:
    clock = ManualClock(embedded.node.head().timestamp)
    return MarketLoop(stages=[], gateway=embedded.gateway(), node=embedded.node, clock=clock)


def test_advance__block_refused_once__time_is_reached_only_with_its_block(
    embedded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, mine, failures = loop_over(embedded), embedded.node.mine, [StorageUnavailable(reason="disk full")]

    def once(**given: Any) -> Any:
        if failures:
            raise failures.pop()
        return mine(**given)

    monkeypatch.setattr(embedded.node, "mine", once)
    loop.start()
    reached = loop.advance_to(GENESIS + 5_000)
    loop.stop()

    assert embedded.node.head().timestamp == reached == GENESIS + 5_000


def test_loop__many_blocks__writes_the_chains_state_on_the_way(embedded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    many = 20
    monkeypatch.setattr(market_loop, "CHECKPOINT_BLOCKS", many)
    loop = loop_over(embedded)
    loop.start()
    for step in range(1, many + 2):
        loop.advance_to(GENESIS + 100 * step)
    for _ in range(100):
        if (embedded.folder / embedded_module.STATE_FILE).exists():
            break
        loop._stopping.wait(0.05)
    loop.stop()

    assert (embedded.folder / embedded_module.STATE_FILE).exists()


def test_loop__node_killed_while_nothing_is_due__comes_back(embedded: Any) -> None:
    loop = loop_over(embedded)
    loop.start()
    head = embedded.node.rpc.block_number()

    embedded.node._process._process.kill()
    embedded.node._process._process.wait()
    for _ in range(200):
        if embedded.node.alive():
            break
        loop._stopping.wait(0.05)
    loop.stop()

    assert embedded.node.rpc.block_number() == head
