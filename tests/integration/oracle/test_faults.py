"""Faults of a running attester: a full disk, a message that can't be used, kill -9; nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oracle.attester.consensus.effects import Effect
from oracle.attester.consensus.events import Event, Moment, StatesTold
from oracle.attester.consensus.machine import Consensus
from oracle.attester.consensus.states import Learning
from oracle.attester.store import Store
from oracle.mqtt import MqttSession
from tests.attester_store import counts

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]


def full(attester: Any, *, is_full: bool) -> None:
    """Let the attester's store have no more room, or plenty."""
    (pages,) = attester.store._db.execute("PRAGMA page_count").fetchone()
    attester.store._db.execute(f"PRAGMA max_page_count={pages if is_full else 2**30}")


def test_attester__disk_full_for_a_while__keeps_its_group_and_goes_on(
    make_community: Callable[..., Any], wait: Callable[..., None]
) -> None:
    community = make_community(meters=10, mtus=20)
    community.start(attesters=2)
    first, last = community.mtus[0], community.mtus[-1]
    community.service.now = community.measured_at()
    community.measure(first - 1, first)
    wait(lambda: community.fleet.waiting() == 0)
    attester = community.attesters["A0"]

    full(attester, is_full=True)
    community.measure(first + 1, last)
    wait(lambda: attester._hand)
    assert community.fleet.waiting() > 0
    assert attester.is_alive()
    full(attester, is_full=False)
    wait(lambda: community.fleet.waiting() == 0)
    community.service.now = community.due_at()
    wait(lambda: len(community.service.recorded) == 20)

    assert sum(len(run.mtus) for code, run in attester.store.runs() if code == "M000") == 21
    assert [len(held) for held in community.service.recorded.values()] == [1] * 20


def test_attester__one_fault_of_the_store_while_it_takes_an_answer__asks_again(
    make_community: Callable[..., Any], wait: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, faults = Consensus.handle, [sqlite3.OperationalError("database is locked"), ValueError("a bad answer")]

    def handle(self: Consensus, event: Event, at: Moment) -> list[Effect]:
        if isinstance(event, StatesTold) and faults:
            raise faults.pop()
        return real(self, event, at)

    monkeypatch.setattr(Consensus, "handle", handle)
    community = make_community(meters=2, mtus=2)
    community.start(attesters=1)
    attester = community.attesters["A0"]

    wait(lambda: not faults and not isinstance(attester.parts.driver.consensus.state, Learning))

    assert attester.is_alive()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_attester__thread_ends__is_not_alive(make_community: Callable[..., Any], wait: Callable[..., None]) -> None:
    community = make_community(meters=1, mtus=1)
    community.start(attesters=1)
    attester = community.attesters["A0"]
    assert attester.is_alive()

    def end(*_: object) -> None:
        raise SystemExit

    attester._inbox.put(end)

    wait(lambda: not attester.is_alive())


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("attest/A1/fetch", b'{"to":"A0","want":[["M000",18446744073709551615]]}'),
        ("attest/A1/attested", b'{"attestations":[{"mtu":-1,"revision":0,"readings":[],"signatures":[]}]}'),
        ("attest/A1/proposal", b"[" * 50_000),
        ("meter/M000/reading", b"x" * 200_000),
        ("meter/M000/reading", b""),
    ],
)
def test_attester__message_that_can_not_be_used__is_passed_over(
    make_community: Callable[..., Any], wait: Callable[..., None], topic: str, payload: bytes
) -> None:
    community = make_community(meters=2, mtus=2)
    community.start(attesters=2)
    first, last = community.mtus[0], community.mtus[-1]
    community.service.now = community.measured_at()
    stranger = MqttSession(
        address=community.address, client_id="stranger", subscriptions=[], on_message=lambda message: None
    )
    stranger.start()

    assert stranger.publish(f"lem/v1/TEST.LV1/{topic}", payload)
    community.measure(first - 1, last)
    wait(lambda: community.fleet.waiting() == 0)
    community.service.now = community.due_at()
    wait(lambda: len(community.service.recorded) == 2)
    stranger.stop()

    assert all(attester.is_alive() for attester in community.attesters.values())


def test_attester_process__killed_while_readings_come_in__has_each_once_after_its_restart(
    make_community: Callable[..., Any], wait: Callable[..., None], tmp_path: Path
) -> None:
    community = make_community(meters=20, mtus=20)
    community.start(attesters=1)
    first, last = community.mtus[0], community.mtus[-1]
    community.service.now = community.measured_at()

    def start() -> subprocess.Popen[bytes]:
        numbers = [str(number) for number in (20, 20, community.service.now)]
        command = [sys.executable, "-m", "tests.integration.oracle.attester_process"]
        command += [str(tmp_path), str(community.port), "A1", *numbers]
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})

    child = start()
    try:
        community.measure(first - 1, first - 1)
        wait(lambda: community.fleet.waiting() == 0)
        for mtu in range(first, last + 1):
            community.measure(mtu, mtu)
            if mtu == first + 9:
                child.send_signal(signal.SIGKILL)
                child.wait()
        assert community.fleet.waiting() > 0
        child = start()
        wait(lambda: community.fleet.waiting() == 0)
    finally:
        child.kill()
        child.wait()

    store = Store(tmp_path / "A1.sqlite")
    held = [(code, reading.sequence) for code, run in store.runs() for reading in run.readings()]
    assert sorted(held) == [(code, sequence) for code in community.codes for sequence in range(1, 22)]
    assert counts(store)["reading"] == len(held)
    store.close()
