"""Turns: each client has a few requests answered at once and its others wait, so that no client takes what all share.

A request costs what it weighs: a heavy list keeps its turn for as long as it is worked on. Whoever is logged in is told
apart by account, others by address, which behind a reverse proxy is the one that the proxy names.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from domain.errors import DominoesError

READS_AT_ONCE = 4
"""Reads of one client that are worked on at the same time."""

WRITES_AT_ONCE = 64
"""Writes of one client: what comes together is committed together, so they cost less the more there are."""

WAITING_MAX = 256
"""Most requests of one client that wait for their turn."""

READ_THREADS = 8
"""Threads for the reads of all clients: more would only share one interpreter among more."""

WRITE_THREADS = 4
"""Threads for writes, which wait for the record and not for reads."""

HEALTH_THREADS = 1
"""Threads for those who ask whether the service is up."""


class TooManyAtOnce(DominoesError):
    """More requests of this client wait for an answer than may."""

    status = 429
    code = "too-many-at-once"
    remedy = "Wait for the answers to requests already sent before sending the next ones."
    retryable = True

    def __init__(self, *, waiting: int) -> None:
        self.waiting = waiting
        super().__init__(f"{waiting} requests of yours wait for their turn; ask again when some are answered")


@dataclass(slots=True)
class _Line:
    """One client's requests: those that wait, and the turns that are free."""

    turns: asyncio.Semaphore
    present: int = 0
    """requests that wait or have their turn"""


class ClientTurns:
    """Gives each client `at_once` turns, first come first served. Used on the event loop alone."""

    def __init__(self, *, at_once: int, waiting_max: int = WAITING_MAX) -> None:
        self._at_once, self._waiting_max = at_once, waiting_max
        self._lines: dict[bytes, _Line] = {}

    @property
    def clients(self) -> int:
        """How many clients have requests here now."""
        return len(self._lines)

    @asynccontextmanager
    async def turn(self, client: bytes) -> AsyncIterator[None]:
        """Wait for a turn, and keep it while inside. Raises TooManyAtOnce."""
        line = self._lines.setdefault(client, _Line(asyncio.Semaphore(self._at_once)))
        if line.present >= self._at_once + self._waiting_max:
            raise TooManyAtOnce(waiting=self._waiting_max)
        line.present += 1
        try:
            async with line.turns:
                yield
        finally:
            line.present -= 1
            if not line.present:
                del self._lines[client]
