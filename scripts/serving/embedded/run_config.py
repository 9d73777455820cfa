"""What one run of the embedded system is: grid, market, keys, ports. Written once into the state folder, then read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from domain.errors import DominoesError
from scripts.serving.settings import (
    DEFAULT_ATTEST_SECONDS,
    DEFAULT_CLEAR_SECONDS,
    DEFAULT_CUT_OFF_SECONDS,
    DEFAULT_DEMO_CHALLENGE_SECONDS,
    DEFAULT_GATE_LOCAL,
    DEFAULT_GRACE_SECONDS,
    DEFAULT_HORIZON_SECONDS,
    DEFAULT_LOT_WH,
    DEFAULT_SIGN_SECONDS,
    DEFAULT_TICK_NEUR_PER_WH,
    DEFAULT_ZONE,
)

CONFIG_FILE = "run.json"
KEYS_FOLDER = "keys"
RECORD_FILE = "service.sqlite"
CHAIN_FOLDER = "chain"
COMMUNITY_FILE = "community.sqlite"
DEPLOYMENT_FILE = "deployment.json"
LOGS_FOLDER = "logs"

ZONE = DEFAULT_ZONE
"""Zone of gates and local days in simbench areas."""

CHAIN_ID = 1_337_015
"""Chain id of embedded chains; no public network uses it."""

ATTESTER_NAMES = ("attester-1", "attester-2", "attester-3")
ATTESTER_THRESHOLD = 2
"""Attesters that must agree (m of n, here 2 of 3), each of another organisation."""

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


@dataclass(frozen=True)
class RunConfig:
    """Market design and ports of a run. Seconds are market time; `genesis` is market time of the first block.

    With `later_gate_local` the area has a second auction, in which people correct what the first one left them with.
    """

    grid: str
    area: str
    pv_permille: int
    genesis: int
    first_day: str
    last_day: str | None
    http_port: int
    mqtt_port: int
    lot_wh: int = DEFAULT_LOT_WH
    tick_neur_per_wh: int = DEFAULT_TICK_NEUR_PER_WH
    gate_local: str = DEFAULT_GATE_LOCAL
    later_gate_local: str | None = None
    grace_seconds: int = DEFAULT_GRACE_SECONDS
    sign_seconds: int = DEFAULT_SIGN_SECONDS
    clear_seconds: int = DEFAULT_CLEAR_SECONDS
    attest_seconds: int = DEFAULT_ATTEST_SECONDS
    horizon_seconds: int = DEFAULT_HORIZON_SECONDS
    challenge_seconds: int = DEFAULT_DEMO_CHALLENGE_SECONDS
    cut_off_seconds: int = DEFAULT_CUT_OFF_SECONDS

    @property
    def market(self) -> str:
        """Code of the day-ahead market of the area, the first to close."""
        return f"{self.area}/DA"

    @property
    def gates_local(self) -> dict[str, str]:
        """Local gate of each market, in the order of the gates."""
        later = {} if self.later_gate_local is None else {f"{self.area}/DA2": self.later_gate_local}
        return {self.market: self.gate_local, **later}

    @property
    def service_url(self) -> str:
        """Where the API answers."""
        return f"http://127.0.0.1:{self.http_port}"


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
