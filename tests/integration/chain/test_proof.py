"""What the verifier takes from a node follows from the checkpoint's hash, or the node is found to lie."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import rlp  # type: ignore[import-untyped]
from trie.hexary import HexaryTrie

from domain.hashing import to_hex
from tests.integration.chain.conftest import World, account
from verifier.blocks import Known, header_hash, ordered_root
from verifier.chain import Chain
from verifier.node import http_rpc
from verifier.verdict import Unusable

pytestmark = pytest.mark.integration

DEPOSITS_BY_BLOCK = (1, 0, 20, 2)
"""Twenty make a trie of several levels."""

Answers = Callable[[str, list[Any]], Any]


@pytest.fixture
def proven(world: World, deposit: Any, ask: Any) -> tuple[World, Known]:
    """A chain with deposits in some of its blocks, and what an earlier audit saw of it."""
    gateway, number = world.gateway(), 0
    for count in DEPOSITS_BY_BLOCK:
        ask(world.record, *(deposit(number + i) for i in range(1, count + 1)))
        number += count
        gateway.step()
        world.mine()
    rpc = http_rpc(world.process.rpc.url)
    last = int(rpc("eth_blockNumber", []), 16)
    hashes = [rpc("eth_getBlockByNumber", [hex(at), False])["hash"] for at in (0, last)]
    return world, Known(genesis_hash=hashes[0], block=last, block_hash=hashes[1])


def chain_of(world: World, lie: Callable[[str, list[Any], Any], Any] = lambda method, params, answer: answer) -> Chain:
    """The chain as the node tells it, after something on the way changed its answers."""
    honest = http_rpc(world.process.rpc.url)

    def ask(method: str, params: list[Any]) -> Any:
        return lie(method, params, copy.deepcopy(honest(method, params)))

    contracts = {name: to_hex(address) for name, address in world.deployment.addresses.items()}
    return Chain(ask, contracts, None)


def test_prove__honest_node__follows_to_the_first_block(proven: tuple[World, Known]) -> None:
    world, known = proven

    chain = chain_of(world)
    proof = chain.prove(known)

    assert proof.faults == ()
    assert sorted(proof.headers) == list(range(1, known.block + 1))
    assert len(chain.all("Deposited")) == sum(DEPOSITS_BY_BLOCK)


FORGED = 1_000_000 * 10**9


def more_money(method: str, params: list[Any], answer: Any) -> Any:
    """A deposit of another amount, told as an event and in its receipt."""
    receipts = [answer] if method == "eth_getTransactionReceipt" else []
    logs = answer if method == "eth_getLogs" else [log for receipt in receipts for log in receipt["logs"]]
    for log in logs:
        if log["topics"][1].endswith(to_hex(account(1))[2:]):
            log["data"] = f"0x{FORGED:064x}"
    return answer


def event_alone(method: str, params: list[Any], answer: Any) -> Any:
    """The event, but not its receipt."""
    return more_money(method, params, answer) if method == "eth_getLogs" else answer


def left_out(method: str, params: list[Any], answer: Any) -> Any:
    """An event that the node keeps to itself."""
    return [log for log in answer if not log["topics"][-1].endswith("05")] if method == "eth_getLogs" else answer


def whole_block_left_out(method: str, params: list[Any], answer: Any) -> Any:
    """All events of a block, whose receipts need not be asked for then."""
    return [log for log in answer if log["blockNumber"] != "0x4"] if method == "eth_getLogs" else answer


def other_history(method: str, params: list[Any], answer: Any) -> Any:
    """A block whose header commits to the forged receipts, and has the hash that it gives."""
    answer = more_money(method, params, answer)
    if method == "eth_getBlockByNumber" and params == ["0x2", False]:
        answer["receiptsRoot"] = "0x" + "11" * 32
        answer["hash"] = header_hash(answer)
    return answer


def no_header(method: str, params: list[Any], answer: Any) -> Any:
    """A block without the members of a header."""
    return {"hash": answer["hash"]} if method == "eth_getBlockByNumber" and params == ["0x2", False] else answer


def no_receipt(method: str, params: list[Any], answer: Any) -> Any:
    """Receipts that are not there."""
    return None if method == "eth_getTransactionReceipt" else answer


LIES = [
    (more_money, "not those that its header commits to"),
    (event_alone, "the node told"),
    (left_out, "the node told"),
    (whole_block_left_out, "the node told"),
    (other_history, "block 2 is not the one that block 3 follows"),
    (no_header, "block 2 is not the one that block 3 follows"),
    (no_receipt, "receipts can't be read"),
]


@pytest.mark.parametrize(("lie", "fault"), LIES, ids=[lie.__name__ for lie, _ in LIES])
def test_prove__node_that_lies__is_found(
    proven: tuple[World, Known], lie: Callable[[str, list[Any], Any], Any], fault: str
) -> None:
    world, known = proven

    proof = chain_of(world, lie).prove(known)

    assert proof.faults and all(fault in item for item in proof.faults)


def test_prove__another_first_block__is_found(proven: tuple[World, Known]) -> None:
    world, known = proven

    proof = chain_of(world).prove(Known("0x" + "00" * 32, known.block, known.block_hash))

    assert "genesis block" in proof.faults[0]


def test_prove__header_of_a_form_not_known__proves_nothing_and_finds_nothing(proven: tuple[World, Known]) -> None:
    world, known = proven

    proof = chain_of(world).prove(Known(known.genesis_hash, known.block, "0x" + "00" * 32))

    assert not proof.headers and not proof.faults


def test_block__told_in_another_way_later__is_unusable(proven: tuple[World, Known]) -> None:
    world, known = proven

    def later(method: str, params: list[Any], answer: Any) -> Any:
        if method == "eth_getBlockByNumber" and params[1]:
            answer["timestamp"] = "0x1"
        return answer

    chain = chain_of(world, later)
    chain.prove(known)

    with pytest.raises(Unusable, match="in two ways"):
        chain.block(2)


@pytest.mark.parametrize("count", [0, 1, 2, 17, 127, 128, 129, 300])
@pytest.mark.parametrize("length", [1, 20, 400])
def test_ordered_root__of_so_many__is_the_librarys(count: int, length: int) -> None:
    values = [number.to_bytes(2, "big") * length for number in range(count)]
    trie = HexaryTrie(db={})
    for at, value in enumerate(values):
        trie[rlp.encode(at)] = value

    assert ordered_root(values) == to_hex(trie.root_hash)
