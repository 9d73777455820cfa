"""Market time at the edge: market time = origin + (block time - start) x speed, all in unix seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from domain.errors import DominoesError
from domain.mtu import MarketSeconds


class MarketClock(Protocol):
    """Tells market time. It never goes back while the process lives."""

    def now(self) -> MarketSeconds:
        """Market time in unix seconds."""
        ...


class ClockMovedBack(DominoesError):
    """Market time only moves forward."""

    status = 500
    code = "clock-moved-back"

    def __init__(self, *, at: int, to: int) -> None:
        self.at, self.to = at, to
        super().__init__(
            f"market time is {at} and can't become {to}; read the time back from the chain before setting it"
        )


class ManualClock:
    """The clock of the embedded node: the service sets it as far as work allows, and it stands still in between.

    It remembers nothing over a restart: start it from the market time of the chain's last block.
    """

    def __init__(self, now: int) -> None:
        self._now = now
        self._lock = threading.Lock()

    def now(self) -> MarketSeconds:
        """Market time in unix seconds."""
        with self._lock:
            return MarketSeconds(self._now)

    def advance_to(self, now: int) -> None:
        """Set market time. Raises ClockMovedBack where it is later already."""
        with self._lock:
            if now < self._now:
                raise ClockMovedBack(at=self._now, to=now)
            self._now = now


class ScaledClock:
    """Market time on a node that keeps its own time: computed from wall time as the contracts do from block time.

    `wall` returns unix seconds and is read only here; a wall clock that steps back makes this clock stand still.
    """

    def __init__(self, *, origin: int, start: int, speed: int, wall: Callable[[], float]) -> None:
        self._origin, self._start, self._speed, self._wall = origin, start, speed, wall
        self._latest = origin
        self._lock = threading.Lock()

    def now(self) -> MarketSeconds:
        """Market time in unix seconds; whole seconds of wall time count, as block times are whole seconds."""
        computed = self._origin + (int(self._wall()) - self._start) * self._speed
        with self._lock:
            self._latest = max(self._latest, computed)
            return MarketSeconds(self._latest)
