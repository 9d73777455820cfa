"""The chain that a day left beside its bundles, and a node on it for who verifies them."""

from __future__ import annotations

import json
from pathlib import Path

from domain.errors import DominoesError
from ledger_service.chain.anvil import AnvilProcess, NodeSettings
from ledger_service.chain.embedded import SETTINGS_FILE, STATE_FILE
from scripts.serving.embedded.run_folder import CHAIN_FOLDER


class NoChain(DominoesError):
    """No node was given and there is no chain state beside the bundle."""

    code = "no-chain"

    def __init__(self, *, looked: Path) -> None:
        self.looked = looked
        super().__init__(f"no chain state at {looked}; give a node with --rpc URL (make: RPC=URL)")


def chain_state_of(bundle: Path) -> Path:
    """The chain folder of the day that wrote this bundle. Raises NoChain."""
    for parent in bundle.resolve().parents:
        chain = parent / "state" / CHAIN_FOLDER
        if (chain / STATE_FILE).exists():
            return chain
    raise NoChain(looked=bundle.resolve().parent.parent / "state" / CHAIN_FOLDER)


def start_node(chain: Path) -> AnvilProcess:
    """A node on the state that a day left, on a free port of this machine; the state itself is not changed."""
    settings = NodeSettings(**json.loads((chain / SETTINGS_FILE).read_text()))
    return AnvilProcess.start(settings=settings, state=chain / STATE_FILE)
