"""Stages: each reads what earlier ones committed, appends its own facts, and is finished."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

ROUNDS_MAX = 100_000
"""Rounds after which stages that always find more to do are taken for a fault."""


class Stage(Protocol):
    """A step of the market.

    Assumptions: `run` may be stopped at any point and run again (what it has not committed has not happened; what it
    has committed it must find done), and only one process runs a given stage at a time.
    """

    name: str

    def run(self, now: int) -> bool:
        """Do what is due at market time `now` (unix seconds) and return whether anything was done."""
        ...


class StagesNeverQuiet(RuntimeError):
    """Stages kept reporting work: one of them does the same thing again and again."""

    def __init__(self, *, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            f"still busy after {ROUNDS_MAX} rounds: {', '.join(names)}; look for a stage that repeats itself"
        )


def run_until_quiet(stages: Sequence[Stage], now: int) -> int:
    """Run all stages in order, again and again, until a whole round did nothing; return how many runs did something."""
    done = 0
    for _ in range(ROUNDS_MAX):
        busy = [stage.name for stage in stages if stage.run(now)]
        if not busy:
            return done
        done += len(busy)
    raise StagesNeverQuiet(names=busy)
