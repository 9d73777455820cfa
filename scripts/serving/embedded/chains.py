"""The chain that an embedded run works on: its own, or that of the run which it takes over from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from contracts.deploy import Deployment
from contracts.rpc import Rpc
from domain.signing import SigningKey
from ledger_service.chain.anvil import NodeSettings
from ledger_service.chain.embedded import EmbeddedNode
from ledger_service.chain.gateway import Gateway
from ledger_service.chain.profile import BORROWED, EMBEDDED, ChainProfile
from ledger_service.chain.setup import deploy_embedded
from ledger_service.clock import ManualClock
from ledger_service.record import Record
from ledger_service.stage import Stage
from scripts.community.run_config import RunConfig
from scripts.serving.api_client import ApiClient, open_http
from scripts.serving.deployment_file import checked_deployment, read_deployment_file, write_deployment
from scripts.serving.embedded.following_loop import FollowingLoop
from scripts.serving.embedded.keys import load_key
from scripts.serving.embedded.market_loop import MarketLoop
from scripts.serving.embedded.run_folder import CHAIN_FOLDER, CHAIN_ID, KEYS_FOLDER, node_url, read_config
from scripts.serving.needs import given_path
from scripts.serving.organisations import deployment_config
from scripts.serving.settings import Settings


class Loop(Protocol):
    """What runs stages and gateway, and lets market time go on."""

    def start(self) -> None:
        """Begin."""
        ...

    def stop(self) -> None:
        """Finish the turn in hand and end."""
        ...

    def failure(self) -> str | None:
        """The code of what made the last turn fail; None while the loop goes on."""
        ...

    def advance_to(self, to: int) -> int:
        """Let market time reach `to` (unix seconds); the time reached once all that is due by then is done."""
        ...


class RunChain(Protocol):
    """A chain with the contracts of a run."""

    profile: ChainProfile
    """How transactions are sent to it."""

    @property
    def rpc(self) -> Rpc:
        """Its node, the same object while the run lasts."""
        ...

    def head_time(self) -> int:
        """Block time of the newest block, unix seconds. Raises NodeUnavailable."""
        ...

    def deployment(self, settings: Settings, *, key: SigningKey) -> Deployment:
        """The contracts of this run. Raises what is wrong with them."""
        ...

    def loop(self, *, stages: Sequence[Stage], gateway: Gateway, clock: ManualClock) -> Loop:
        """What works on this chain."""
        ...

    def stop(self) -> None:
        """Leave it."""
        ...


class OwnChain:
    """A chain whose blocks this service makes, and whose state it keeps."""

    profile = EMBEDDED

    def __init__(self, state: Path, config: RunConfig, *, record: Record) -> None:
        self._record, self._genesis = record, config.genesis
        settings = NodeSettings(chain_id=CHAIN_ID, genesis_time=config.genesis)
        self._node = EmbeddedNode.start(folder=state / CHAIN_FOLDER, record=record, settings=settings)

    @property
    def rpc(self) -> Rpc:
        """The embedded node."""
        return self._node.rpc

    def head_time(self) -> int:
        """Block time of the newest block."""
        return self._node.head().timestamp

    def deployment(self, settings: Settings, *, key: SigningKey) -> Deployment:
        """The deployment: made on the first start, read from its file after. Market time begins at genesis."""
        path = given_path(settings.chain.deployment_file)
        if path.exists():
            return read_deployment_file(path)
        wanted = deployment_config(settings, block_time=self._genesis)
        timestamp = self.head_time() + 1
        deployed = deploy_embedded(record=self._record, node=self._node, config=wanted, key=key, timestamp=timestamp)
        write_deployment(path, deployed)
        return deployed

    def loop(self, *, stages: Sequence[Stage], gateway: Gateway, clock: ManualClock) -> MarketLoop:
        """The loop that mines too."""
        loop = MarketLoop(stages=stages, gateway=gateway, node=self._node, clock=clock)
        self._record.call_when_appended(loop.wake)
        return loop

    def stop(self) -> None:
        """Write the chain's state and end the node."""
        self._node.stop()


class BorrowedChain:
    """The chain of the run in another folder, whose service makes the blocks and is asked to let market time go on."""

    profile = BORROWED

    def __init__(self, before: Path) -> None:
        self._before = before
        self.rpc = Rpc(node_url(before))
        http = open_http(read_config(before).service_url)
        self._service = ApiClient(http=http, key=load_key(before / KEYS_FOLDER, "operator"))
        self._http = http

    def head_time(self) -> int:
        """Block time of the newest block; the node is looked for anew where that run has moved it."""
        url = node_url(self._before)
        if url != self.rpc.url:
            self.rpc.move(url)
        header = self.rpc.header()
        return 0 if header is None else header.timestamp

    def deployment(self, settings: Settings, *, key: SigningKey) -> Deployment:
        """The contracts that `dominoes handover prepare` brought here; its key has no part in it any more."""
        return checked_deployment(given_path(settings.chain.deployment_file), rpc=self.rpc)

    def loop(self, *, stages: Sequence[Stage], gateway: Gateway, clock: ManualClock) -> FollowingLoop:
        """The loop that follows the other run's blocks."""
        return FollowingLoop(stages=stages, gateway=gateway, clock=clock, chain=self)

    def advance_to(self, to: int) -> None:
        """Have the other service let market time reach `to`, unless it is later already. Raises ApiAway."""
        self._service.post("/v1/clock", {"advance_to": to})

    def stop(self) -> None:
        """Close what is open to the other run."""
        self._http.close()
        self.rpc.close()


def chain_of(state: Path, config: RunConfig, *, record: Record) -> RunChain:
    """The chain that a run works on. Raises what keeps a node from starting."""
    if config.predecessor is None:
        return OwnChain(state, config, record=record)
    return BorrowedChain(Path(config.predecessor))
