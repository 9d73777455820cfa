"""The state folder of an embedded run: what its files are called, whose keys lie in it, the settings written once."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from domain.errors import DominoesError
from ledger_service.chain.embedded import PROCESS_FILE
from scripts.community.run_config import ATTESTER_NAMES, RunConfig

CONFIG_FILE = "run.json"
KEYS_FOLDER = "keys"
RECORD_FILE = "service.sqlite"
CHAIN_FOLDER = "chain"
COMMUNITY_FILE = "community.sqlite"
DEPLOYMENT_FILE = "deployment.json"
POLICIES_FOLDER = "policies"
LOGS_FOLDER = "logs"

CHAIN_ID = 1_337_015
"""Chain id of embedded chains; no public network uses it."""

SECURITY_ADMINS = ("security-admin", "second-security-admin")
"""Security admins, each of another organisation: one proposes a change of roles, another must agree."""

ORGANISATION_KEYS = (
    "operator",
    "dso",
    *ATTESTER_NAMES,
    "treasurer",
    "registrar",
    *SECURITY_ADMINS,
    "auditor",
    "deployer",
)
"""Keys of organisations; `deployer` has no right once the contracts stand."""

ACCOUNT_KEYS = ("retailer", "retailer-orders", "dso-account", "tax")
"""Keys of the settlement accounts that are no household, and the retailer's order key."""

HOUSEHOLD_KEYS = ("prosumer", "prosumer-orders")
"""Account key and order key of the first household, kept where one who writes a trading client finds them."""


class StateMissing(DominoesError):
    """There is no run in this folder."""

    code = "state-missing"

    def __init__(self, *, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"{folder} holds no run; start one with `make run` or `dominoes up`")


def write_config(state: Path, config: RunConfig) -> None:
    """Write the configuration so that after a crash it is there whole or not at all."""
    state.mkdir(parents=True, exist_ok=True)
    partial = state / f"{CONFIG_FILE}.partial"
    partial.write_text(json.dumps(asdict(config), indent=1, sort_keys=True))
    partial.rename(state / CONFIG_FILE)


def read_config(state: Path) -> RunConfig:
    """The configuration of the run in this folder. Raises StateMissing."""
    path = state / CONFIG_FILE
    if not path.exists():
        raise StateMissing(folder=state)
    return RunConfig(**json.loads(path.read_text()))


def node_url(state: Path) -> str:
    """Where the node of this run's chain answers JSON-RPC: its own, or that of the run which it takes over from.

    Raises StateMissing.
    """
    before = read_config(state).predecessor
    if before is not None:
        return node_url(Path(before))
    return f"http://127.0.0.1:{json.loads((state / CHAIN_FOLDER / PROCESS_FILE).read_text())['port']}"
