"""The embedded node: whatever it loses, the record makes the same chain again, block for block."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from typing import Any

import psutil
import pytest
from eth_account import Account
from sqlalchemy import update

from domain.hashing import to_hex
from ledger_service.chain.anvil import AnvilProcess
from ledger_service.chain.embedded import PREVIOUS_FILE, STATE_FILE, EmbeddedNode
from ledger_service.chain.errors import BlockTimeNotRising, DumpNotWritten, ReplayDiverged
from ledger_service.chain.tables import chain_block

pytestmark = pytest.mark.integration

GENESIS = 1_700_000_000
EUR = 1_000_000_000


def _run(embedded: Any, ask: Any, deposit: Any, *, blocks: range) -> None:
    gateway = embedded.gateway()
    for at in blocks:
        ask(embedded.record, deposit(at))
        gateway.flush(node=embedded.node, timestamp=GENESIS + 900 * at)


def test_flush__hundred_requests__go_into_one_block_in_order(embedded: Any, ask: Any, deposit: Any) -> None:
    ask(embedded.record, *(deposit(number) for number in range(1, 101)))

    progress = embedded.gateway().flush(node=embedded.node, timestamp=GENESIS + 900)

    assert (progress.included, progress.failed) == (100, 0)
    included = embedded.facts("chain.included")
    assert [fact["key"] for fact in included] == [f"deposit-{number}-{number}" for number in range(1, 101)]
    assert {(fact["block"], fact["block_time"]) for fact in included} == {(2, GENESIS + 900)}


def test_mine__hundred_transactions_of_two_senders_in_turn__keeps_their_order(embedded: Any) -> None:
    node, senders = embedded.node, [Account.create(), Account.create()]
    given: list[tuple[bytes, bytes]] = []
    for number in range(100):
        values = {"nonce": number // 2, "gas": 21_000, "gasPrice": 0, "to": senders[0].address, "value": 0}
        values |= {"data": b"", "chainId": int(node.rpc.call("eth_chainId"), 16)}
        signed = senders[number % 2].sign_transaction(values)
        given.append((bytes(signed.hash), bytes(signed.raw_transaction)))

    node.mine(timestamp=node.head().timestamp + 10, transactions=given)

    mined = node.rpc.call("eth_getBlockByNumber", "latest", False)["transactions"]
    assert mined == [to_hex(name) for name, _ in given]


@pytest.mark.parametrize("checkpoint_after", [None, 2, 5])
def test_restart__node_killed__gives_the_same_blocks(
    embedded: Any, ask: Any, deposit: Any, checkpoint_after: int | None
) -> None:
    for at in range(1, 6):
        _run(embedded, ask, deposit, blocks=range(at, at + 1))
        if at == checkpoint_after:
            embedded.node.checkpoint()
    before = embedded.hashes()

    os.kill(embedded.node.pid, signal.SIGKILL)
    embedded.node.restart()

    assert embedded.hashes() == before
    _run(embedded, ask, deposit, blocks=range(6, 7))
    assert len(embedded.hashes()) == len(before) + 1


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
def test_restart__truncated_dump__falls_back_to_the_one_before(
    embedded: Any, ask: Any, deposit: Any, kept: float
) -> None:
    _run(embedded, ask, deposit, blocks=range(1, 3))
    embedded.node.checkpoint()
    _run(embedded, ask, deposit, blocks=range(3, 5))
    embedded.node.checkpoint()
    before = embedded.hashes()
    state = embedded.folder / STATE_FILE
    whole = state.read_bytes()
    embedded.node.kill()
    state.write_bytes(whole[: int(len(whole) * kept)])

    embedded.node.restart()

    assert embedded.hashes() == before


def test_restart__both_dumps_unreadable__replays_from_the_start(embedded: Any, ask: Any, deposit: Any) -> None:
    _run(embedded, ask, deposit, blocks=range(1, 4))
    embedded.node.checkpoint()
    embedded.node.checkpoint()
    before = embedded.hashes()
    embedded.node.kill()
    for name in (STATE_FILE, PREVIOUS_FILE):
        (embedded.folder / name).write_bytes(b'{"best_block_number": 3, "blocks": "cut')

    embedded.node.restart()

    assert embedded.hashes() == before


@pytest.mark.parametrize("when", ["before", "between fact and block"])
def test_flush__node_killed__brings_it_back_and_mines_the_block_once(
    embedded: Any, ask: Any, deposit: Any, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    gateway = embedded.gateway()
    ask(embedded.record, deposit(1))
    mine = embedded.node._mine

    def killed(**arguments: Any) -> Any:
        monkeypatch.setattr(embedded.node, "_mine", mine)
        os.kill(embedded.node.pid, signal.SIGKILL)
        return mine(**arguments)

    if when == "before":
        os.kill(embedded.node.pid, signal.SIGKILL)
    else:
        monkeypatch.setattr(embedded.node, "_mine", killed)
    progress = gateway.flush(node=embedded.node, timestamp=GENESIS + 900)

    assert (progress.included, progress.failed) == (1, 0)
    assert (embedded.node.head().number, embedded.node.head().timestamp) == (2, GENESIS + 900)
    assert len(embedded.facts("block.mined")) == 2
    assert len(embedded.facts("chain.signed")) == len(embedded.deployment.addresses) + 1


def test_mine__left_overs_in_the_pool__do_not_change_the_order(embedded: Any, ask: Any, deposit: Any) -> None:
    gateway = embedded.gateway()
    ask(embedded.record, *(deposit(number) for number in range(1, 4)))
    gateway.take()
    waiting = gateway.pending()
    for item in reversed(waiting):
        embedded.node.rpc.call("eth_sendRawTransaction", "0x" + item.raw.hex())

    gateway.flush(node=embedded.node, timestamp=GENESIS + 900)

    block = embedded.node.rpc.call("eth_getBlockByNumber", "latest", False)
    assert block["transactions"] == ["0x" + item.tx_hash.hex() for item in waiting]


def test_start__service_was_killed__ends_its_node_and_goes_on(embedded: Any, ask: Any, deposit: Any) -> None:
    _run(embedded, ask, deposit, blocks=range(1, 3))
    before, orphan, url = embedded.hashes(), embedded.node.pid, embedded.node.url

    second = EmbeddedNode.start(folder=embedded.folder, record=embedded.record, settings=embedded.node.settings)

    assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == psutil.STATUS_ZOMBIE
    assert second.url == url
    assert [header.hash for header in second.rpc.headers(range(4)) if header is not None] == before
    second.kill()


def test_start__record_and_chain_disagree__refuses(embedded: Any, ask: Any, deposit: Any) -> None:
    _run(embedded, ask, deposit, blocks=range(1, 3))
    embedded.node.kill()
    with embedded.record.begin() as tx:
        tx.connection.execute(update(chain_block).where(chain_block.c.number == 2).values(hash=b"\x01" * 32))

    with pytest.raises(ReplayDiverged) as caught:
        embedded.node.restart()

    assert caught.value.number == 2


def test_checkpoint__state_left_behind__answers_for_every_log_and_receipt(
    embedded: Any, ask: Any, deposit: Any
) -> None:
    _run(embedded, ask, deposit, blocks=range(1, 80))
    embedded.node.stop()

    other = AnvilProcess.start(settings=embedded.node.settings, state=embedded.folder / STATE_FILE)
    address = "0x" + embedded.deployment.addresses["Accounts"].hex()
    logs = other.rpc.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "address": address})
    first = embedded.facts("chain.included")[0]
    receipt = other.rpc.call("eth_getTransactionReceipt", first["tx_hash"])
    other.stop()

    assert len(logs) == 79
    assert receipt["blockHash"] == first["block_hash"]


def test_checkpoint__disk_full__keeps_the_last_dump(
    embedded: Any, ask: Any, deposit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded.node.checkpoint()
    before = (embedded.folder / STATE_FILE).read_bytes()
    _run(embedded, ask, deposit, blocks=range(1, 2))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DumpNotWritten):
            embedded.node.checkpoint()

    assert (embedded.folder / STATE_FILE).read_bytes() == before
    assert embedded.node.checkpoint() == 2


def test_mine__time_not_after_the_last_block__is_refused_and_changes_nothing(embedded: Any) -> None:
    before = embedded.record.head()

    with pytest.raises(BlockTimeNotRising):
        embedded.node.mine(timestamp=embedded.node.head().timestamp, transactions=[])

    assert embedded.record.head() == before
    assert embedded.node.rpc.block_number() == 1


def test_start__parent_killed__the_node_ends_with_it() -> None:
    program = (
        "import time\n"
        "from ledger_service.chain.anvil import AnvilProcess, NodeSettings\n"
        "node = AnvilProcess.start(settings=NodeSettings(chain_id=2016, genesis_time=1_700_000_000))\n"
        "print(node.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    node = psutil.Process(int(parent.stdout.readline()))

    parent.kill()
    parent.communicate()

    gone, left = psutil.wait_procs([node], timeout=20)
    assert (len(gone), left) == (1, [])
