"""The loop of a run on another run's chain: blocks and market time are that one's."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from ledger_service.chain.gateway import Gateway
from ledger_service.clock import ManualClock
from ledger_service.stage import Stage
from scripts.serving.embedded.market_loop import ADVANCE_TIMEOUT_SECONDS, AdvanceTimedOut
from scripts.serving.production.loop import ProductionLoop


class OthersChain(Protocol):
    """A chain whose blocks another service makes."""

    def head_time(self) -> int:
        """Block time of the newest block, unix seconds. Raises NodeUnavailable."""
        ...

    def advance_to(self, to: int) -> None:
        """Have market time reach `to`, unless it is later already."""
        ...


class FollowingLoop(ProductionLoop):
    """Stages and gateway as in production; market time is that of the newest block, and can be asked to go on."""

    def __init__(self, *, stages: Sequence[Stage], gateway: Gateway, clock: ManualClock, chain: OthersChain) -> None:
        super().__init__(stages=stages, gateway=gateway, clock=clock)
        self._time, self._chain = clock, chain
        self._quiet = threading.Condition()
        self._reached = int(clock.now())

    def advance_to(self, to: int) -> int:
        """Let market time reach `to` (unix seconds); return the time reached once all that is due by then is done here.

        Raises AdvanceTimedOut, or ApiAway where the service that makes the blocks does not answer.
        """
        self._chain.advance_to(to)
        with self._quiet:
            if not self._quiet.wait_for(lambda: self._reached >= to, timeout=ADVANCE_TIMEOUT_SECONDS):
                raise AdvanceTimedOut(wanted=to, reached=self._reached)
            return self._reached

    def _turn(self) -> bool:
        """A look at the time, then everything due by it and what the chain did; whether there was something to do."""
        self._time.advance_to(max(int(self._time.now()), self._chain.head_time()))
        busy = super()._turn()
        if not busy and not self._gateway.pending():
            with self._quiet:
                self._reached = int(self._time.now())
                self._quiet.notify_all()
        return busy
