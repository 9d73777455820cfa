"""Turns: a client's requests beyond its share wait, in their order, and nobody else's with them."""

from __future__ import annotations

import asyncio

import pytest

from edge.turns import ClientTurns, TooManyAtOnce

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
