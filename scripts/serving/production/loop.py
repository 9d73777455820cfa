"""The loop that runs the market on a chain that makes its own blocks: stages until quiet, then a look at the chain."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import structlog

from domain.errors import DominoesError
from ledger_service.chain.gateway import Gateway
from ledger_service.clock import MarketClock
from ledger_service.stage import Stage, run_until_quiet

IDLE_SECONDS = 0.25
"""Wall seconds between turns: several within a block period, and a burden to nobody."""

RETRY_SECONDS = 1.0
"""Wall seconds before trying again after the node or the database failed; work waits, nothing is lost."""

STOP_SECONDS_MAX = 60.0
"""Longest wait for the turn in hand."""

_log = structlog.get_logger(__name__)


class ProductionLoop:
    """Stages and gateway on one thread; market time is computed, never set."""

    def __init__(self, *, stages: Sequence[Stage], gateway: Gateway, clock: MarketClock) -> None:
        self._stages, self._gateway, self._clock = stages, gateway, clock
        self._stopping = threading.Event()
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._run, name="market", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the turn in hand and end."""
        self._stopping.set()
        self._thread.join(timeout=STOP_SECONDS_MAX)

    def failure(self) -> str | None:
        """The code of what made the last turn fail; None while the loop goes on."""
        return self._failure

    def _run(self) -> None:
        wait = 0.0
        while not self._stopping.wait(wait):
            try:
                busy = self._turn()
                self._failure = None
                wait = 0.0 if busy else IDLE_SECONDS
            except DominoesError as error:
                self._failure = error.code
                _log.warning("market.waits", reason=str(error), code=error.code)
                wait = RETRY_SECONDS
            except Exception:
                self._failure = "turn-failed"
                _log.exception("market.turn_failed")
                wait = RETRY_SECONDS

    def _turn(self) -> bool:
        """Everything due now, then what the chain did; whether there was something to do."""
        done = run_until_quiet(self._stages, self._clock.now())
        progress = self._gateway.step()
        return bool(done or progress.included or progress.failed or progress.observed)
