"""`make run`: day after day at an accelerated clock, until it is stopped; goes on where it was after any end."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from contracts.rpc import NodeUnavailable
from domain.mtu import mtu_end
from ledger_service.evidence.recorded import NothingAnchored
from scripts.community.day import CLEARED_STATES, DayDriver, Progress
from scripts.community.grids import PROFILE_YEAR
from scripts.community.meters import TownMeters
from scripts.community.run_config import ZONE
from scripts.serving.day_plan import local_day_of, plan_of
from scripts.serving.embedded import system as systems
from scripts.serving.embedded.evidence import ANCHORS_FILE, write_anchors
from scripts.serving.embedded.reviving import Say
from scripts.serving.embedded.run_folder import node_url

ORDER_HOUR = 6
"""Local hour of the eve from which the town sends its orders for the next day."""


@dataclass
class Pace:
    """Lets `seconds` of wall time pass per MTU at least, and no more than the work takes."""

    seconds: float
    stopping: threading.Event
    _next: float = 0.0

    def wait(self) -> None:
        """Sleep until the next MTU may begin."""
        now = time.monotonic()
        if self._next > now:
            self.stopping.wait(self._next - now)
        self._next = max(now, self._next) + self.seconds


class Stopped(Exception):
    """Somebody asked the run to end; not an error."""


class Runner:
    """The endless market of a demo: delivers one day while the next is traded."""

    def __init__(
        self,
        *,
        system: systems.System,
        meters: TownMeters,
        pace: Pace,
        progress: Progress,
        say: Say,
    ) -> None:
        self._system, self._meters, self._pace = system, meters, pace
        self._progress, self._say = progress, say
        self._next: DayDriver | None = None
        self._next_cleared = False

    def run(self) -> None:
        """Day after day until the run's last day, or until the profile year ends. Raises Stopped."""
        driver = self._first()
        while driver is not None:
            self._prepare(driver)
            self._next, self._next_cleared = None, False
            driver.deliver(mtus_per_step=1, after_step=lambda mtu, at=driver: self._after_mtu(at, mtu))  # type: ignore[misc]
            driver = self._next or self._driver(driver.plan.day + timedelta(days=1))
        self._say("the days of this run are over; its service goes on, and `make reset` begins a new run")

    def _first(self) -> DayDriver | None:
        """The day that is being delivered, or traded, as the run goes on; None where its last one is over."""
        first = date.fromisoformat(self._system.config.first_day)
        now = int(self._system.town.public.get("/v1/clock")["market_time"])
        return self._driver(max(first, local_day_of(now)))

    def _driver(self, day: date) -> DayDriver | None:
        last = self._system.config.last_day
        if day.year != PROFILE_YEAR or (last is not None and day > date.fromisoformat(last)):
            return None
        plan = plan_of(day, gate_local=self._system.config.gate_local)
        return DayDriver(town=self._system.town, meters=self._meters, plan=plan, progress=self._progress)

    def _close_and_clear(self, driver: DayDriver) -> None:
        self._system.renew_desk()
        driver.close_and_clear()

    def _prepare(self, driver: DayDriver) -> None:
        """See the day traded and cleared; what is done already is passed over."""
        if driver.market_time() < driver.plan.gate:
            self._say_orders(driver)
        program = driver.program()
        if program is not None and program["state"] not in CLEARED_STATES:
            driver.close_and_clear()

    def _keep_anchors(self) -> None:
        """Keep the trust anchors in the state folder at the newest anchored head, for who audits the run."""
        state = self._system.state
        # before the first anchor, or while the node is away, there are none: the next quarter hour has them
        with suppress(NothingAnchored, NodeUnavailable):
            write_anchors(self._system.town, state=state, node=node_url(state), path=state / ANCHORS_FILE)

    def _say_orders(self, driver: DayDriver) -> None:
        tally = driver.trade()
        self._say(f"{driver.plan.day}: {tally.orders} orders of {tally.traders} traders, {tally.refused} refused")

    def _after_mtu(self, driver: DayDriver, mtu: int) -> None:
        if self._pace.stopping.is_set():
            raise Stopped
        self._pace.wait()
        self._say(driver.line_of(mtu))
        self._keep_anchors()
        now = mtu_end(mtu)
        if self._next is None:
            following = self._driver(driver.plan.day + timedelta(days=1))
            local = datetime.fromtimestamp(now, tz=UTC).astimezone(ZoneInfo(ZONE))
            if following is None or local.hour < ORDER_HOUR or now >= following.plan.gate:
                return
            self._say_orders(following)
            self._next = following
        elif not self._next_cleared and now >= self._next.plan.gate:
            self._close_and_clear(self._next)
            self._next_cleared = True
            self._say(f"{self._next.plan.day}: books closed, validated, {_verdict(self._next)}")


def _verdict(driver: DayDriver) -> str:
    """What became of a day's program."""
    program = driver.program()
    refused = program is not None and program["state"] == "refused"
    return "refused by the DSO: its MTUs are void" if refused else "signed by the DSO, cleared on chain"
