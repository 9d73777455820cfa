"""An embedded run as a whole: state folder, keys, service, attesters, and the town that trades in it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx

from domain.mtu import MTU_SECONDS, local_midnight
from ledger_service.chain.ports import free_port
from oracle.transactions import open_read_only
from scripts.community.grids import Community, load_community
from scripts.community.run_config import ATTESTER_NAMES, ZONE, RunConfig
from scripts.community.store import DeviceStore
from scripts.community.town import Town
from scripts.serving.api_client import open_http
from scripts.serving.embedded.keys import keep_keys, keystore_of, load_keys, make_keys, password_file_of
from scripts.serving.embedded.processes import Child, end_leftovers, python_module, wait_for_health, wait_until_ready
from scripts.serving.embedded.run_desk import desk_in
from scripts.serving.embedded.run_folder import (
    ACCOUNT_KEYS,
    COMMUNITY_FILE,
    CONFIG_FILE,
    DEPLOYMENT_FILE,
    HOUSEHOLD_KEYS,
    KEYS_FOLDER,
    LOGS_FOLDER,
    ORGANISATION_KEYS,
    node_url,
    read_config,
    write_config,
)
from scripts.serving.settings import DemoSection

ATTESTERS_FOLDER = "attesters"
"""Where the attesters' own folders lie, by name."""

ATTESTER_STORE = "store.sqlite"

LEAD_SECONDS = 6 * 3_600
"""How long before local noon of the eve a fresh run begins: six in the morning, time enough to register and order."""

PERMILLE = 1_000
"""The PV factor of a run is kept in thousandths."""

CUT_OFF_SECONDS = 300
"""Market seconds after the end of a step's last MTU until its readings are proposed."""

PROPOSER_TIMEOUT_SECONDS = 5.0
"""Wall seconds before the next attester takes a proposal over; demos have all three on one busy machine."""

POLL_SECONDS = 0.1
"""Wall seconds between an attester's questions for market time: a demo's quarter of an hour may pass in one."""

SETTLEMENT_SECONDS = 0.5
"""Wall seconds between an attester's questions for settlements to sign, so that nobody waits for a demo's end."""


def fresh_config(
    demo: DemoSection, *, last_day: date | None, http_port: int | None = None, mtus_per_step: int = 1
) -> RunConfig:
    """The configuration of a new run, by the demo's settings; `http_port` None: any free one.

    Meters report `mtus_per_step` MTUs at a time, so readings are proposed only once the youngest of them can be there,
    and have as much longer until they are Unread.
    """
    step_seconds = (mtus_per_step - 1) * MTU_SECONDS
    eve = local_midnight(day=demo.first_day - timedelta(days=1), zone=ZoneInfo(ZONE))
    return RunConfig(
        grid=demo.grid,
        area=f"DE-{demo.grid}",
        pv_permille=round(demo.pv * PERMILLE),
        genesis=eve + LEAD_SECONDS,
        first_day=demo.first_day.isoformat(),
        last_day=None if last_day is None else last_day.isoformat(),
        http_port=http_port or free_port(),
        mqtt_port=free_port(),
        lot_wh=demo.lot_wh,
        tick_neur_per_wh=demo.tick_neur_per_wh,
        gate_local=demo.gate_local,
        second_auction_gate_local=demo.second_auction_gate_local,
        second_session_gate_local=demo.second_session_gate_local,
        grace_seconds=demo.grace_seconds,
        sign_seconds=demo.sign_seconds,
        clear_seconds=demo.clear_seconds,
        attest_seconds=demo.attest_seconds + step_seconds,
        horizon_seconds=demo.horizon_seconds,
        challenge_seconds=demo.challenge_seconds,
        cut_off_seconds=step_seconds + CUT_OFF_SECONDS,
    )


@dataclass
class System:
    """A running embedded system. Make one with `start`."""

    state: Path
    config: RunConfig
    community: Community
    service: Child
    attesters: list[Child]
    town: Town
    http: httpx.Client
    store: DeviceStore
    fresh: bool
    stopping: bool = False

    @property
    def children(self) -> list[Child]:
        """All child processes."""
        return [self.service, *self.attesters]

    def keep_logs_short(self) -> None:
        """Begin new logs where they have grown long."""
        for child in self.children:
            child.rotate_log()

    def dead(self) -> list[str]:
        """Names of child processes that ended though nobody stopped them."""
        return [] if self.stopping else [child.name for child in self.children if not child.alive()]

    def revive(self, name: str) -> None:
        """Start a dead process again. Raises ProcessDied or NotReady where the service does not come up."""
        if name == self.service.name:
            self.service = start_service(self.state)
            wait_for_health(self.service, url=self.config.service_url)
            return
        self.attesters = [child if child.name != name else _start_attester(self, name) for child in self.attesters]

    def renew_desk(self) -> None:
        """Have the DSO go by what it published meanwhile. Raises PolicyUnusable."""
        self.town.desk = desk_in(self.state, config=self.config, grid=self.community.grid)

    def stop(self) -> None:
        """End attesters first, then the service (which ends the node and the broker)."""
        self.stopping = True
        with ExitStack() as ending:  # each is ended, whatever becomes of the others; the last one named first
            ending.callback(self.store.close)
            ending.callback(self.service.stop)
            for child in self.attesters:
                ending.callback(child.stop)
            ending.callback(self.http.close)


def start(*, state: Path, cache: Path, wanted: RunConfig | None) -> System:
    """Start the run in `state`, or go on with the one that is there; `wanted` is used for a new one only.

    Raises StateMissing, ProcessDied, NotReady, or what the grid loader raises.
    """
    state = state.resolve()
    end_leftovers(state)
    fresh = not (state / CONFIG_FILE).exists()
    config = wanted if fresh and wanted is not None else read_config(state)
    # A grid that can't be read leaves nothing behind: the next call may name another one.
    community = load_community(grid_code=config.grid, cache=cache, pv_permille=config.pv_permille)
    if fresh and wanted is not None:
        make_keys(state / KEYS_FOLDER, (*ORGANISATION_KEYS, *ACCOUNT_KEYS))
        write_config(state, config)
    service = start_service(state)
    try:
        wait_for_health(service, url=config.service_url)
        return _opened(state, config, community, service, fresh=fresh)
    except BaseException:  # a signal, too: nothing that was started is left behind
        service.stop()
        raise


def _opened(state: Path, config: RunConfig, community: Community, service: Child, *, fresh: bool) -> System:
    """The system whose service answers, with all that its town needs. Raises what reading its files raises."""
    store = DeviceStore(state / COMMUNITY_FILE)
    http = open_http(config.service_url)
    organisations = load_keys(state / KEYS_FOLDER, (*ORGANISATION_KEYS, *ACCOUNT_KEYS))
    desk = desk_in(state, config=config, grid=community.grid)
    town = Town(config=config, community=community, store=store, organisations=organisations, http=http, desk=desk)
    first = town.households[0]
    keep_keys(state / KEYS_FOLDER, dict(zip(HOUSEHOLD_KEYS, (first.account, first.device), strict=True)))
    return System(state, config, community, service, [], town, http, store, fresh)


def start_service(state: Path) -> Child:
    """The service process of this run, started."""
    command = python_module("scripts.serving.embedded.service", "--state", str(state))
    return Child(name="service", command=command, log=state / LOGS_FOLDER / "service.log")


def start_attesters(system: System) -> None:
    """Start the three attesters and wait until each has witnessed the terms; the town must be registered by now.

    They sign only what rests on terms they saw in time, so they come before the first gate.
    """
    for name in ATTESTER_NAMES:  # one by one, so that a signal in between leaves none that nobody knows of
        system.attesters.append(_start_attester(system, name))
    for child in system.attesters:
        wait_until_ready(child, lambda name=child.name: _has_witnessed(system.state, name))  # type: ignore[misc]


def _has_witnessed(state: Path, name: str) -> bool:
    store = state / ATTESTERS_FOLDER / name / ATTESTER_STORE
    try:
        with closing(open_read_only(store)) as db:
            return bool(db.execute("SELECT EXISTS (SELECT 1 FROM witnessed)").fetchone()[0])
    except sqlite3.Error:  # not there yet
        return False


def _start_attester(system: System, name: str) -> Child:
    command = python_module("scripts.serving.attester", "--config", str(_attester_config(system, name)))
    return Child(name=name, command=command, log=system.state / LOGS_FOLDER / f"{name}.log")


def _attester_config(system: System, name: str) -> Path:
    """Write an attester's settings file, as in production; the node is the run's one, and its port may have changed."""
    folder = system.state / ATTESTERS_FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    keys = system.state / KEYS_FOLDER
    lines = [
        "[attester]",
        f"name = {json.dumps(name)}",
        f"area = {json.dumps(system.config.area)}",
        f"store = {json.dumps(ATTESTER_STORE)}",
        f"service_url = {json.dumps(system.config.service_url)}",
        f"keystore = {json.dumps(str(keystore_of(keys, name)))}",
        f"password_file = {json.dumps(str(password_file_of(keys, name)))}",
        f"cut_off_seconds = {system.config.cut_off_seconds}",
        f"proposer_timeout_seconds = {PROPOSER_TIMEOUT_SECONDS}",
        f"poll_seconds = {POLL_SECONDS}",
        f"settlement_seconds = {SETTLEMENT_SECONDS}",
        "[mqtt]",
        'host = "127.0.0.1"',
        f"port = {system.config.mqtt_port}",
        "[chain]",
        f"rpc_url = {json.dumps(node_url(system.state))}",
        f"deployment_file = {json.dumps(str(system.state / DEPLOYMENT_FILE))}",
    ]
    path = folder / "attester.toml"
    path.write_text("\n".join(lines) + "\n")
    return path
