"""The handover on four geth sealers by `dominoes`' own commands; a sealer and whoever takes over are killed in it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from contracts.deploy import Deployment, read_deployment, send_plan
from contracts.rpc import Rpc
from domain.facts import ChainFailed
from domain.hashing import to_hex
from ledger_service.chain.profile import CLIQUE
from ledger_service.evidence.predecessor import succeed
from ledger_service.evidence.recorded import last_anchor
from ledger_service.record import Record
from ledger_service.stage import run_until_quiet
from scripts.cli.common import EXIT_FAILED
from scripts.serving.deployment_file import write_deployment
from scripts.tools.chain_nodes.clique import CliqueNetwork
from tests.integration.ledger import town
from tests.integration.settlement.day_on_chain import EUR, ROLES, key
from tests.integration.settlement.handover_world import (
    CHANGE_SECONDS,
    LINE_NEUR,
    Chain,
    Site,
    anchor,
    give_line,
    messages,
    plan_of,
    register,
    sender,
    settle,
    site,
    until_final,
    verdicts,
)
from verifier.verdict import CLEAN

pytestmark = [pytest.mark.integration, pytest.mark.host, pytest.mark.campaign, pytest.mark.timeout(1_800)]

DOMINOES = str(Path(sys.executable).with_name("dominoes"))
CHAIN_ID, SPEED = 20_161, 400
WAIT_SECONDS = 300
OURS, KILLED = 0, 3
"""Sealers by number: the one whose node all here ask, and the one that is killed."""


class CliqueSite(Site):
    """A service on sealers that make blocks in their own time."""

    def run_to(self, now: int) -> None:
        """Work until that market time, and on until nothing is left to do."""
        while True:
            busy = run_until_quiet(self.stages, self.now)
            progress = self.gateway.step()
            self.now = max(self.now, self.market_time())
            busy |= bool(progress.taken or progress.included or progress.failed or progress.observed)
            if not busy and not self.gateway.pending() and self.now >= now:
                return
            if not busy:
                time.sleep(0.2)

    def market_time(self) -> int:
        header = self.rpc.header()
        assert header is not None
        return self.shared.market_time(header.timestamp)


@dataclass
class Desks:
    """A folder with everybody's own keystore and settings, as `dominoes handover` wants them."""

    folder: Path
    url: str

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def deployed(self, name: str, deployment: Deployment) -> None:
        write_deployment(self.file(name), deployment)

    def settings(self, holder: str, *, on: str) -> tuple[str, str]:
        """Settings of the holder of a key, for the deployment of this name."""
        place = self.folder / holder.replace(" ", "-")
        if not place.exists():
            place.mkdir()
            (place / "key.json").write_text(json.dumps(Account.encrypt(key(holder).secret, holder, iterations=2)))
            (place / "password").write_text(holder)
            for path in place.iterdir():
                path.chmod(0o600)
        (place / f"{on}.toml").write_text(
            '[signer]\nkeystore = "key.json"\npassword_file = "password"\n'
            f'[chain]\nrpc_url = "{self.url}"\nprofile = "clique"\ndeployment_file = "{self.file(on)}"\n'
        )
        return "--config", str(place / f"{on}.toml")

    def dominoes(self, *arguments: str, code: int = 0) -> Any:
        done = subprocess.run([DOMINOES, "handover", *arguments, "--json"], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def agree(self, deadline: int) -> None:
        """Each signs at its own desk; the registrar brings it on chain."""
        signed = (town.AREA, "--to", str(self.file("new")), "--deadline", str(deadline))
        signatures = {
            name: self.dominoes("sign", *signed, *self.settings(name, on="old"))["signature"]
            for name in ("operator", "dso", "attester0", "attester1")
        }
        by = ("--operator", signatures["operator"], "--dso", signatures["dso"])
        by += ("--attester", signatures["attester1"], "--attester", signatures["attester0"])
        self.dominoes("agree", *signed, *by, *self.settings("registrar", on="old"))

    @property
    def taking_over(self) -> tuple[str, ...]:
        left = ("take-over-all", town.AREA, "--from", str(self.file("old")))
        return (*left, *self.settings("next registrar", on="new"))

    def take_over(self, *, code: int = 0) -> dict[str, dict[str, str]]:
        """What became of each account."""
        return {row["account"]: row for row in self.dominoes(*self.taking_over, code=code)["items"]}


def until(what: str, ready: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not ready():
        assert time.monotonic() < end, f"no {what}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CliqueNetwork]:
    senders = [sender(name, after=after).address for name in ROLES for after in (False, True)]
    folder = tmp_path_factory.mktemp("clique")
    running = CliqueNetwork(folder=folder, chain_id=CHAIN_ID, funded=[key("deployer").address, *senders])
    try:
        running.start()
        yield running
    finally:
        running.stop()


def deployed(chain: Chain, *, nonce: int, predecessor: Deployment | None) -> Deployment:
    """The contracts in a block."""
    plan = plan_of(chain, nonce=nonce, predecessor=predecessor)
    hashes = [to_hex(signed.hash) for signed in plan.transactions.values()]
    send_plan(rpc=chain.rpc, transactions=list(plan.transactions.values()))
    until("contracts", lambda: all(chain.rpc.call("eth_getTransactionReceipt", each) for each in hashes))
    return read_deployment(rpc=chain.rpc, plan=plan)


@dataclass
class Rehearsal:
    """Both services after it, and what `take-over-all` said: before the end, after a kill, and once more."""

    old: CliqueSite
    new: CliqueSite
    said: list[dict[str, dict[str, str]]]


def die_half_way(desks: Desks, network: CliqueNetwork, new: CliqueSite) -> None:
    """Kill a sealer, and then -9 whoever takes over, once some money came and some did not."""
    network.kill(KILLED)
    taking = subprocess.Popen([DOMINOES, "handover", *desks.taking_over])
    until("account to come", lambda: new.chain.supply() > 0)
    taking.kill()
    taking.wait()
    network.start_one(KILLED)


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory, network: CliqueNetwork) -> Iterator[Rehearsal]:
    """A day of 1 kWh on the first deployment, the handover, and a day of 2 kWh on the second."""
    folder = tmp_path_factory.mktemp("handover")
    records = [Record.open(f"sqlite:///{folder / name}.sqlite") for name in ("old", "new")]
    rpc = Rpc(network.sealers[OURS].url)
    header = rpc.header()
    assert header is not None
    chain = Chain(rpc=rpc, chain_id=CHAIN_ID, start=header.timestamp, speed=SPEED, profile=CLIQUE)
    desks = Desks(folder=folder, url=rpc.url)
    first = deployed(chain, nonce=0, predecessor=None)
    desks.deployed("old", first)
    old = site(CliqueSite, records[0], chain, first, day=0)
    register(old, after=False)
    give_line(old)
    second = deployed(chain, nonce=len(first.addresses), predecessor=first)
    desks.deployed("new", second)
    old.rest()
    desks.agree(deadline=2**37)
    old.run_to(old.market_time() + CHANGE_SECONDS + SPEED)
    new = site(CliqueSite, records[1], chain, second, day=1)
    new.now = old.now
    register(new, after=True)
    settle(old, 1_000, beside=new)
    said = [desks.take_over(code=EXIT_FAILED)]
    until_final(old)
    anchor(old)
    with old.record.read() as connection:
        last = last_anchor(connection)
    succeed(new.record, contracts=first.addresses, anchor=last)
    die_half_way(desks, network, new)
    said += [desks.take_over(), desks.take_over()]
    new.rest()
    old.rest()
    settle(new, 2_000)
    anchor(new)
    yield Rehearsal(old=old, new=new, said=said)
    rpc.close()
    for record in records:
        record.close()


def test_handover__on_clique__each_account_went_once_whoever_was_killed(rehearsal: Rehearsal) -> None:
    old, new = rehearsal.old, rehearsal.new
    early, resumed, again = rehearsal.said
    house, retailer = (to_hex(key(name).address) for name in ("house", "retailer account"))
    price_neur = 390_000 * 119 // 100

    assert {row["outcome"] for row in early.values()} == {"refused"}
    assert all(row["reason"].startswith("HandoversNotFinal(") for row in early.values())
    assert {house, retailer} <= early.keys()
    assert {row["outcome"] for row in resumed.values()} <= {"taken over", "nothing there"}
    assert {row["outcome"] for row in again.values()} == {"nothing there"}
    assert {old.balance(name) for name in ("house", "retailer account")} == {0}
    assert new.balance("house") == -(1_000 + 2_000) * price_neur
    assert new.chain.line_of(account=key("house").address) == LINE_NEUR
    assert old.chain.supply() + new.chain.supply() == 10 * EUR
    for where in (old, new):
        failed = [entry.as_a(ChainFailed) for entry in where.record.entries(kinds=[ChainFailed])]
        # With minutes in a second, a session that nobody trades in may come too late for its gate.
        assert [fact.reason for fact in failed if fact.contract != "Market"] == []


def test_handover__on_clique__evidence_of_both_is_clean(rehearsal: Rehearsal, tmp_path: Path) -> None:
    old, new = rehearsal.old, rehearsal.new

    before, after = verdicts(old, tmp_path / "old", None), verdicts(new, tmp_path / "new", old.deployment)

    assert [messages(before), messages(after)] == [{"public": [], "auditor": []}] * 2
    assert {report.exit_code for report in (*before.values(), *after.values())} == {CLEAN}
