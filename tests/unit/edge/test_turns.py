"""Turns: a client's requests beyond its share wait, in their order, and nobody else's with them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import pytest

from edge.turns import Allowance, ClientTurns, TooManyAtOnce, weigh, weighed

pytestmark = pytest.mark.unit


async def settle() -> None:
    """Let every task go on until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


class Requests:
    """Requests that are worked on until `done` is called."""

    def __init__(self, turns: ClientTurns) -> None:
        self.turns = turns
        self.working: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}

    async def _work(self, client: bytes, name: str) -> None:
        async with self.turns.turn(client):
            self.working.append(name)
            await self._ends[name].wait()
            self.working.remove(name)

    def ask(self, client: bytes, *names: str) -> list[asyncio.Task[None]]:
        self._ends |= {name: asyncio.Event() for name in names}
        return [asyncio.create_task(self._work(client, name)) for name in names]

    async def done(self, name: str) -> None:
        self._ends[name].set()
        await settle()


def test_turns__one_client_asks_for_more__others_are_not_kept_waiting() -> None:
    async def scene() -> None:
        requests = Requests(ClientTurns(at_once=2))
        requests.ask(b"heavy", "h1", "h2", "h3", "h4")
        requests.ask(b"other", "o1")
        await settle()
        assert requests.working == ["h1", "h2", "o1"]

        await requests.done("h2")
        assert requests.working == ["h1", "o1", "h3"]

    asyncio.run(scene())


def test_turns__more_wait_than_may__refused_and_the_rest_is_served() -> None:
    async def scene() -> None:
        requests = Requests(ClientTurns(at_once=1, waiting_max=1))
        *_, refused = requests.ask(b"heavy", "h1", "h2", "h3")
        await settle()
        assert isinstance(refused.exception(), TooManyAtOnce)

        await requests.done("h1")
        assert requests.working == ["h2"]
        await requests.done("h2")
        assert requests.working == []

    asyncio.run(scene())


def test_turns__request_given_up_while_it_waits__its_place_is_free() -> None:
    async def scene() -> None:
        turns = ClientTurns(at_once=1)
        requests = Requests(turns)
        _, waiting, _ = requests.ask(b"heavy", "h1", "h2", "h3")
        await settle()
        waiting.cancel()
        await requests.done("h1")
        assert requests.working == ["h3"]

        await requests.done("h3")
        assert turns.clients == 0

    asyncio.run(scene())


@dataclass
class Clock:
    """Time that passes while somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


def allowed(clock: Clock) -> ClientTurns:
    """A tenth of a CPU, two seconds saved at most, and no rest longer than fifteen seconds."""
    allowance = Allowance(share=0.1, saved=2.0, rest_max=15.0, monotonic=clock.monotonic, sleep=clock.sleep)
    return ClientTurns(at_once=2, allowance=allowance)


@pytest.mark.parametrize(
    ("took", "rests"),
    [
        ([0.5] * 4, []),  # what was saved up
        ([0.5] * 5 + [0.1], [5.0]),
        ([3.0, 0.2, 0.0], [10.0, 2.0]),  # as long as it takes at a tenth of a CPU
        ([60.0, 0.0], [15.0]),  # however heavy it was
    ],
)
def test_turns__more_used_than_allowed__rests_before_the_next(took: list[float], rests: list[float]) -> None:
    async def scene() -> None:
        clock = Clock()
        turns = allowed(clock)
        for seconds in took:
            async with turns.turn(b"heavy"):
                weigh(seconds)
        assert clock.slept == rests
        async with turns.turn(b"other"):
            pass
        assert clock.slept == rests

    asyncio.run(scene())


def test_turns__nothing_asked_for_a_while__what_was_used_is_there_again() -> None:
    async def scene() -> None:
        clock = Clock()
        turns = allowed(clock)
        for _ in range(3):
            async with turns.turn(b"now and then"):
                weigh(2.0)
            clock.now += 20.0
        assert clock.slept == []

    asyncio.run(scene())


def test_weighed__work_in_a_thread__counts_to_the_request_it_is_done_for() -> None:
    def work() -> None:
        begun = time.thread_time()
        while time.thread_time() - begun < 0.02:
            pass

    async def scene() -> None:
        clock = Clock()
        turns = allowed(clock)
        async with turns.turn(b"heavy"):
            weigh(1.99)
            await asyncio.to_thread(weighed(work))
        async with turns.turn(b"heavy"):
            pass
        assert len(clock.slept) == 1

    asyncio.run(scene())
