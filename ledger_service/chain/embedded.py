"""The embedded node: anvil under the service's hand, whose chain the record can make again, block for block.

Before a block is mined, its number, time and transactions are a fact (`block.mined`); the transactions themselves are
stored. So whatever the node loses (it is killed, its dump is cut), the same blocks with the same hashes come again:
the last dump that can be read is loaded, and what came after it is replayed.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import structlog
from sqlalchemy import select

from contracts.rpc import (
    BlockHeader,
    NodeAnswerInvalid,
    NodeUnavailable,
    Rpc,
    RpcError,
    as_bytes,
    as_int,
    header_of,
)
from domain.facts import BlockMined
from domain.hashing import keccak, to_hex
from ledger_service.chain import stored_transactions
from ledger_service.chain.anvil import AnvilProcess, NodeSettings
from ledger_service.chain.errors import BlockTimeNotRising, CameEarly, DumpNotWritten, NodeNotStarted, ReplayDiverged
from ledger_service.chain.pool import Pool
from ledger_service.chain.ports import free_port, is_free
from ledger_service.chain.tables import chain_block
from ledger_service.record import Record

STATE_FILE = "state.json"
"""The last validated dump: anvil's own form, so that `anvil --load-state` reads it."""

PREVIOUS_FILE = "state.previous.json"
"""The validated dump before it, in case the last one can't be read."""

PROCESS_FILE = "node.json"
"""Process id and port of the running node, so that a node left behind by a killed service is ended first."""

SETTINGS_FILE = "settings.json"
"""The options that make the chain what it is; written once."""

_REPLAY_ENTRIES = 500

_log = structlog.get_logger(__name__)

MinedTransaction = tuple[bytes, bytes]
"""Hash and signed bytes."""


class EmbeddedNode:
    """A chain node that lives with the service and loses nothing. One owner at a time."""

    def __init__(self, *, folder: Path, record: Record, settings: NodeSettings) -> None:
        self.folder, self.settings = folder, settings
        self._record = record
        self._rpc = Rpc("")
        self._pool = Pool(record=record, rpc=self._rpc)
        self._process: AnvilProcess | None = None
        self._last: BlockHeader | None = None
        self._whole = False
        """whether the node has every block that the record has"""

    @classmethod
    def start(cls, *, folder: Path, record: Record, settings: NodeSettings) -> EmbeddedNode:
        """Start, or start again where the record left off.

        This function will end a node that a killed service left behind, load the last readable dump, and replay the
        record's later blocks. Raises NodeNotStarted, NodeBinaryMissing or ReplayDiverged. The chain's options are
        kept in `folder`; those of an existing chain win over `settings`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        node = cls(folder=folder, record=record, settings=_kept_settings(folder, settings))
        node.restart()
        return node

    def restart(self) -> None:
        """Bring the node back after it died, at the block where the record stands."""
        port = self._end_leftover()
        for state in (self.folder / STATE_FILE, self.folder / PREVIOUS_FILE, None):
            if state is not None and not _readable(state):
                continue
            try:
                self._process = AnvilProcess.start(settings=self.settings, state=state, port=port, rpc=self._rpc)
                self._replay()
                self._write_process_file()
            except (NodeNotStarted, ReplayDiverged):
                self.kill()
                if state is None:
                    raise
                _log.warning("chain.dump_refused", dump=state.name)
                continue
            except BaseException:
                self.kill()  # half a chain must not pass for a whole one
                raise
            self._whole = True
            return

    @property
    def rpc(self) -> Rpc:
        """The node's JSON-RPC, the same object over restarts; its address stays the same while its port is free."""
        return self._rpc

    @property
    def url(self) -> str:
        """Address of the JSON-RPC endpoint, for others on this machine."""
        return self.rpc.url

    @property
    def pid(self) -> int:
        """Process id of the node."""
        return self._running().pid

    def alive(self) -> bool:
        """Whether the node's process runs."""
        return self._process is not None and self._process.alive()

    def mine(self, *, timestamp: int, transactions: Sequence[MinedTransaction]) -> BlockHeader:
        """Mine one block at this block time (unix seconds) with these transactions, in this order.

        Before them come those that strangers have sent to the node: a holder needs nobody to use a right.

        The fact comes first: a crash after it is made good by the replay. A node that died, or did not take the block
        of an earlier fact, is started again here, before or after the fact. Raises BlockTimeNotRising, NodeNotStarted.
        """
        if not self.alive() or not self._whole:
            self.restart()
        last = self.head()
        if timestamp <= last.timestamp:
            raise BlockTimeNotRising(last=last.timestamp, given=timestamp)
        others = self._pool.others()
        first = (keccak(raw) for raw in others)
        hashes = (*first, *(tx_hash for tx_hash, _ in transactions))
        block = BlockMined(number=last.number + 1, timestamp=timestamp, transactions=hashes, others=others)
        with self._record.begin() as tx:
            tx.append(block)
        self._whole = False
        try:
            self._last = self._mine(timestamp=timestamp, raws=[*others, *(raw for _, raw in transactions)])
            self._whole = True
        except (NodeUnavailable, NodeAnswerInvalid, RpcError) as error:
            _log.warning("chain.block_not_taken", block=block.number, reason=str(error))
            self.restart()
            for raw in error.waiting if isinstance(error, CameEarly) else ():
                self._send(raw)
        return self.head()

    def has_others(self) -> bool:
        """Whether transactions of strangers wait in the node for a block."""
        return self.alive() and self._whole and bool(self._pool.others())

    def head(self) -> BlockHeader:
        """The newest block."""
        if self._last is None:
            self._last = _required(self.rpc, "latest")
        return self._last

    def _mine(self, *, timestamp: int, raws: Sequence[bytes]) -> BlockHeader:
        rpc, listed = self.rpc, [keccak(raw) for raw in raws]
        rest = self._pool.rest(listed=listed)
        # Left-overs of an interrupted attempt would come first and change the order within the block.
        rpc.call("anvil_dropAllTransactions")
        for raw in raws:  # one by one: of a batch of more than 64 anvil keeps the order no longer
            self._send(raw)
        rpc.call("evm_mine", hex(timestamp))
        block = rpc.call("eth_getBlockByNumber", "latest", False)
        mined = [as_bytes(tx_hash) for tx_hash in block["transactions"]]
        early = [tx_hash for tx_hash in mined if tx_hash not in listed]
        # One that its sender sent again meanwhile is listed, and may yet have come before its turn.
        if early or mined != [tx_hash for tx_hash in listed if tx_hash in mined]:
            raise CameEarly(url=self.url, waiting=(*rest, *self._pool.raw(early)))
        for raw in rest:
            self._send(raw)
        return _header(block, url=self.url)

    def _send(self, raw: bytes) -> None:
        try:
            self.rpc.call("eth_sendRawTransaction", to_hex(raw))
        except RpcError as error:
            _log.error("chain.refused", error=error.message)

    def checkpoint(self) -> int:
        """Write a dump of the chain, check it, and put it in the place of the last one; returns its block number.

        A crash at any point leaves a dump that can be read. Raises DumpNotWritten where the disk refuses it, and
        NodeAnswerInvalid where the dump is not whole.
        """
        head = self.head()
        packed = as_bytes(self.rpc.call("anvil_dumpState"))
        plain = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed
        if as_int(json.loads(plain)["best_block_number"]) != head.number:
            raise NodeAnswerInvalid(url=self.url, reason="its dump does not reach its newest block")
        fresh = self.folder / f"{STATE_FILE}.new"
        _write_durably(fresh, plain)
        current = self.folder / STATE_FILE
        if current.exists():
            os.replace(current, self.folder / PREVIOUS_FILE)
        os.replace(fresh, current)
        return head.number

    def stop(self) -> None:
        """Checkpoint where possible, then end the node."""
        if self.alive():
            self.checkpoint()
            self._running().stop()
        self._forget()

    def kill(self) -> None:
        """End the node at once, without a checkpoint."""
        if self._process is not None:
            self._process.kill()
        self._forget()

    def _forget(self) -> None:
        self._process, self._last, self._whole = None, None, False

    def _running(self) -> AnvilProcess:
        if self._process is None:
            raise NodeNotStarted(reason="it was stopped")
        return self._process

    def _replay(self) -> None:
        """Mine what the record has and the node lacks, and compare the hashes of all blocks the record knows."""
        self._last = _required(self.rpc, "latest")
        after = 0
        while True:
            entries = self._record.entries(after=after, kinds=[BlockMined], limit=_REPLAY_ENTRIES)
            for entry in entries:
                block = entry.as_a(BlockMined)
                if block.number > self._last.number:
                    self._last = self._replay_block(block)
            if len(entries) < _REPLAY_ENTRIES:
                break
            after = entries[-1].sequence
        self._compare()

    def _replay_block(self, block: BlockMined) -> BlockHeader:
        with self._record.read() as connection:
            raws = stored_transactions.raw_by_hash(connection, block.transactions)
        raws |= {keccak(raw): raw for raw in block.others}
        return self._mine(timestamp=block.timestamp, raws=[raws[tx_hash] for tx_hash in block.transactions])

    def _compare(self) -> None:
        with self._record.read() as connection:
            known = connection.execute(select(chain_block.c.number, chain_block.c.hash)).all()
        headers = self.rpc.headers(row.number for row in known)
        for row, header in zip(known, headers, strict=True):
            found = b"" if header is None else header.hash
            if found != row.hash:
                raise ReplayDiverged(number=row.number, expected=row.hash, found=found)

    def _write_process_file(self) -> None:
        running = self._running()
        data = {"pid": running.pid, "port": int(running.rpc.url.rsplit(":", 1)[1])}
        _write_durably(self.folder / PROCESS_FILE, json.dumps(data).encode("ascii"))

    def _end_leftover(self) -> int:
        """End a node of this folder that still runs; returns its port if it is free now, else another one."""
        path = self.folder / PROCESS_FILE
        try:
            data = json.loads(path.read_bytes())
            pid, port = int(data["pid"]), int(data["port"])
        except (OSError, ValueError, KeyError):
            return free_port()
        if self._process is not None:
            self.kill()
        else:
            _kill_if_node(pid=pid, port=port)
        return port if is_free(port) else free_port()


def _required(rpc: Rpc, at: int | str) -> BlockHeader:
    return _header(rpc.call("eth_getBlockByNumber", at, False), url=rpc.url)


def _header(block: Any, *, url: str) -> BlockHeader:
    header = header_of(block)
    if header is None:
        raise NodeAnswerInvalid(url=url, reason="it lacks a block that it must have")
    return header


def _kept_settings(folder: Path, wanted: NodeSettings) -> NodeSettings:
    path = folder / SETTINGS_FILE
    if path.exists():
        return NodeSettings(**json.loads(path.read_bytes()))
    _write_durably(path, json.dumps(asdict(wanted)).encode("ascii"))
    return wanted


def _readable(state: Path) -> bool:
    """Whether a dump is whole JSON with blocks in it; a cut one is not."""
    try:
        return "best_block_number" in json.loads(state.read_bytes())
    except (OSError, ValueError):
        return False


def _write_durably(path: Path, data: bytes) -> None:
    """Write a file so that after a crash it is either the old one or the new one."""
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise DumpNotWritten(path=str(path), reason=error.strerror or str(error)) from error
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _kill_if_node(*, pid: int, port: int) -> None:
    try:
        process = psutil.Process(pid)
        command = process.cmdline()
        if any("anvil" in part for part in command[:2]) and str(port) in command:
            process.kill()
            process.wait(10)
    except psutil.Error:
        return
