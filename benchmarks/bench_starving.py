"""A market that runs, a neighbour that wants its own, and callers that take all they can get: who waits for whom.

Three days on embedded defaults as fast as they go, orders, clearing and settlement included; beside the middle one are
the callers of `starving_callers`. The neighbour's p95 may be P95_RATIO_MAX times what it is beside the other days, and
a day's speed at least SPEED_RATIO_MIN of theirs. What the callers took of memory is given back or was little.
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psutil

from benchmarks.starving_callers import Heavy, Neighbour, Waits, call_heavily, live_beside
from domain.hashing import text_id
from domain.mtu import mtu_end
from scripts.cli.common import CACHE
from scripts.community.day import DayDriver
from scripts.community.meters import TownMeters
from scripts.serving.day_plan import plan_of
from scripts.serving.desk import program_path
from scripts.serving.embedded import system as systems
from scripts.serving.settings import DemoSection

FIRST_DAY = date(2016, 6, 15)
MTUS_PER_STEP = 4

ORDER_HOURS = 6
"""Hours of a day that are metered before the next day's orders come."""

P95_RATIO_MAX = 3.0
SPEED_RATIO_MIN = 0.7

GROWTH_MB_MAX = 100
"""Most memory by which the service may have grown a moment after the callers left."""

LEAVE_SECONDS = 15
"""What the service gets to notice that they left."""

_PROCESSES = multiprocessing.get_context("spawn")


@dataclass
class Day:
    """One measured day: its seconds, and the neighbour's waits beside it."""

    seconds: float = 0.0
    waits: Waits = field(default_factory=Waits)


class Street:
    """The system with its town, day after day."""

    def __init__(self, folder: Path) -> None:
        wanted = systems.fresh_config(DemoSection(first_day=FIRST_DAY), last_day=None, mtus_per_step=MTUS_PER_STEP)
        self.system = systems.start(state=folder / "state", cache=CACHE, wanted=wanted)
        self._meters: TownMeters | None = None

    def begin(self) -> DayDriver:
        """Register everybody, and trade and clear the first day."""
        system = self.system
        first = plan_of(FIRST_DAY, gate_local=system.config.gate_local)
        system.town.register(valid_from_mtu=first.mtus.first - 1, tick=lambda _done, _of: None)
        systems.start_attesters(system)
        self._meters = TownMeters(town=system.town, state=system.state, readings_per_message=MTUS_PER_STEP)
        driver = self._driver(FIRST_DAY)
        driver.trade()
        driver.close_and_clear()
        return driver

    def end(self) -> None:
        """Stop everything."""
        if self._meters is not None:
            self._meters.stop()
        self.system.stop()

    def live(self, driver: DayDriver) -> DayDriver:
        """Deliver a day and settle it; the next one is traded and cleared meanwhile, and returned."""
        following = self._driver(driver.plan.day + timedelta(days=1))
        traded = cleared = False

        def after_step(mtu: int) -> None:
            nonlocal traded, cleared
            now = mtu_end(mtu)
            if not traded and now >= mtu_end(driver.plan.mtus.first) + ORDER_HOURS * 3_600:
                following.trade()
                traded = True
            elif not cleared and now >= following.plan.gate:
                following.close_and_clear()
                cleared = True

        driver.deliver(mtus_per_step=MTUS_PER_STEP, after_step=after_step)
        driver.settle()
        return following

    def neighbour(self, day: date) -> Neighbour:
        """A household, ready to order for a day."""
        town, config = self.system.town, self.system.config
        house, plan = town.households[0], plan_of(day, gate_local=config.gate_local)
        return Neighbour(
            port=config.http_port,
            token=town.client_of(house).log_in(),
            account=house.account.address,
            device_secret=house.device.secret,
            domain=town.domain("Market"),
            market=text_id(self._market),
            session=plan.gate,
            mtu=plan.mtus.first,
            limit_neur_per_wh=town.band.tick,
        )

    def heavy(self, day: date) -> Heavy:
        """What the auditor, whom the market does not wait for, may read and is large: all orders of a day's program."""
        config = self.system.config
        path = program_path(self._market, plan_of(day, gate_local=config.gate_local).gate) + "/orders"
        return Heavy(config.http_port, path, self.system.town.clients["auditor"].log_in())

    def memory_mb(self) -> float:
        """What the service process holds."""
        return float(psutil.Process(self.system.service.pid).memory_info().rss) / 2**20

    @property
    def _market(self) -> str:
        return next(iter(self.system.config.gates_local))

    def _driver(self, day: date) -> DayDriver:
        assert self._meters is not None
        plan = plan_of(day, gate_local=self.system.config.gate_local)
        return DayDriver(town=self.system.town, meters=self._meters, plan=plan, progress=lambda *_: None)


@contextmanager
def _listening(neighbour: Neighbour, day: Day) -> Iterator[None]:
    ending, (told, tells) = _PROCESSES.Event(), _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=live_beside, args=(neighbour, ending, tells))
    process.start()
    try:
        yield
    finally:
        ending.set()
        day.waits = told.recv()
        process.join()


@contextmanager
def _called(heavy: Heavy) -> Iterator[None]:
    ending = _PROCESSES.Event()
    process = _PROCESSES.Process(target=call_heavily, args=(heavy, ending))
    process.start()
    try:
        yield
    finally:
        ending.set()
        process.join()


def _p95(days: list[Day], what: str) -> float:
    waits = sorted(wait for day in days for wait in day.waits.seconds[what])
    return waits[len(waits) * 95 // 100]


def _lived(street: Street, driver: DayDriver, day: Day) -> DayDriver:
    with _listening(street.neighbour(driver.plan.day + timedelta(days=1)), day):
        begun = time.perf_counter()
        following = street.live(driver)
        day.seconds = time.perf_counter() - begun
    return following


def run() -> dict[str, Any]:
    """Seconds of the days and of the neighbour's requests, and their ratios with the bounds."""
    before, crowded, after = Day(), Day(), Day()
    with tempfile.TemporaryDirectory() as folder:
        street = Street(Path(folder))
        try:
            driver = _lived(street, street.begin(), before)
            usual_mb = street.memory_mb()
            with _called(street.heavy(driver.plan.day)):
                driver = _lived(street, driver, crowded)
            time.sleep(LEAVE_SECONDS)
            grown_mb = street.memory_mb() - usual_mb
            _lived(street, driver, after)
        finally:
            street.end()
    quiet = [before, after]
    usual_s = statistics.mean(day.seconds for day in quiet)
    asked = sorted(crowded.waits.seconds)
    return {
        "name": "starving",
        "seconds": {
            "days": [round(day.seconds, 1) for day in (before, crowded, after)],
            "p95 usual": {what: round(_p95(quiet, what), 4) for what in asked},
            "p95 beside the callers": {what: round(_p95([crowded], what), 4) for what in asked},
        },
        "requests": {what: len(crowded.waits.seconds[what]) for what in asked},
        "not served": [day.waits.failed for day in (before, crowded, after)],
        "ratios": {
            "speed of a day beside the callers": {
                "value": round(usual_s / crowded.seconds, 2),
                "at_least": SPEED_RATIO_MIN,
            },
            **{
                f"p95 beside the callers / usual: {what}": {
                    "value": round(_p95([crowded], what) / _p95(quiet, what), 2),
                    "at_most": P95_RATIO_MAX,
                }
                for what in asked
            },
            "MB of the service more than before them": {"value": round(grown_mb), "at_most": GROWTH_MB_MAX},
        },
    }


if __name__ == "__main__":
    import json

    print(json.dumps(run(), indent=2))
