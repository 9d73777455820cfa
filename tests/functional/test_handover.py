"""A running market goes to a new version of the contracts in the middle of its life, by `dominoes`' own commands.

A household's last readings come after the first run's only day was settled, so that a correction is open when the
accounts are to go over; whoever takes them over is killed half-way, and the new service too.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contracts.bindings import Accounts
from contracts.rpc import Rpc
from domain.facts import ChainFailed
from domain.mtu import mtu_end
from ledger_service.evidence.stage import ANCHOR_SECONDS
from ledger_service.record import Record
from scripts.cli.common import CACHE, EXIT_FAILED
from scripts.community.day import DayDriver
from scripts.community.meters import Envelopes, TownMeters
from scripts.community.run_config import ATTESTER_NAMES
from scripts.community.town import HOUSEHOLD_CREDIT_NEUR
from scripts.community.waiting import wait_for
from scripts.serving.day_plan import plan_of
from scripts.serving.deployment_file import read_deployment_file
from scripts.serving.embedded import system as systems
from scripts.serving.embedded.evidence import fetch_all, write_anchors
from scripts.serving.embedded.run_folder import DEPLOYMENT_FILE, RECORD_FILE, node_url
from scripts.serving.settings import DemoSection
from scripts.serving.verifier_process import Verdict, run_verifier
from tests.functional.later_gates import SMALLEST_GRID, facts
from tests.functional.running import DOMINOES, kill_all_with

pytestmark = [pytest.mark.functional, pytest.mark.host, pytest.mark.timeout(3_600)]
"""With the host's software, though it needs none: six minutes are too long for every change."""

FIRST, SECOND = date(2016, 6, 15), date(2016, 6, 16)
HORIZON_SECONDS = 86_400
MTUS_PER_STEP = 16
"""Meters tell four hours at once: the test is of what both versions do, not of how fast."""
ATTEST_SECONDS = 8 * 3_600
LATE = 2**37
SETTLED = ("settled", "final")
HELD_BACK = 0
"""The household whose last readings come late, by its number."""


class LateMeters(TownMeters):
    """Meters of which one falls silent before the day's last step, and tells what it has later."""

    def __init__(self, *, system: systems.System, silent_from: int) -> None:
        super().__init__(town=system.town, state=system.state, readings_per_message=MTUS_PER_STEP)
        self._all, self._silent_from = list(system.town.households), silent_from
        self._kept: list[tuple[dict[int, list[int]], Envelopes]] = []

    def measure(self, *, net_wh: Mapping[int, list[int]], envelopes: Envelopes) -> None:
        """As ever, but for the one."""
        if min(net_wh) >= self._silent_from:
            self._kept.append((dict(net_wh), envelopes))
            self._town.households = self._all[:HELD_BACK] + self._all[HELD_BACK + 1 :]
        super().measure(net_wh=net_wh, envelopes=envelopes)
        self._town.households = self._all

    def tell(self) -> None:
        """What was held back."""
        for net_wh, envelopes in self._kept:
            super().measure(net_wh=net_wh, envelopes=envelopes)


@dataclass
class Rehearsal:
    """Two runs on one chain; `told` is what commands and API said on the way."""

    folder: Path
    old: systems.System
    new: systems.System | None = None
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def taking(self) -> systems.System:
        assert self.new is not None
        return self.new

    @property
    def new_state(self) -> Path:
        return self.folder / "new"

    def command(self, *arguments: str, code: int = 0) -> Any:
        """What `dominoes handover …` answers."""
        done = subprocess.run([DOMINOES, "handover", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    def settings(self, name: str) -> tuple[str, str]:
        return "--config", str(self.new_state / "handover" / f"{name}.toml")

    def agree(self) -> None:
        """Version 2 is deployed, and all whom it takes sign that the area goes there."""
        old, new = str(self.old.state), str(self.new_state)
        self.command("prepare", "--state", old, "--new", new, "--first-day", SECOND.isoformat())
        area, to = self.old.config.area, str(self.new_state / DEPLOYMENT_FILE)
        signed = (area, "--to", to, "--deadline", str(LATE))
        signatures = {
            name: self.command("sign", *signed, *self.settings(name), "--json")["signature"]
            for name in ("operator", "dso", *ATTESTER_NAMES[:2])
        }
        by = ["--operator", signatures["operator"], "--dso", signatures["dso"]]
        for name in ATTESTER_NAMES[:2]:
            by += ["--attester", signatures[name]]
        self.command("agree", *signed, *by, *self.settings("registrar"), "--json")

    def standing(self) -> dict[str, Any]:
        found: dict[str, Any] = self.command("show", self.old.config.area, *self.settings("registrar"), "--json")
        return found

    def take_over(self, *, code: int = 0) -> list[dict[str, str]]:
        """What became of each account."""
        found: list[dict[str, str]] = self.command(*self._taking_over(), "--json", code=code)["items"]
        return found

    def _taking_over(self) -> tuple[str, ...]:
        left = str(self.old.state / DEPLOYMENT_FILE)
        return ("take-over-all", self.old.config.area, "--from", left, *self.settings("take-over"))

    def take_over_and_die(self) -> None:
        """Kill -9 of whoever takes over, and of the new service, once some accounts went and others did not."""
        taking = subprocess.Popen([DOMINOES, "handover", *self._taking_over()])
        wait_for("some accounts to go over", lambda: self.supply(self.taking) > self.told["supply given anew"])
        taking.kill()
        taking.wait()
        self.taking.service.signal(signal.SIGKILL)
        self.told["left half-way"] = self.supply(self.old)
        self.taking.revive("service")

    def accounts(self, system: systems.System) -> Accounts:
        deployment = read_deployment_file(system.state / DEPLOYMENT_FILE)
        return Accounts(rpc=Rpc(node_url(system.state)), address=deployment.addresses["Accounts"])

    def supply(self, system: systems.System) -> int:
        return self.accounts(system).supply()

    def balances(self, system: systems.System) -> dict[bytes, int]:
        """Of households and retailer, as the chain has them."""
        chain = self.accounts(system)
        holders = [house.account for house in system.town.households] + [system.town.organisations["retailer"]]
        return {key.address: chain.balance_of(account=key.address) for key in holders}


def driver_of(system: systems.System, meters: TownMeters, day: date) -> DayDriver:
    plan = plan_of(day, gate_local=system.config.gate_local)
    return DayDriver(town=system.town, meters=meters, plan=plan, progress=lambda *_: None)


def last_mtu(old: systems.System) -> int:
    """The last one of the first run's only day."""
    mtus = plan_of(FIRST, gate_local=old.config.gate_local).mtus
    return mtus.first + mtus.count - 1


def begin(system: systems.System, day: date) -> None:
    """Register everybody and start the attesters."""
    first = plan_of(day, gate_local=system.config.gate_local).mtus.first
    system.town.register(valid_from_mtu=first - 1, tick=lambda *_: None)
    systems.start_attesters(system)


def settlement(system: systems.System) -> dict[str, Any]:
    """The only period's newest settlement."""
    (found,) = system.town.clients["attester-1"].items("/v1/attester/settlements")
    return dict(found)


def trade_beside(rehearsal: Rehearsal, mtu: int, second: DayDriver) -> None:
    """While the first run delivers its day, the second trades the next one at its gate."""
    told, gate = rehearsal.told, second.plan.gate
    if "orders" not in told and mtu_end(mtu + MTUS_PER_STEP) >= gate:
        told["orders"] = second.trade().orders
        second.close_and_clear()


def see_anchored(system: systems.System, driver: DayDriver) -> None:
    """The journal's head as it is now comes on chain, and no anchor is due while bundles are made."""
    head = system.town.public.get("/v1/ledger")["journal"]["sequence"]
    driver.advance(driver.market_time() + ANCHOR_SECONDS)  # anchors what is waiting for it
    system.town.clients["auditor"].get("/v1/attester/terms", area=system.config.area)  # anchored if nothing was
    wait_for("the anchor", lambda: system.town.public.get("/v1/ledger")["last_anchor"]["sequence"] >= head)


def evidence(rehearsal: Rehearsal, system: systems.System, name: str) -> dict[str, Verdict]:
    """Verdicts on what the run's service gives out, against the chain that both share."""
    out = rehearsal.folder / f"evidence of {name}"
    fetch_all(system.town, out / "bundles")
    node = node_url(system.state)
    write_anchors(system.town, state=system.state, node=node, path=out / "anchors.json")
    bundles = {kind: out / "bundles" / kind for kind in ("public", "auditor")}
    verdicts = run_verifier(bundles=list(bundles.values()), anchors=out / "anchors.json", rpc=[node])
    return dict(zip(bundles, verdicts, strict=True))


def hand_over(rehearsal: Rehearsal, first: DayDriver, meters: LateMeters) -> DayDriver:
    """The agreement, the second run beside the first, the first one's day with its late correction."""
    told, old = rehearsal.told, rehearsal.old
    rehearsal.agree()
    told["agreed"] = rehearsal.standing()
    first.advance(rehearsal.accounts(old).change_seconds() + first.market_time())
    told["in effect"] = rehearsal.standing()
    rehearsal.new = new = systems.start(state=rehearsal.new_state, cache=CACHE, wanted=None)
    begin(new, SECOND)
    new_meters = TownMeters(town=new.town, state=new.state, readings_per_message=MTUS_PER_STEP)
    second = driver_of(new, new_meters, SECOND)
    first.deliver(mtus_per_step=MTUS_PER_STEP, after_step=lambda mtu: trade_beside(rehearsal, mtu, second))
    first.settle()
    told["settled first"] = settlement(old)
    meters.tell()
    told["while a correction is open"] = rehearsal.take_over(code=EXIT_FAILED)
    wait_for("the correction", lambda: settlement(old)["revision"] > told["settled first"]["revision"])
    wait_for("it to take effect", lambda: settlement(old)["state"] in SETTLED)
    told["corrected by"] = second.market_time()
    second.void_rest()
    second.deliver(mtus_per_step=MTUS_PER_STEP, after_step=lambda _: None)
    second.settle()
    new_meters.stop()
    return second


def take_over(rehearsal: Rehearsal, second: DayDriver) -> None:
    """Once the last period there is Final, with two deaths on the way."""
    told, old, new = rehearsal.told, rehearsal.old, rehearsal.taking
    second.advance(told["corrected by"] + HORIZON_SECONDS + 1)
    wait_for("the last period to be Final", lambda: rehearsal.standing()["accounts_may_go"])
    told |= {"old before": rehearsal.balances(old), "new before": rehearsal.balances(new)}
    told["supply given anew"], told["supply left"] = rehearsal.supply(new), rehearsal.supply(old)
    rehearsal.take_over_and_die()
    told["second time"], told["third time"] = rehearsal.take_over(), rehearsal.take_over()
    told |= {"old after": rehearsal.balances(old), "new after": rehearsal.balances(new)}
    told["supplies after"] = rehearsal.supply(old), rehearsal.supply(new)


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """A day on the first version, the handover, and a day on the second."""
    folder = tmp_path_factory.mktemp("handover")
    demo = DemoSection(
        grid=SMALLEST_GRID, first_day=FIRST, attest_seconds=ATTEST_SECONDS, horizon_seconds=HORIZON_SECONDS
    )
    wanted = systems.fresh_config(demo, last_day=FIRST, mtus_per_step=MTUS_PER_STEP)
    old = systems.start(state=folder / "old", cache=CACHE, wanted=wanted)
    made = Rehearsal(folder=folder, old=old)
    try:
        begin(old, FIRST)
        meters = LateMeters(system=old, silent_from=last_mtu(old) + 1 - MTUS_PER_STEP)
        first = driver_of(old, meters, FIRST)
        first.trade()
        first.close_and_clear()
        first.void_rest()
        second = hand_over(made, first, meters)
        take_over(made, second)
        meters.stop()
        for system, driver, name in ((old, first, "old"), (made.taking, second, "new")):
            see_anchored(system, driver)
            made.told[f"verdicts of {name}"] = evidence(made, system, name)
        yield made
    finally:
        for system in filter(None, (made.new, old)):
            system.stop()
        kill_all_with(str(folder))


def test_handover__agreed__takes_effect_after_its_delay(rehearsal: Rehearsal) -> None:
    agreed, in_effect = rehearsal.told["agreed"], rehearsal.told["in effect"]

    assert (agreed["after_period"], agreed["in_effect"]) == (1, False)
    assert (in_effect["in_effect"], in_effect["accounts_may_go"]) == (True, False)


def test_handover__while_the_last_period_can_be_corrected__no_account_goes(rehearsal: Rehearsal) -> None:
    refused = rehearsal.told["while a correction is open"]

    assert {row["outcome"] for row in refused} == {"refused"}
    assert all(row["reason"].startswith("HandoversNotFinal(") for row in refused)


def test_handover__market__goes_on_with_what_is_metered_and_settled(rehearsal: Rehearsal) -> None:
    out = rehearsal.folder / "evidence of new"
    (succeeded,) = facts(out, "deployment.succeeded")
    left = read_deployment_file(rehearsal.old.state / DEPLOYMENT_FILE)

    assert rehearsal.told["orders"] > 0 and facts(out, "mtu.cleared") != []
    assert settlement(rehearsal.taking)["state"] in SETTLED
    assert {item["name"]: item["address"] for item in succeeded["contracts"]} == left.as_json()["addresses"]


def test_handover__killed_half_way__each_account_went_once(rehearsal: Rehearsal) -> None:
    told = rehearsal.told

    assert 0 < told["left half-way"] < told["supply left"]
    assert "taken over" in {row["outcome"] for row in told["second time"]}
    assert {row["outcome"] for row in told["third time"]} == {"nothing there"}
    assert {*told["old after"].values()} == {0}
    for account, before in told["new before"].items():
        backing = told["old before"][account]
        assert told["new after"][account] == before + backing
    assert sum(told["supplies after"]) == told["supply given anew"] + told["supply left"]


def test_handover__lines__are_given_by_the_same_retailer(rehearsal: Rehearsal) -> None:
    chain, town = rehearsal.accounts(rehearsal.taking), rehearsal.taking.town
    retailer = town.organisations["retailer"].address

    for house in town.households:
        assert chain.guarantor_of(account=house.account.address) == retailer
        assert chain.line_of(account=house.account.address) == 2 * HOUSEHOLD_CREDIT_NEUR


def test_handover__balances__are_the_same_in_the_new_service(rehearsal: Rehearsal) -> None:
    town, chain = rehearsal.taking.town, rehearsal.told["new after"]

    for house in town.households:
        told = town.client_of(house).get("/v1/balance")["balance_neur"]
        assert int(told) == chain[house.account.address]


def test_handover__evidence_of_both__is_clean(rehearsal: Rehearsal) -> None:
    for name in ("old", "new"):
        verdicts: dict[str, Verdict] = rehearsal.told[f"verdicts of {name}"]
        assert {kind: item.exit_code for kind, item in verdicts.items()} == {"public": 0, "auditor": 0}, verdicts


def test_handover__killed_service__refused_and_doubled_nothing(rehearsal: Rehearsal) -> None:
    record = Record.open(f"sqlite:///{rehearsal.taking.state / RECORD_FILE}")
    try:
        record.verify()
        assert [entry.as_a(ChainFailed).reason for entry in record.entries(kinds=[ChainFailed])] == []
    finally:
        record.close()
