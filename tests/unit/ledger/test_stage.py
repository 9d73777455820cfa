"""Running stages until none of them has anything left to do."""

from __future__ import annotations

import pytest

from ledger_service import stage
from ledger_service.stage import StagesNeverQuiet, run_until_quiet

pytestmark = pytest.mark.unit


class Worker:
    """A stage with so much to do; each piece of its work may give another stage work."""

    def __init__(self, name: str, work: int, feeds: Worker | None = None) -> None:
        self.name, self.work, self.feeds = name, work, feeds
        self.times: list[int] = []

    def run(self, now: int) -> bool:
        self.times.append(now)
        if self.work == 0:
            return False
        self.work -= 1
        if self.feeds is not None:
            self.feeds.work += 1
        return True


def test_run_until_quiet__later_stage_feeds_earlier__runs_again() -> None:
    first = Worker("first", 0)
    second = Worker("second", 2, feeds=first)

    assert run_until_quiet([first, second], 7) == 4
    assert (first.work, second.work) == (0, 0)
    assert set(first.times) == {7}


def test_run_until_quiet__nothing_to_do__one_round() -> None:
    idle = Worker("idle", 0)

    assert run_until_quiet([idle], 1) == 0
    assert idle.times == [1]


def test_run_until_quiet__stage_repeats_itself__names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "ROUNDS_MAX", 5)

    with pytest.raises(StagesNeverQuiet) as error:
        run_until_quiet([Worker("idle", 0), Worker("restless", 100)], 1)
    assert error.value.names == ("restless",)
