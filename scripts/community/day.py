"""One local day of the town from its orders to its settled money, driven by market time and by the API's answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from clearing.inspection import Pinned, inspect, repeat
from clearing.policy import BeyondPolicy
from clearing.shown import ShownOrder, ShownProgram
from domain.hashing import to_hex
from domain.mtu import mtu_end, mtu_start
from scripts.community.meters import Envelopes, TownMeters
from scripts.community.run_config import ZONE
from scripts.community.town import Town
from scripts.community.trading import Tally, TradingDay, total
from scripts.community.waiting import wait_for
from scripts.serving.day_plan import DayPlan, plan_of
from scripts.serving.desk import program_path, refuse_program

CLEARED_STATES = ("cleared", "resolved", "refused", "expired")
"""States of a program in which nothing more is cleared: what has no position by then is voided at the deadline."""

Progress = Callable[[str, int, int], None]
"""(what, done, of): called as the day goes on."""


class DayDriver:
    """Does what the town's clients do; each step looks at what is done already, so a restart goes on in the middle."""

    def __init__(self, *, town: Town, meters: TownMeters, plan: DayPlan, progress: Progress) -> None:
        self._town, self._meters, self.plan, self._progress = town, meters, plan, progress
        gates = [(market, gate) for market, of in town.config.gates_local.items() for gate in of]
        self._market, self._later = gates[0][0], sorted(gates[1:], key=lambda item: item[1])
        self._trading = self._trading_in(self._market, plan)

    def _trading_in(self, market: str, plan: DayPlan) -> TradingDay:
        first = plan.gate == self.plan.gate
        return TradingDay(town=self._town, day=plan.day, mtus=plan.mtus, market=market, session=plan.gate, first=first)

    def market_time(self) -> int:
        """Market time now, unix seconds."""
        return int(self._town.public.get("/v1/clock")["market_time"])

    def advance(self, to: int) -> None:
        """Let market time reach `to`, unless it is later already."""
        if self.market_time() < to:
            self._town.clients["operator"].post("/v1/clock", {"advance_to": to})

    def program(self, market: str | None = None, gate: int | None = None) -> dict[str, Any] | None:
        """The program of a session (the first to close where None) as the API shows it; None before it opens."""
        found = self._town.public.items(f"/v1/markets/{market or self._market}/programs")
        session = self.plan.gate if gate is None else gate
        return next((item for item in found if item["session"] == session), None)

    def trade(self) -> Tally:
        """Wait until the program is open, then send all orders."""
        wait_for("the day's program to open", lambda: self.program() is not None)
        tally = self._trading.send()
        self._progress("orders", tally.orders, tally.orders)
        return tally

    def close_and_clear(self) -> None:
        """Reach the gate, have the DSO sign, and see every MTU cleared that validation did not give up."""
        self._close(self._market, self.plan.gate)

    def _close(self, market: str, gate: int) -> None:
        self.advance(gate)
        waiting = ("open", "gate_closed", "book_closed")
        wait_for(f"the program of {market} to be validated", lambda: self._state(market, gate) not in waiting)
        self._sign()
        wait_for("every MTU that was not given up to be cleared", lambda: self._state(market, gate) in CLEARED_STATES)
        self._progress("cleared", self.plan.mtus.count, self.plan.mtus.count)

    def void_rest(self) -> None:
        """Let the time to clear run out, so that what has no position by then (given up, refused) is void."""
        self._void(self._market, self.plan.gate)

    def _void(self, market: str, gate: int) -> None:
        self.advance(gate + self._town.config.clear_seconds + 1)
        wait_for("the rest to be void", lambda: self._state(market, gate) == "resolved")

    def trade_later(self) -> Tally:
        """Once the first market is decided: order, clear and decide in those that close later, one after the other."""
        tallies = []
        for market, gate_local in self._later:
            plan = plan_of(self.plan.day, gate_local=gate_local)
            tallies.append(self._trading_in(market, plan).send())
            self._close(market, plan.gate)
            self._void(market, plan.gate)
        return total(tallies)

    def _state(self, market: str, gate: int) -> str:
        program = self.program(market, gate)
        return "open" if program is None else str(program["state"])

    def _sign(self) -> None:
        """The DSO checks what it is shown and signs that, where a verdict is still due; what its policy does not allow
        it refuses. Raises ProgramDiffers."""
        dso, key = self._town.clients["dso"], self._town.organisations["dso"]
        for item in dso.items("/v1/dso/programs"):
            market, session = item["market"], item["session"]
            path = program_path(market, session)
            shown, pinned = ShownProgram.read(dso.get(path)), self._pinned(item)
            orders = ShownOrder.read_all(dso.get(f"{path}/orders"))
            try:
                digest = inspect(shown, orders, pinned)
            except BeyondPolicy as error:
                refuse_program(dso, key, self._town.desk, market=market, session=session, reason=error.reason)
                continue
            repeat(shown, orders, pinned)
            dso.post(f"{path}/signature", {"signature": to_hex(key.sign(digest))})

    def _pinned(self, item: dict[str, Any]) -> Pinned:
        return self._town.desk.pinned(item["market"], item["first_mtu"], item["session"])

    def deliver(self, *, mtus_per_step: int, after_step: Callable[[int], None]) -> None:
        """Meter the day step by step, each attested before the next; `after_step` is told each step's last MTU."""
        mtus = self.plan.mtus
        envelopes = self._envelopes()
        self.advance(mtus.start)
        self._meters.baseline(mtus.first - 1)
        for start in range(mtus.first, mtus.first + mtus.count, mtus_per_step):
            stop = min(start + mtus_per_step, mtus.first + mtus.count)
            self._deliver_step(start, stop, envelopes)
            self._progress("metered", stop - mtus.first, mtus.count)
            after_step(stop - 1)

    def _deliver_step(self, start: int, stop: int, envelopes: Envelopes) -> None:
        self.advance(mtu_end(stop - 1))
        first = self.plan.mtus.first
        net_wh = {mtu: [int(value) for value in self._trading.net_wh[:, mtu - first]] for mtu in range(start, stop)}
        self._meters.measure(net_wh=net_wh, envelopes=envelopes)
        wait_for("receipts for the readings", lambda: self._meters.waiting() == 0)
        self._see_attested(start, stop)

    def _see_attested(self, start: int, stop: int) -> None:
        """Go on to the cut-off of these MTUs and wait until they are attested."""
        self.advance(mtu_end(stop - 1) + self._town.config.cut_off_seconds + 1)
        wait_for(f"MTUs {start} to {stop - 1} to be attested", lambda: self._attested(start, stop))

    def _attested(self, start: int, stop: int) -> bool:
        span = {"from": start, "to": stop}
        states = self._town.clients["attester-1"].items("/v1/attestations", area=self._town.config.area, **span)
        return all(state["next_revision"] > 0 for state in states)

    def _envelopes(self) -> dict[tuple[str, int], tuple[int | None, int | None]]:
        """The set-points each household's controller got."""
        found = {}
        for house in self._town.households:
            answer = self._town.client_of(house).items("/v1/set-points", **{"from": self.plan.mtus.first})
            for item in answer:
                found[house.point.code, item["mtu"]] = (item["import_cap_wh"], item["export_cap_wh"])
        return found

    def line_of(self, mtu: int) -> str:
        """What came of one MTU, in a line: local time, price, volume."""
        span = {"from": mtu, "to": mtu + 1}
        found = self._town.public.items(f"/v1/markets/{self._market}/prices", **span)
        starts = datetime.fromtimestamp(mtu_start(mtu), tz=ZoneInfo(ZONE)).strftime("%Y-%m-%d %H:%M")
        if not found or found[0]["state"] == "void":
            return f"{starts}  void: the retailer's agreement serves everyone"
        price = found[0]["price_neur_per_wh"]
        volume = found[0]["volume_wh"] / 1_000
        text = "no trade" if price is None else f"{price / 10_000:6.2f} ct/kWh"
        return f"{starts}  {text:>14}  {volume:8.2f} kWh traded locally"

    def settle(self) -> dict[str, Any]:
        """Wait until the attesters signed the day's settlement and it took effect; how it stands."""
        wait_for("the settlement to take effect", lambda: self._settlement().get("state") in ("settled", "final"))
        self._progress("settled", 1, 1)
        return self._settlement()

    def _settlement(self) -> dict[str, Any]:
        found = self._town.clients["attester-1"].items("/v1/attester/settlements")
        ours = [item for item in found if item["first_mtu"] == self.plan.mtus.first]
        return ours[0] if ours else {}
