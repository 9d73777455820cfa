"""What an application gives the shared parts to work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from anyio import CapacityLimiter
from fastapi import Request

from edge.limits import Limiter
from edge.middleware import Metrics
from edge.turns import HEALTH_THREADS, READ_ALLOWANCE, READS_AT_ONCE, WRITE_THREADS, WRITES_AT_ONCE, ClientTurns
from ledger_service.access.idempotency import AnswerBook


class Caller(Protocol):
    """Whoever is logged in: one address, one role."""

    @property
    def address(self) -> bytes:
        """20 bytes: what its answers are kept and its requests counted under."""
        ...

    @property
    def role(self) -> str:
        """Its one role, a word of the application."""
        ...


@dataclass(slots=True)
class Edge:
    """The parts of one application that every request may need."""

    authenticate: Callable[[Request], Awaitable[Caller]]
    """Who asks. Raises an error of status 401 where nobody valid does."""
    limiter: Limiter
    answers: AnswerBook
    """Answers kept under their Idempotency-Keys."""
    wall_clock: Callable[[], int]
    """Unix seconds now: how old a kept answer is."""
    metrics: Metrics
    reading: ClientTurns = field(default_factory=lambda: ClientTurns(at_once=READS_AT_ONCE, allowance=READ_ALLOWANCE))
    writing: ClientTurns = field(default_factory=lambda: ClientTurns(at_once=WRITES_AT_ONCE))
    """Whose requests are worked on now."""
    write_threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(WRITE_THREADS))
    health_threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(HEALTH_THREADS))
    """Threads that reads don't take; they have the event loop's own."""

    def turns_for(self, request: Request) -> ClientTurns:
        """The turns that a request waits for."""
        return self.writing if request.method == "POST" else self.reading


def edge_of(request: Request) -> Edge:
    """The shared parts of the application that answers this request."""
    edge: Edge = request.app.state.edge
    return edge
