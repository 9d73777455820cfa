"""Callers that take all they can get, and a neighbour that only wants its own: what `bench_starving` runs.

The heavy ones come from an address of their own and in a process of their own, as does the neighbour.
"""

from __future__ import annotations

import asyncio
import resource
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event

import httpx

from domain.eip712 import Domain
from domain.hashing import to_hex
from domain.orders import Order
from domain.signing import SigningKey
from domain.words import Side

CALLERS_ADDRESS = "127.0.0.9"
"""Where the heavy callers come from: nobody else who is not logged in shares their turns."""

HEAVY_AT_ONCE = 40
"""Connections of one principal on one heavy list."""

BUNDLES_AT_ONCE = 4
"""Connections that ask for the public bundle again and again."""

FLOODS_AT_ONCE = 4
"""Connections that send headers without end."""

HALF_REQUESTS = 200
"""Requests that never get whole."""

IDLE_SOCKETS = 1_000
"""Connections that say nothing."""

PAUSE_SECONDS = 0.05
"""Between two of the neighbour's rounds."""

AGAIN_SECONDS = 1.0
"""Before a connection that was closed is opened again."""

FILES_MAX = 4_096

FLOOD = b"X-Much: " + b"x" * 8_000 + b"\r\n"


@dataclass(frozen=True)
class Heavy:
    """What the heavy callers ask for."""

    port: int
    path: str
    token: str


@dataclass
class Waits:
    """Seconds that each of the neighbour's requests took, by what it asked; how often it was not served."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)

    def time(self, what: str, ask: Callable[[], httpx.Response]) -> None:
        """Make one request and count it."""
        begun = time.perf_counter()
        answer = ask()
        took = time.perf_counter() - begun
        if answer.is_success:
            self.seconds.setdefault(what, []).append(took)
        else:
            self.failed[what] = self.failed.get(what, 0) + 1


def call_heavily(heavy: Heavy, ending: Event) -> None:
    """Take all that can be had until told to end."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES_MAX, most), most))
    asyncio.run(_crowd(heavy, ending))


async def _crowd(heavy: Heavy, ending: Event) -> None:
    transport = httpx.AsyncHTTPTransport(local_address=CALLERS_ADDRESS, limits=httpx.Limits(max_connections=None))
    url = f"http://127.0.0.1:{heavy.port}"
    async with httpx.AsyncClient(base_url=url, transport=transport, timeout=None) as client:  # they wait
        logged_in = {"Authorization": f"Bearer {heavy.token}"}
        tasks = [_again(lambda: _fetch(client, heavy.path, logged_in)) for _ in range(HEAVY_AT_ONCE)]
        tasks += [_again(lambda: _fetch(client, "/v1/evidence/public", {})) for _ in range(BUNDLES_AT_ONCE)]
        tasks += [_again(lambda: _flood(heavy.port)) for _ in range(FLOODS_AT_ONCE)]
        tasks += [_again(lambda: _say(heavy.port, b"GET /health HTTP/1.1\r\n")) for _ in range(HALF_REQUESTS)]
        tasks += [_again(lambda: _say(heavy.port, b"")) for _ in range(IDLE_SOCKETS)]
        running = [asyncio.ensure_future(task) for task in tasks]
        while not ending.is_set():
            await asyncio.sleep(0.1)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _again(once: Callable[[], Awaitable[None]]) -> None:
    while True:
        with suppress(OSError, httpx.HTTPError):
            await once()
        await asyncio.sleep(AGAIN_SECONDS)


async def _fetch(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
    while True:
        async with client.stream("GET", path, headers=headers) as answer:
            async for _ in answer.aiter_raw():
                pass
            if answer.status_code != httpx.codes.OK:
                return


async def _say(port: int, what: bytes) -> None:
    """Say this much and then wait until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(CALLERS_ADDRESS, 0))
    try:
        writer.write(what)
        while await reader.read(4_096):
            pass
    finally:
        writer.close()


async def _flood(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(CALLERS_ADDRESS, 0))
    try:
        writer.write(b"GET /health HTTP/1.1\r\n")
        while True:
            writer.write(FLOOD)
            await writer.drain()
    finally:
        writer.close()


@dataclass(frozen=True)
class Neighbour:
    """A household that asks whether the service is up, reads its own, and hands in orders for one session."""

    port: int
    token: str
    account: bytes
    device_secret: bytes
    domain: Domain
    market: bytes
    session: int
    mtu: int
    limit_neur_per_wh: int

    def order(self, device: SigningKey) -> dict[str, object]:
        """A new order, signed."""
        order = Order(
            market=self.market,
            session=self.session,
            mtu=self.mtu,
            side=Side.BID,
            limit_neur_per_wh=self.limit_neur_per_wh,
            quantity_lots=1,
            account=self.account,
            order_id=secrets.token_bytes(16),
            revision=0,
            salt=secrets.token_bytes(32),
        )
        return {"order": order.as_json(), "signature": to_hex(device.sign(order.digest(self.domain)))}


def live_beside(neighbour: Neighbour, ending: Event, told: Connection) -> None:
    """Ask round after round until told to end; `told` is sent the Waits."""
    waits, device = Waits(), SigningKey(neighbour.device_secret)
    logged_in = {"Authorization": f"Bearer {neighbour.token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{neighbour.port}", timeout=None) as client:  # it waits
        while not ending.wait(PAUSE_SECONDS):
            order = neighbour.order(device)
            waits.time("health", lambda: client.get("/health"))
            waits.time("own read", lambda: client.get("/v1/orders", params={"limit": 5}, headers=logged_in))
            waits.time("order", lambda order=order: client.post("/v1/orders", json=[order], headers=logged_in))  # type: ignore[misc]
    told.send(waits)
