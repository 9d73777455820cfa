"""The loop that runs the market on an embedded node: stages until quiet, one block per step, time as far as asked."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import structlog

from domain.errors import DominoesError
from ledger_service.chain.embedded import EmbeddedNode
from ledger_service.chain.gateway import Gateway
from ledger_service.clock import ManualClock
from ledger_service.stage import Stage, run_until_quiet

IDLE_SECONDS = 0.5
"""Wall seconds between looks for new work while nothing was announced: a block of somebody else, a dead node."""

RETRY_SECONDS = 1.0
"""Wall seconds before trying again after the node or the disk failed; work waits, nothing is lost."""

ADVANCE_TIMEOUT_SECONDS = 120.0
"""Longest a request to advance market time waits for the stages to become quiet."""

CHECKPOINT_BLOCKS = 500
"""Blocks after which the chain's state is written to disk: a day of the demo makes some hundred, and replaying this
many takes seconds."""

_log = structlog.get_logger(__name__)


class AdvanceTimedOut(DominoesError):
    """Market time did not reach the value in time: the node is away or a stage is stuck."""

    status = 503
    code = "advance-timed-out"
    retryable = True

    def __init__(self, *, wanted: int, reached: int) -> None:
        self.wanted, self.reached = wanted, reached
        super().__init__(f"market time is {reached}, not yet {wanted}; look at /health and the log, then ask again")


class MarketLoop:
    """Runs stages and mines on one thread. Market time is block time here (speed 1), set by `advance_to`."""

    def __init__(self, *, stages: Sequence[Stage], gateway: Gateway, node: EmbeddedNode, clock: ManualClock) -> None:
        self._stages, self._gateway, self._node, self._clock = stages, gateway, node, clock
        self._work = threading.Event()
        self._stopping = threading.Event()
        self._quiet = threading.Condition()
        self._failure: str | None = None
        self._target = int(clock.now())
        self._reached = int(clock.now())
        self._checkpoint = node.head().number
        self._thread = threading.Thread(target=self._run, name="market", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the turn in hand and end."""
        self._stopping.set()
        self._work.set()
        self._thread.join(timeout=60)

    def wake(self) -> None:
        """Look for work now: facts were appended."""
        self._work.set()

    def failure(self) -> str | None:
        """The code of what made the last turn fail; None while the loop goes on."""
        return self._failure

    def advance_to(self, to: int) -> int:
        """Let market time reach `to` (unix seconds); return the time reached once all that is due by then is done."""
        with self._quiet:
            self._target = max(self._target, to)
            wanted = self._target
            self._work.set()
            if not self._quiet.wait_for(lambda: self._reached >= wanted, timeout=ADVANCE_TIMEOUT_SECONDS):
                raise AdvanceTimedOut(wanted=wanted, reached=self._reached)
            return self._reached

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
                self._failure = None
            except DominoesError as error:
                self._failure = error.code
                _log.warning("market.waits", reason=str(error), code=error.code)
                self._recover()
            except Exception:
                self._failure = "turn-failed"
                _log.exception("market.turn_failed")
                self._stopping.wait(RETRY_SECONDS)

    def _turn(self) -> None:
        """One round: everything due now, then a step of time where one is asked for."""
        while run_until_quiet(self._stages, self._clock.now()) or self._flush():
            if self._stopping.is_set():
                return
        with self._quiet:
            target = self._target
            if target <= self._clock.now():
                self._reached = int(self._clock.now())
                self._quiet.notify_all()
        if target > self._clock.now():
            self._mine(target)
            self._clock.advance_to(target)
            return
        if not self._node.alive():
            self._node.restart()
        self._checkpoint_if_due()
        self._work.wait(IDLE_SECONDS)
        self._work.clear()

    def _flush(self) -> bool:
        """Mine what stages asked for and strangers sent; True where there was something."""
        self._gateway.take()
        if not (self._gateway.pending() or self._node.has_others()):
            return bool(self._gateway.collect())
        timestamp = max(int(self._clock.now()), self._node.head().timestamp + 1)
        progress = self._gateway.flush(node=self._node, timestamp=timestamp)
        self._clock.advance_to(timestamp)
        return bool(progress.included or progress.failed or progress.observed)

    def _mine(self, timestamp: int) -> None:
        """An empty block, so that everyone who reads market time from the chain sees the step.

        It comes before the service's own clock moves: market time is never said to be further than the chain's.
        """
        if self._node.head().timestamp < timestamp:
            self._node.mine(timestamp=timestamp, transactions=[])

    def _checkpoint_if_due(self) -> None:
        """Write the chain's state now and then, so that a start after a kill has few blocks to replay."""
        head = self._node.head().number
        if head - self._checkpoint >= CHECKPOINT_BLOCKS:
            self._node.checkpoint()
            self._checkpoint = head

    def _recover(self) -> None:
        """Bring a dead node back; anything else is waited for."""
        self._stopping.wait(RETRY_SECONDS)
        if not self._stopping.is_set() and not self._node.alive():
            try:
                self._node.restart()
                _log.info("market.node_restarted", pid=self._node.pid)
            except DominoesError as error:
                _log.warning("market.node_away", reason=str(error))
