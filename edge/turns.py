"""Turns: each client has a few requests answered at once and its others wait, so that no client takes what all share.

A request costs what it weighs: a heavy list keeps its turn for as long as it is worked on, and the CPU seconds that it
took come out of what its client may use; who used up all rests before the next turn. Whoever is logged in is told apart
by account, others by address, which behind a reverse proxy is the one that the proxy names.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from domain.errors import DominoesError

READS_AT_ONCE = 2
"""Reads of one client that are worked on at the same time: more would take the interpreter from all others."""

WRITES_AT_ONCE = 64
"""Writes of one client: what comes together is committed together, so they cost less the more there are."""

WAITING_MAX = 256
"""Most requests of one client that wait for their turn."""

READ_CPU_SHARE = 0.1
"""CPU seconds a second that reads of one client may take for good. Stages and orders share one interpreter with them:
what is read is taken from the market."""

READ_CPU_SAVED = 3.0
"""CPU seconds that a client may have saved up, so that a page's lists or a bundle come at once."""

READ_REST_MAX = 10.0
"""Longest rest before a turn, however heavy the request before was."""

READ_THREADS = 4
"""Threads for the reads of all clients: more would only share one interpreter among more."""

WRITE_THREADS = 4
"""Threads for writes, which wait for the record and not for reads."""

HEALTH_THREADS = 1
"""Threads for those who ask whether the service is up."""


SWITCH_SECONDS = 0.001
"""How long a thread that wants the interpreter waits before the one that has it is asked to give way. Each step of a
request waits so: with the usual 5 ms, a handful of threads that compute make tens of milliseconds of each answer."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


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


@dataclass(slots=True)
class Work:
    """What one request took, in CPU seconds."""

    seconds: float = 0.0


_WORK: ContextVar[Work | None] = ContextVar("work", default=None)


def weigh(seconds: float) -> None:
    """Count CPU seconds to the request that is answered here; what is no request's is nobody's."""
    work = _WORK.get()
    if work is not None:
        work.seconds += seconds


def weighed(work: Callable[_P, _R]) -> Callable[_P, _R]:
    """The same function, whose CPU seconds count to the request that it is called for."""

    @functools.wraps(work)
    def measured(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        begun = time.thread_time()
        try:
            return work(*args, **kwargs)
        finally:
            weigh(time.thread_time() - begun)

    return measured


@dataclass(frozen=True, slots=True)
class Allowance:
    """CPU seconds that each client may use: `share` a second, of which it saves up `saved` at most.

    Who used up more rests until it has some again, `rest_max` seconds at most.
    """

    share: float
    saved: float
    rest_max: float
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep


READ_ALLOWANCE = Allowance(READ_CPU_SHARE, READ_CPU_SAVED, READ_REST_MAX)

CLIENTS_COUNTED_MAX = 4_096
"""Clients whose use is remembered; whoever asked longest ago is forgotten."""


class Budgets:
    """What each client has left of its allowance."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._left: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    async def rest(self, client: bytes) -> None:
        """Wait until there is something left."""
        left = self._now(client)
        if left < 0:
            await self._allowance.sleep(-left / self._allowance.share)

    def take(self, client: bytes, seconds: float) -> None:
        """Count what a request took."""
        most = self._allowance.share * self._allowance.rest_max
        self._left[client] = (max(self._now(client) - seconds, -most), self._allowance.monotonic())
        self._left.move_to_end(client)
        while len(self._left) > CLIENTS_COUNTED_MAX:
            self._left.popitem(last=False)

    def _now(self, client: bytes) -> float:
        allowed, now = self._allowance, self._allowance.monotonic()
        left, since = self._left.get(client, (allowed.saved, now))
        return min(left + (now - since) * allowed.share, allowed.saved)


class ClientTurns:
    """Gives each client `at_once` turns, first come first served, within its allowance if there is one.

    Used on the event loop alone.
    """

    def __init__(self, *, at_once: int, waiting_max: int = WAITING_MAX, allowance: Allowance | None = None) -> None:
        self._at_once, self._waiting_max = at_once, waiting_max
        self._lines: dict[bytes, _Line] = {}
        self.budgets = None if allowance is None else Budgets(allowance)

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
                if self.budgets is None:
                    yield
                    return
                await self.budgets.rest(client)
                work = Work()
                _WORK.set(work)
                try:
                    yield
                finally:
                    self.budgets.take(client, work.seconds)
        finally:
            line.present -= 1
            if not line.present:
                del self._lines[client]
