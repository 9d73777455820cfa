"""One local day as fast as it can: run it, fetch the evidence, sum it up, draw it, and have it verified."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.errors import DominoesError
from ledger_service.evidence.recorded import ChainInfo
from ledger_service.record import Record, sqlite_url
from scripts.community.day import DayDriver, Progress
from scripts.community.meters import TownMeters
from scripts.community.run_config import RunConfig
from scripts.community.trading import Tally, total
from scripts.serving.day_plan import plan_of
from scripts.serving.embedded import system as systems
from scripts.serving.embedded.evidence import ANCHORS_FILE, chain_info, fetch_all, write_anchors, write_personal
from scripts.serving.embedded.left_chain import chain_state_of, start_node
from scripts.serving.embedded.owner import RUN, hold
from scripts.serving.embedded.processes import Memory
from scripts.serving.embedded.run_folder import RECORD_FILE, node_url
from scripts.serving.settings import DemoSection
from scripts.serving.verifier_process import Verdict, run_verifier

if TYPE_CHECKING:
    import pandas as pd

MTUS_PER_STEP = 4
"""MTUs metered before the attesters are waited for: meters send an hour in one message, as many do in the field."""

STATE_FOLDER = "state"
BUNDLES_FOLDER = "bundles"
SUMMARY_FILE = "summary.json"
PICTURE_FILE = "day.png"

SETTLE_SECONDS = 60
"""Market seconds after the settlement in which the journal's last head is anchored."""


class OutTaken(DominoesError):
    """The output folder holds something else."""

    code = "out-taken"

    def __init__(self, *, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"{folder} is not empty and holds no earlier day; choose another OUT")


@dataclass
class Stopwatch:
    """Wall seconds per stage, and per metering step."""

    seconds: dict[str, float] = field(default_factory=dict)
    steps: list[float] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - begun, 3)


@dataclass(frozen=True)
class DayResult:
    """What a day left: the summary as written, and the verdicts by bundle."""

    summary: dict[str, Any]
    verdicts: dict[str, Verdict]

    @property
    def clean(self) -> bool:
        """Whether every bundle verified clean against the anchors."""
        return all(verdict.exit_code == 0 for verdict in self.verdicts.values())


def prepare_out(out: Path) -> None:
    """Make OUT empty; only an earlier day's leavings are removed. Raises OutTaken, or StateTaken while it runs."""
    if out.exists() and any(out.iterdir()):
        if not (out / STATE_FOLDER).is_dir():
            raise OutTaken(folder=out)
        hold(out / STATE_FOLDER, RUN).close()
        for name in (STATE_FOLDER, BUNDLES_FOLDER):
            shutil.rmtree(out / name, ignore_errors=True)
        for name in (ANCHORS_FILE, SUMMARY_FILE, PICTURE_FILE):
            (out / name).unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)


def run_day(
    *,
    grid: str,
    day: date,
    pv_permille: int,
    out: Path,
    cache: Path,
    progress: Progress,
    mtus_per_step: int = MTUS_PER_STEP,
    second_auction_gate_local: str | None = None,
    second_session_gate_local: str | None = None,
) -> DayResult:
    """Run the day and write everything under `out`, with a second session or a second auction where there is a gate.

    Raises what the grid loader, the processes or the API raise.
    """
    prepare_out(out)
    watch, begun = Stopwatch(), time.monotonic()
    state = out / STATE_FOLDER
    demo = DemoSection(
        grid=grid,
        first_day=day,
        pv=pv_permille / systems.PERMILLE,
        second_auction_gate_local=second_auction_gate_local,
        second_session_gate_local=second_session_gate_local,
    )
    wanted = systems.fresh_config(demo, last_day=day, mtus_per_step=mtus_per_step)
    with hold(state, RUN), Memory() as memory:
        with watch.stage("start"):
            system = systems.start(state=state, cache=cache, wanted=wanted)
        try:
            tally = _live(system, day, watch, progress, mtus_per_step)
            with watch.stage("evidence"):
                fetch_all(system.town, out / BUNDLES_FOLDER)
                write_anchors(system.town, state=state, node=node_url(state), path=out / ANCHORS_FILE)
                chain = chain_info(system.town)
        finally:
            with watch.stage("stop"):
                system.stop()
        with watch.stage("evidence"):
            _write_personal(system, chain, out)
        progress("verifying", 0, 1)
        with watch.stage("verify"):
            verdicts = _verify(out)
    with watch.stage("summary"):
        summary, volumes = _summary(state, system.config, tally)
    summary |= {
        "grid": grid,
        "day": day.isoformat(),
        "pv": pv_permille / 1000,
        "seconds_by_stage": watch.seconds,
        "seconds_total": round(time.monotonic() - begun, 1),
        "seconds_per_metering_step": watch.steps,
        "peak_memory_bytes": memory.peak_bytes,
        "verdicts": {name: verdict.as_json() for name, verdict in verdicts.items()},
    }
    by_mtu = json.loads(volumes.to_json(orient="records"))
    (out / SUMMARY_FILE).write_text(json.dumps(summary | {"volumes": by_mtu}, indent=1))
    _draw(out / PICTURE_FILE, volumes, title=f"{grid}, {day.isoformat()}, PV × {pv_permille / 1000:g}")
    return DayResult(summary=summary, verdicts=verdicts)


def _live(system: systems.System, day: date, watch: Stopwatch, progress: Progress, mtus_per_step: int) -> Tally:
    """Register, trade, clear, deliver, settle."""
    plan = plan_of(day, gate_local=system.config.gate_local)
    with watch.stage("register"):
        system.town.register(valid_from_mtu=plan.mtus.first - 1, tick=lambda done, of: progress("registered", done, of))
        systems.start_attesters(system)
    meters = TownMeters(town=system.town, state=system.state, readings_per_message=mtus_per_step)
    try:
        driver = DayDriver(town=system.town, meters=meters, plan=plan, progress=progress)
        with watch.stage("orders"):
            tally = driver.trade()
        with watch.stage("clear"):
            driver.close_and_clear()
            driver.void_rest()
        with watch.stage("later markets"):
            tally = total([tally, driver.trade_later()])
        marks = [time.monotonic()]

        def note(_: int) -> None:
            marks.append(time.monotonic())
            watch.steps.append(round(marks[-1] - marks[-2], 3))

        with watch.stage("meter"):
            driver.deliver(mtus_per_step=mtus_per_step, after_step=note)
        with watch.stage("settle"):
            driver.settle()
            driver.advance(driver.market_time() + SETTLE_SECONDS)
    finally:
        meters.stop()
    return tally


def _write_personal(system: systems.System, chain: ChainInfo, out: Path) -> None:
    record = Record.open(sqlite_url(system.state / RECORD_FILE))
    try:
        write_personal(record, system.town, chain, out / BUNDLES_FOLDER)
    finally:
        record.close()


def _verify(out: Path) -> dict[str, Verdict]:
    """The verifier's verdict on every bundle, against the chain as the day left it.

    Two processes share the work: the auditor's bundle takes as long as the public and all personal ones together, whose
    common part is verified once.
    """
    bundles = out / BUNDLES_FOLDER
    accounts = sorted((bundles / "personal").iterdir(), key=lambda path: int(path.name))
    shares = ["auditor"], ["public", *(f"personal/{folder.name}" for folder in accounts)]
    node = start_node(chain_state_of(bundles / "auditor"))
    try:
        with ThreadPoolExecutor(len(shares)) as pool:
            found = list(pool.map(lambda names: _verdicts(names, out, node.rpc.url), shares))
    finally:
        node.stop()
    return {name: verdict for verdicts in found for name, verdict in verdicts.items()}


def _verdicts(names: Sequence[str], out: Path, rpc: str) -> dict[str, Verdict]:
    found = run_verifier(bundles=[out / BUNDLES_FOLDER / name for name in names], anchors=out / ANCHORS_FILE, rpc=[rpc])
    return dict(zip(names, found, strict=True))


def _summary(state: Path, config: RunConfig, tally: Tally) -> tuple[dict[str, Any], pd.DataFrame]:
    """What the day came to, and per MTU what was traded."""
    # pandas takes 38 MB, which a market that runs can do without
    from scripts.serving.embedded.summary import DaySummary

    record = Record.open(sqlite_url(state / RECORD_FILE))
    try:
        day = DaySummary(record, area=config.area, market=config.market, period=1)
        return day.as_json() | {"orders_refused": tally.refused}, day.volumes()
    finally:
        record.close()


def _draw(picture: Path, volumes: pd.DataFrame, *, title: str) -> None:
    from scripts.serving.embedded.picture import draw_day  # with pandas, as the summary

    draw_day(picture, volumes=volumes, title=title)
