"""A handover rehearsed: a day on one deployment, the next on another that takes over, and the verdict on both.

Two services with a record each share one chain, as two would in production: the old one ends its last period while the
new one trades already; what an operator does for it is what docs/operations.md says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contracts.artifacts import load_artifact
from contracts.bindings import Handovers
from contracts.deploy import Deployment, read_deployment, send_plan
from contracts.rpc import Rpc
from domain.facts import ChainFailed
from domain.hashing import from_hex, to_hex
from domain.roles import ChainRole
from ledger_service.chain.anvil import AnvilProcess, NodeSettings
from ledger_service.evidence.predecessor import succeed
from ledger_service.evidence.recorded import last_anchor
from ledger_service.money import queries
from ledger_service.record import Record
from tests.integration.settlement.day_on_chain import EUR, key
from tests.integration.settlement.handover_world import (
    CHANGE_SECONDS,
    LINE_NEUR,
    START,
    Chain,
    Logs,
    Site,
    agree,
    anchor,
    give_line,
    messages,
    plan_of,
    register,
    settle,
    site,
    until_final,
    verdicts,
)
from verifier.verdict import CLEAN

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def rpc() -> Iterator[Rpc]:
    process = AnvilProcess.start(settings=NodeSettings(chain_id=31337, genesis_time=START))
    yield process.rpc
    process.stop()


@dataclass
class Rehearsal:
    """Both services after it."""

    old: Site
    new: Site


def deployed(chain: Chain, *, nonce: int, predecessor: Deployment | None) -> Deployment:
    """The contracts in a block."""
    plan = plan_of(chain, nonce=nonce, predecessor=predecessor)
    send_plan(rpc=chain.rpc, transactions=list(plan.transactions.values()))
    chain.rpc.call("evm_mine")
    return read_deployment(rpc=chain.rpc, plan=plan)


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory, rpc: Rpc) -> Iterator[Rehearsal]:
    """A day of 1 kWh on the first deployment, the handover, and a day of 2 kWh on the second."""
    folder = tmp_path_factory.mktemp("handover")
    records = [Record.open(f"sqlite:///{folder / name}.sqlite") for name in ("old", "new")]
    chain = Chain(rpc=rpc, chain_id=31337)
    first = deployed(chain, nonce=0, predecessor=None)
    old = site(Site, records[0], chain, first, day=0)
    register(old, after=False)
    give_line(old)
    second = deployed(chain, nonce=len(first.addresses), predecessor=first)
    agree(old, second)
    old.run_to(old.now + CHANGE_SECONDS + 1)
    new = site(Site, records[1], chain, second, day=1)
    new.now = old.now
    register(new, after=True)
    settle(old, 1_000, beside=new)
    until_final(old)
    anchor(old)
    with old.record.read() as connection:
        last = last_anchor(connection)
    succeed(new.record, contracts=first.addresses, anchor=last)
    new.run_to(old.now + 60)
    for name in ("house", "retailer account"):
        new.ask(Handovers.take_over(account=key(name).address), role=ChainRole.OPERATOR)
    old.run_to(new.now)
    settle(new, 2_000)
    anchor(new)
    yield Rehearsal(old=old, new=new)
    for record in records:
        record.close()


def test_handover__a_day_on_each__money_line_and_guarantor_went_over(rehearsal: Rehearsal) -> None:
    old, new = rehearsal.old, rehearsal.new
    price_neur = 390_000 * 119 // 100

    assert [entry.as_a(ChainFailed).reason for entry in old.record.entries(kinds=[ChainFailed])] == []
    assert [entry.as_a(ChainFailed).reason for entry in new.record.entries(kinds=[ChainFailed])] == []
    assert {old.balance(name) for name in ("house", "retailer account")} == {0}
    assert new.balance("house") == -(1_000 + 2_000) * price_neur
    assert new.chain.guarantor_of(account=key("house").address) == key("retailer account").address
    assert new.chain.line_of(account=key("house").address) == LINE_NEUR
    with new.record.read() as connection:
        assert queries.credit_neur(connection, account=key("house").address) == LINE_NEUR
    assert old.chain.supply() + new.chain.supply() == 10 * EUR


def test_handover__evidence_of_both__is_clean(rehearsal: Rehearsal, tmp_path: Path) -> None:
    old, new = rehearsal.old, rehearsal.new

    before = verdicts(old, tmp_path / "old", None)
    after = verdicts(new, tmp_path / "new", old.deployment)

    assert messages(before) == {"public": [], "auditor": []}
    assert messages(after) == {"public": [], "auditor": []}
    assert {report.exit_code for report in (*before.values(), *after.values())} == {CLEAN}


def is_event(log: dict[str, Any], deployment: Deployment, name: str) -> bool:
    """Whether a log tells an event of the deployment's Handovers."""
    topics = [from_hex(topic) for topic in log["topics"]]
    at = from_hex(log["address"]) == deployment.addresses["Handovers"]
    event = load_artifact("Handovers").abi.decode_event(topics, from_hex(log["data"])) if at else None
    return event is not None and event.name == name


def test_handover__more_entered_than_left__reads_wrong(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """As if the contracts of the new deployment had minted what nobody burnt: the old one tells of one nEUR less."""
    old, new = rehearsal.old, rehearsal.new

    def told(logs: Logs) -> Logs:
        return [less(log) if is_event(log, old.deployment, "AccountLeft") else log for log in logs]

    def less(log: dict[str, Any]) -> dict[str, Any]:
        words = [from_hex(log["data"])[at : at + 32] for at in range(0, 160, 32)]
        balance = int.from_bytes(words[3], "big", signed=True) - 1
        words[3] = balance.to_bytes(32, "big", signed=True)
        return log | {"data": to_hex(b"".join(words))}

    found = messages(verdicts(new, tmp_path, old.deployment, told=told))

    assert all("accounts taken over" in "".join(texts) for texts in found.values()), found


def test_handover__nobody_agreed__reads_wrong(rehearsal: Rehearsal, tmp_path: Path) -> None:
    old, new = rehearsal.old, rehearsal.new

    def told(logs: Logs) -> Logs:
        return [log for log in logs if not is_event(log, old.deployment, "HandoverAgreed")]

    found = messages(verdicts(new, tmp_path, old.deployment, told=told))

    assert all("areas taken over without agreement" in "".join(texts) for texts in found.values()), found


def test_handover__another_deployment_before_than_the_anchors_name__reads_wrong(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    new = rehearsal.new

    found = messages(verdicts(new, tmp_path, new.deployment))

    assert all("the trust anchors hold as predecessor" in "".join(texts) for texts in found.values()), found
