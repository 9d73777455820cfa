"""Starting and ending anvil, the embedded chain node, as a child process on a loopback port of its choice."""

from __future__ import annotations

import platform
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from contracts.rpc import NodeAnswerInvalid, NodeUnavailable, Rpc
from ledger_service.chain.errors import NodeBinaryMissing, NodeNotStarted
from ledger_service.chain.ports import free_port

BLOCK_GAS_LIMIT = 10_000_000_000
"""Gas of one block of the embedded chain: a whole day's transactions fit, so one block is one step of market time."""

HISTORY_BLOCKS = 64
"""States of past blocks anvil keeps in memory; logs, receipts and blocks are kept for ever, whatever this is."""

START_TIMEOUT_S = 60.0
"""How long a node may take to answer after its start; loading a year of blocks takes seconds."""

STOP_TIMEOUT_S = 10.0
"""How long a node may take to end before it is killed."""

_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What makes two nodes' chains equal block for block. `genesis_time` is unix seconds."""

    chain_id: int
    genesis_time: int

    def arguments(self) -> list[str]:
        """anvil's options: London, no mining of its own, no prices, first come first served."""
        return [
            *("--chain-id", str(self.chain_id), "--timestamp", str(self.genesis_time)),
            *("--hardfork", "london", "--no-mining", "--order", "fifo"),
            *("--gas-limit", str(BLOCK_GAS_LIMIT), "--base-fee", "0", "--gas-price", "0"),
            *("--accounts", "0", "--disable-default-create2-deployer"),
            *("--prune-history", str(HISTORY_BLOCKS), "--no-request-size-limit", "--no-cors", "--quiet"),
        ]


def anvil_package() -> str:
    """The npm package that holds the native anvil of this machine."""
    system = platform.system().lower()
    machine = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    return f"@foundry-rs/anvil-{system}-{machine}"


def anvil_binary() -> Path:
    """The native anvil of this machine: of the checkout's node tools, of the folder at hand, or of the PATH.

    npm's `anvil` command is a script that starts the native program as a child; killing the script would leave the
    node running, so the native program is started itself. Raises NodeBinaryMissing.
    """
    for folder in (Path(__file__).parents[2], Path.cwd()):
        binary = folder / "node_modules" / anvil_package() / "bin" / "anvil"
        if binary.exists():
            return binary
    found = shutil.which("anvil")
    if found is None:
        raise NodeBinaryMissing(name="anvil", package=anvil_package())
    return Path(found)


def _guard(pid: int) -> subprocess.Popen[bytes]:
    """A shell that ends the node when this process is gone, however it ended: then the pipe it reads from closes."""
    return subprocess.Popen(
        ["/bin/sh", "-c", f"read _; kill -9 {pid}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


class AnvilProcess:
    """A running anvil."""

    def __init__(self, *, process: subprocess.Popen[bytes], rpc: Rpc) -> None:
        self._process = process
        self._guard = _guard(process.pid)
        self.rpc = rpc

    @classmethod
    def start(
        cls, *, settings: NodeSettings, state: Path | None = None, port: int = 0, rpc: Rpc | None = None
    ) -> AnvilProcess:
        """Start a node, on a given state where there is one, and wait until it answers. Raises NodeNotStarted.

        An `rpc` that is given moves to the new node.
        """
        chosen = port or free_port()
        command = [str(anvil_binary()), "--host", "127.0.0.1", "--port", str(chosen), *settings.arguments()]
        if state is not None:
            command += ["--load-state", str(state)]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        endpoint = rpc or Rpc("")
        endpoint.move(f"http://127.0.0.1:{chosen}")
        node = cls(process=process, rpc=endpoint)
        node._wait()
        return node

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                message = self._process.stderr.read().decode("utf-8", "replace")[-300:] if self._process.stderr else ""
                raise NodeNotStarted(reason=f"it ended with {self._process.returncode}: {message.strip()}")
            try:
                self.rpc.chain_id()
            except (NodeUnavailable, NodeAnswerInvalid):
                time.sleep(_POLL_S)
                continue
            return
        self.kill()
        raise NodeNotStarted(reason=f"no answer within {START_TIMEOUT_S:.0f} s")

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the node, politely first."""
        if self.alive():
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._finish()

    def kill(self) -> None:
        """End the node at once (SIGKILL)."""
        self._process.kill()
        self._finish()

    def _finish(self) -> None:
        self._guard.kill()
        self._guard.communicate()
        self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()
        self.rpc.close()
