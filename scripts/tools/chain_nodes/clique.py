"""A permissioned geth Clique network on loopback.

`python -m scripts.tools.chain_nodes.clique FOLDER` runs four sealers.

Keys are made anew for each network; accounts given by the caller have money in the genesis block.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coincurve import PrivateKey
from eth_account import Account

from contracts.rpc import NodeAnswerInvalid, NodeUnavailable, Rpc
from domain.hashing import to_hex
from domain.signing import SigningKey
from ledger_service.chain.errors import NodeNotStarted
from ledger_service.chain.ports import free_port
from scripts.tools.chain_nodes.geth import geth_binary

SEALERS = 4
"""Fewest sealers of which one may be down or lie while blocks still become final."""

BLOCK_SECONDS = 1
"""Block period."""

BLOCK_GAS = 1_000_000_000
"""Block gas limit of the genesis, and what sealers keep it at."""

GENESIS_BALANCE_WEI = 10**27
"""Money of each account in the genesis: gas is paid to the sealers, and must never run out."""

START_TIMEOUT_S = 60.0
"""How long a node may take to answer after its start."""

_PASSWORD = "clique"  # noqa: S105 - unlocks keys that live as long as the test network
_POLL_S = 0.1


@dataclass(frozen=True)
class Sealer:
    """One node: its folder, its sealing key, its network key and its ports."""

    folder: Path
    key: SigningKey
    node_key: bytes
    p2p_port: int
    http_port: int
    auth_port: int

    @property
    def enode(self) -> str:
        """How its peers find it."""
        public = PrivateKey(self.node_key).public_key.format(compressed=False)[1:].hex()
        return f"enode://{public}@127.0.0.1:{self.p2p_port}?discport=0"

    @property
    def url(self) -> str:
        """Its JSON-RPC."""
        return f"http://127.0.0.1:{self.http_port}"


def genesis(*, chain_id: int, sealers: Sequence[bytes], funded: Sequence[bytes]) -> dict[str, object]:
    """The genesis of a London Clique chain."""
    forks = ("homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul")
    config: dict[str, object] = {f"{fork}Block": 0 for fork in (*forks, "berlin", "london")}
    extra = bytes(32) + b"".join(sorted(sealers)) + bytes(65)
    return {
        "config": {**config, "chainId": chain_id, "clique": {"period": BLOCK_SECONDS, "epoch": 30_000}},
        "difficulty": "0x1",
        "gasLimit": hex(BLOCK_GAS),
        "extraData": to_hex(extra),
        "alloc": {address.hex(): {"balance": str(GENESIS_BALANCE_WEI)} for address in (*sealers, *funded)},
    }


class CliqueNetwork:
    """Sealers as child processes. Any of them can be killed and started again."""

    def __init__(self, *, folder: Path, chain_id: int, funded: Sequence[bytes], count: int = SEALERS) -> None:
        self.chain_id = chain_id
        self._geth = geth_binary()
        self.sealers = [
            Sealer(
                folder=folder / f"sealer{at}",
                key=SigningKey.generate(),
                node_key=SigningKey.generate().secret,
                p2p_port=free_port(),
                http_port=free_port(),
                auth_port=free_port(),
            )
            for at in range(1, count + 1)
        ]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        chain = genesis(chain_id=chain_id, sealers=[sealer.key.address for sealer in self.sealers], funded=funded)
        (folder / "genesis.json").write_text(json.dumps(chain))
        for sealer in self.sealers:
            self._prepare(sealer, folder / "genesis.json")

    def _prepare(self, sealer: Sealer, chain: Path) -> None:
        keystore = sealer.folder / "keystore"
        keystore.mkdir(parents=True)
        encrypted = Account.encrypt(sealer.key.secret, _PASSWORD, iterations=2)
        (keystore / "key.json").write_text(json.dumps(encrypted))
        (sealer.folder / "password").write_text(_PASSWORD)
        (sealer.folder / "nodekey").write_text(sealer.node_key.hex())
        peers = ", ".join(f'"{other.enode}"' for other in self.sealers if other is not sealer)
        (sealer.folder / "config.toml").write_text(
            "[Node.P2P]\nNoDiscovery = true\nMaxPeers = 25\n"
            f'ListenAddr = "127.0.0.1:{sealer.p2p_port}"\nStaticNodes = [{peers}]\nTrustedNodes = [{peers}]\n'
        )
        command = [str(self._geth), "--datadir", str(sealer.folder), "init", str(chain)]
        subprocess.run(command, check=True, capture_output=True)

    def start(self) -> None:
        """Start all sealers and wait until they make one chain together. Raises NodeNotStarted."""
        for at in range(len(self.sealers)):
            self.start_one(at)
        self.wait_for_agreement(block=2, timeout_s=START_TIMEOUT_S)

    def start_one(self, at: int) -> None:
        """Start one sealer and wait until it answers. Raises NodeNotStarted."""
        sealer = self.sealers[at]
        log = (sealer.folder / "log.txt").open("ab")
        self._processes[at] = subprocess.Popen(
            [str(self._geth), *self._arguments(sealer)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._processes[at].poll() is not None:
                raise NodeNotStarted(reason=(sealer.folder / "log.txt").read_text("utf-8", "replace")[-500:])
            try:
                self.rpc(at).chain_id()
            except (NodeUnavailable, NodeAnswerInvalid):
                time.sleep(_POLL_S)
                continue
            return
        raise NodeNotStarted(reason=f"sealer {at} gave no answer within {START_TIMEOUT_S:.0f} s")

    def _arguments(self, sealer: Sealer) -> list[str]:
        address = to_hex(sealer.key.address)
        return [
            *("--datadir", str(sealer.folder), "--config", str(sealer.folder / "config.toml")),
            *("--networkid", str(self.chain_id), "--nodekey", str(sealer.folder / "nodekey"), "--nat", "none"),
            *("--http", "--http.addr", "127.0.0.1", "--http.port", str(sealer.http_port)),
            *("--http.api", "eth,net,web3,clique,txpool", "--authrpc.port", str(sealer.auth_port), "--ipcdisable"),
            *("--mine", "--miner.etherbase", address, "--unlock", address, "--allow-insecure-unlock"),
            *("--password", str(sealer.folder / "password"), "--miner.gaslimit", str(BLOCK_GAS)),
            *("--miner.gasprice", "1", "--txpool.pricelimit", "1", "--syncmode", "full", "--gcmode", "archive"),
            *("--cache", "64", "--verbosity", "2", "--rpc.txfeecap", "0", "--rpc.gascap", "0"),
        ]

    def rpc(self, at: int) -> Rpc:
        """A sealer's JSON-RPC."""
        return Rpc(self.sealers[at].url)

    def wait_for_agreement(self, *, block: int, timeout_s: float) -> None:
        """Wait until all running sealers have the same block of this number. Raises NodeNotStarted.

        Sealers that start at the same moment each make a first block; they agree once one chain is the heaviest.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            headers = [self.rpc(at).header(block) for at in self._processes]
            if None not in headers and len({header.hash for header in headers if header is not None}) == 1:
                return
            time.sleep(_POLL_S)
        raise NodeNotStarted(reason=f"sealers did not agree on block {block} within {timeout_s:.0f} s")

    def kill(self, at: int) -> None:
        """End one sealer at once (SIGKILL)."""
        process = self._processes.pop(at)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """End all sealers."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()


def main(arguments: Sequence[str]) -> int:
    """Run a network until it is interrupted; prints one address per sealer."""
    network = CliqueNetwork(folder=Path(arguments[0]), chain_id=2016, funded=[])
    network.start()
    try:
        for sealer in network.sealers:
            sys.stdout.write(f"{sealer.url} sealer {to_hex(sealer.key.address)}\n")
        sys.stdout.flush()
        while True:
            time.sleep(3_600)
    except KeyboardInterrupt:
        return 0
    finally:
        network.stop()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
