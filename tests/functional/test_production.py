"""A short market on the production composition: PostgreSQL, Clique, mosquitto with TLS, every party its own process.

The service and a sealer are killed while the day is metered; at the end an outsider finds nothing wrong.
"""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from nacl.public import SealedBox
from typer.testing import CliRunner

from domain.mtu import MTU_SECONDS
from scripts.cli.common import CACHE
from scripts.cli.main import app as dominoes
from scripts.community import day as days
from scripts.community.grids import Community, load_community
from scripts.community.meters import TownMeters
from scripts.community.policy import policy_of
from scripts.community.run_config import ATTESTER_NAMES, RunConfig
from scripts.community.store import DeviceStore
from scripts.community.town import Town, grid_json
from scripts.community.waiting import wait_for
from scripts.serving.day_plan import DayPlan, plan_of
from scripts.serving.embedded.evidence import fetch_bundle
from scripts.serving.embedded.run_desk import desk_of_run
from scripts.serving.verifier_process import Verdict, run_verifier
from tests.functional.production_world import KILLED_NODE, ProductionWorld, timed
from tests.postgres import Postgres

pytestmark = [pytest.mark.functional, pytest.mark.host, pytest.mark.timeout(1_200)]

GRID = "1-LV-rural1--0-sw"
DAY = date(2016, 6, 15)

SPEED = 1_200
"""Market seconds per second: the day takes 72 s, and there is a block every 20 minutes of it."""

LEAD_SECONDS = 68 * SPEED
"""Market time from the deployment to the gate: for everybody to register, sign terms and order on a slow machine."""

MTUS_PER_STEP = 8

QUIET_SECONDS = 10
"""Several blocks with one sealer less: what is on its way to the chain is there by then."""

CONFIG = RunConfig(
    grid=GRID,
    area=f"DE-{GRID}",
    pv_permille=1_000,
    genesis=0,
    first_day=DAY.isoformat(),
    last_day=DAY.isoformat(),
    http_port=0,
    mqtt_port=0,
    gate_local="13:00",
    grace_seconds=6 * 3_600,
    sign_seconds=9 * 3_600,
    clear_seconds=10 * 3_600,
    attest_seconds=36 * 3_600,
    cut_off_seconds=(MTUS_PER_STEP - 1) * MTU_SECONDS + 6 * 3_600,
)


class ClockedDay(days.DayDriver):
    """A day on a chain that keeps its own time: what the embedded demo sets, this one waits for.

    The DSO signs at a desk of its own, by the command line.
    """

    def __init__(self, *, town: Town, meters: TownMeters, plan: DayPlan, sign: Callable[[], None]) -> None:
        super().__init__(town=town, meters=meters, plan=plan, progress=lambda *_: None)
        self._sign_at_the_desk = sign

    def _sign(self) -> None:
        self._sign_at_the_desk()

    def advance(self, to: int) -> None:
        wait_for(f"market time {to}", lambda: self.market_time() >= to)

    def _see_attested(self, start: int, stop: int) -> None:
        """Nothing: who waits for a cut-off here reports the next MTUs late. The settlement waits for all of them."""


@pytest.fixture(scope="module")
def community() -> Community:
    return load_community(grid_code=GRID, cache=CACHE)


@pytest.fixture
def world(tmp_path: Path, postgres: Postgres) -> Iterator[ProductionWorld]:
    made = ProductionWorld(
        tmp_path / "world",
        area=CONFIG.area,
        database_url=postgres.create("production"),
        market={"cut_off_seconds": CONFIG.cut_off_seconds},
    )
    try:
        made.chain.start()
        yield made
    finally:
        made.stop()


def _start(world: ProductionWorld) -> None:
    """Deploy, then start the service and the two organisations that send transactions of their own."""
    gate = plan_of(DAY, gate_local=CONFIG.gate_local).gate
    deployer = world.write_deployer(origin=gate - LEAD_SECONDS, speed=SPEED, challenge_seconds=CONFIG.challenge_seconds)
    world.dominoes("deploy", "--config", str(deployer))
    world.write_service(first_day=DAY, last_day=DAY)
    world.start_service()
    for role in ("registrar", "treasurer"):
        world.start(role, "signer", "run", "--config", str(world.write_signer(role)))


def _town(world: ProductionWorld, community: Community, folder: Path) -> Town:
    desk = desk_of_run(CONFIG, domain=world.deployment().domain("Market"), grid=community.grid)
    return Town(
        config=CONFIG,
        community=community,
        store=DeviceStore(folder / "devices.sqlite"),
        organisations=world.keys,
        http=world.http(),
        desk=desk,
    )


def _start_attesters(world: ProductionWorld) -> None:
    for node, name in enumerate(ATTESTER_NAMES):
        world.start(name, "attester", "--config", str(world.write_attester(name, node=node)))


def _sign(world: ProductionWorld, community: Community) -> None:
    config = world.write_desk(
        market=CONFIG.market,
        lot_wh=CONFIG.lot_wh,
        gate_local=CONFIG.gate_local,
        sign_seconds=CONFIG.sign_seconds,
        grid=community.grid,
        policy=policy_of(CONFIG, community.grid),
    )
    gate = plan_of(DAY, gate_local=CONFIG.gate_local).gate
    done = CliRunner().invoke(dominoes, ["sign", "program", str(gate), "--config", str(config), "--yes", "--json"])
    assert done.exit_code == 0, done.output


def _kill_meanwhile(world: ProductionWorld, mtu: int, first: int) -> None:
    """In the morning the service dies and comes back, at noon a sealer dies for good."""
    step = (mtu + 1 - first) // MTUS_PER_STEP
    if step == 3:
        world.kill("service")
        world.start_service()
    if step == 6:
        world.chain.kill(KILLED_NODE)


def test_production__service_and_sealer_killed__ends_with_a_clean_verdict(
    world: ProductionWorld, community: Community, tmp_path: Path
) -> None:
    with timed("start"):
        _start(world)
    town = _town(world, community, tmp_path)
    plan = plan_of(DAY, gate_local=CONFIG.gate_local)
    with timed("register"):
        town.register(valid_from_mtu=plan.mtus.first - 1, tick=lambda done, of: None)
    world.start_broker()
    _start_attesters(world)
    meters = TownMeters(town=town, state=tmp_path, readings_per_message=MTUS_PER_STEP, broker_of=world.broker.address)
    driver = ClockedDay(town=town, meters=meters, plan=plan, sign=lambda: _sign(world, community))
    try:
        with timed("orders"):
            tally = driver.trade()
        with timed("clear"):
            driver.close_and_clear()
        with timed("meter"):
            driver.deliver(
                mtus_per_step=MTUS_PER_STEP, after_step=lambda mtu: _kill_meanwhile(world, mtu, plan.mtus.first)
            )
        with timed("settle"):
            driver.settle()
            _wait_until_quiet(town)
    finally:
        meters.stop()

    assert tally.orders > 100 and tally.refused == 0
    span = {"from": plan.mtus.first, "to": plan.mtus.first + plan.mtus.count}
    prices = town.public.items(f"/v1/markets/{CONFIG.market}/prices", **span)
    assert len(prices) == plan.mtus.count and {item["state"] for item in prices} == {"cleared", "tradeless"}
    verdicts = _verdicts(world, town, tmp_path)
    assert {name: (verdict.exit_code, verdict.report.get("findings")) for name, verdict in verdicts.items()} == {
        "public": (0, []),
        "auditor": (0, []),
        "personal": (0, []),
    }


def _wait_until_quiet(town: Town) -> None:
    """Return once the chain has held the same last anchor for a while: bundles then end where the chain does."""
    last, since = None, time.monotonic()
    while time.monotonic() - since < QUIET_SECONDS:
        found = town.public.get("/v1/ledger")["last_anchor"]
        if found != last:
            last, since = found, time.monotonic()
        time.sleep(0.5)


def _verdicts(world: ProductionWorld, town: Town, folder: Path) -> dict[str, Verdict]:
    """What an outsider finds with anchors and a node of its own; bundles come as each party gets them, each ending at a
    later anchor perhaps, for that an auditor read is recorded too."""
    anchors, node = folder / "anchors.json", world.chain.sealers[1].url

    def auditor() -> None:
        sealed = io.BytesIO()
        town.clients["auditor"].download("/v1/evidence/auditor", sealed)
        opened = SealedBox(world.seal).decrypt(sealed.getvalue())
        with tarfile.open(fileobj=io.BytesIO(opened)) as archive:
            archive.extractall(folder / "auditor", filter="data")

    fetches = {
        "public": lambda: fetch_bundle(town.public, "public", folder / "public"),
        "auditor": auditor,
        "personal": lambda: fetch_bundle(town.client_of(town.households[0]), "personal", folder / "personal"),
    }
    _write_anchors(world, town, folder, anchors)  # before the bundles: each must pass through the checkpoint
    blocks = {name: _block_of(town, fetch) for name, fetch in fetches.items()}
    return {
        name: run_verifier(bundles=[folder / name], anchors=anchors, rpc=[node], block=block)[0]
        for name, block in blocks.items()
    }


def _write_anchors(world: ProductionWorld, town: Town, folder: Path, path: Path) -> None:
    """As an outsider makes them, with a node, the public files of the market and the DSO's grid model."""
    model = folder / "grid.json"
    model.write_text(json.dumps(grid_json(town.community)))
    settings = world.write_outsider(node=1)
    asked = ["anchors", "--config", str(settings), "--grid-model", f"{CONFIG.area}={model}", "--out", str(path)]
    told = CliRunner().invoke(dominoes, asked)
    assert told.exit_code == 0, told.output


def _block_of(town: Town, fetch: Callable[[], None]) -> int:
    """Fetch a bundle; the block of the anchor it ends at, where the chain holds no later one."""
    while True:
        before = town.public.get("/v1/ledger")["last_anchor"]
        fetch()
        if town.public.get("/v1/ledger")["last_anchor"] == before:
            return int(before["block"])
