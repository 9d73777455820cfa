"""ganache: `python -m scripts.tools.chain_nodes.ganache` runs one that mines each transaction at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from contracts.rpc import NodeAnswerInvalid, NodeUnavailable, Rpc
from domain.hashing import to_hex
from domain.signing import SigningKey
from ledger_service.chain.errors import NodeBinaryMissing, NodeNotStarted
from ledger_service.chain.ports import free_port

CLI = Path(__file__).parents[3] / "node_modules" / "ganache" / "dist" / "node" / "cli.js"
"""ganache's program in its npm package."""

BLOCK_GAS = 1_000_000_000
"""Block gas limit."""

BALANCE_WEI = 10**24
"""Money of each account at the start; gas has a price on this chain."""

START_TIMEOUT_S = 60.0
"""How long it may take to answer after its start."""

_POLL_S = 0.1


def node_binary() -> Path:
    """Node.js: on the path, or beside this Python. Raises NodeBinaryMissing."""
    found = shutil.which("node")
    beside = Path(sys.executable).with_name("node")
    if found is None and not beside.exists():
        raise NodeBinaryMissing(name="node", package="node")
    return Path(found) if found is not None else beside


class Ganache:
    """A running ganache."""

    def __init__(self, *, process: subprocess.Popen[bytes], rpc: Rpc) -> None:
        self._process, self.rpc = process, rpc

    @classmethod
    def start(cls, *, chain_id: int, funded: Sequence[SigningKey]) -> Ganache:
        """Start one with money for these keys. Raises NodeBinaryMissing or NodeNotStarted."""
        if not CLI.exists():
            raise NodeBinaryMissing(name="ganache", package="ganache")
        port = free_port()
        accounts = [f"--wallet.accounts={to_hex(key.secret)},{BALANCE_WEI}" for key in funded]
        process = subprocess.Popen(
            [
                *(str(node_binary()), str(CLI), "--server.host=127.0.0.1", f"--server.port={port}"),
                *("--chain.hardfork=london", f"--chain.chainId={chain_id}", f"--chain.networkId={chain_id}"),
                *(f"--miner.blockGasLimit={BLOCK_GAS}", "--logging.quiet=true", *accounts),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        node = cls(process=process, rpc=Rpc(f"http://127.0.0.1:{port}"))
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                node.rpc.chain_id()
            except (NodeUnavailable, NodeAnswerInvalid):
                time.sleep(_POLL_S)
                continue
            return node
        node.stop()
        raise NodeNotStarted(reason="ganache gave no answer")

    def stop(self) -> None:
        """End it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self.rpc.close()


def main() -> int:
    """Run one until it is interrupted; prints its address."""
    node = Ganache.start(chain_id=1337, funded=[])
    try:
        sys.stdout.write(f"{node.rpc.url}\n")
        sys.stdout.flush()
        while True:
            time.sleep(3_600)
    except KeyboardInterrupt:
        return 0
    finally:
        node.stop()


if __name__ == "__main__":
    raise SystemExit(main())
