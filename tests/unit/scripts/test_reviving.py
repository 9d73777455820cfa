"""Processes that died are started again, each by its own budget: one that stays dead ends no market."""

from __future__ import annotations

from typing import Any

import pytest

from domain.errors import DominoesError
from scripts.serving.embedded import reviving

pytestmark = pytest.mark.unit


class DiskFull(DominoesError):
    code = "disk-full"


class Service:
    name = "service"


class Dying:
    """A system in which processes die at once: each of `lives` lives after so many starts, None never."""

    service = Service()

    def __init__(self, lives: dict[str, int | None], *, fails: bool = False) -> None:
        self.lives, self.fails = lives, fails
        self.tried = dict.fromkeys(lives, 0)

    def keep_logs_short(self) -> None:
        """It writes none."""

    def dead(self) -> list[str]:
        return [name for name, after in self.lives.items() if after is None or self.tried[name] < after]

    def revive(self, name: str) -> None:
        self.tried[name] += 1
        if self.fails and name in self.dead():
            raise DiskFull("no space left")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviving, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(reviving, "LOOK_SECONDS_MAX", 0.001)


def reviver(system: Any, said: list[str], ended: list[str], clock: list[float]) -> reviving.Reviver:
    return reviving.Reviver(system=system, say=said.append, gave_up=ended.append, monotonic=lambda: clock[0])


def alarms(said: list[str]) -> list[str]:
    return [text for text in said if text.startswith("ALARM")]


def test_reviver__start_fails_for_a_while__goes_on_trying() -> None:
    system, said, ended = Dying({"service": 4}, fails=True), list[str](), list[str]()

    with reviver(system, said, ended, [0.0]) as under_test:
        while system.tried["service"] < 4:
            under_test._stopping.wait(0.001)

    assert sum("no space left" in text for text in said) == 3
    assert ended == []


def test_reviver__service_never_comes_back__says_so_and_gives_up() -> None:
    system, said, ended = Dying({"service": None}), list[str](), list[str]()

    with reviver(system, said, ended, [0.0]) as under_test:
        while not ended:
            under_test._stopping.wait(0.001)

    assert system.tried["service"] == reviving.STARTS_MAX
    assert "logs" in ended[0]


def test_reviver__attester_dies_again_and_again__said_once_and_the_others_go_on() -> None:
    system, said, ended = Dying({"attester-1": None, "attester-2": None, "service": None}), list[str](), list[str]()
    system.lives["attester-2"] = system.lives["service"] = reviving.STARTS_MAX

    with reviver(system, said, ended, [0.0]) as under_test:
        while system.dead() != ["attester-1"] or not alarms(said):
            under_test._stopping.wait(0.001)
        under_test._stopping.wait(0.05)

    assert ended == []
    assert [text.split()[1] for text in alarms(said)] == ["attester-1"]
    assert system.tried == dict.fromkeys(system.lives, reviving.STARTS_MAX)


def test_reviver__attester_was_given_up__tried_again_as_time_passes() -> None:
    system, said, clock = Dying({"attester-1": reviving.STARTS_MAX + 1}), list[str](), [0.0]

    with reviver(system, said, [], clock) as under_test:
        while not alarms(said):
            under_test._stopping.wait(0.001)
        clock[0] += reviving.START_FORGIVEN_S
        while system.dead():
            under_test._stopping.wait(0.001)

    assert system.tried["attester-1"] == reviving.STARTS_MAX + 1


def test_budget__one_death_now_and_then__never_used_up() -> None:
    clock = [0.0]
    budget = reviving.Budget(monotonic=lambda: clock[0])

    for _ in range(100):
        assert budget.take()
        clock[0] += reviving.START_FORGIVEN_S
