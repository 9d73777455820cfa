"""The embedded MQTT broker: amqtt in a thread of this process, loopback only.

It speaks MQTT 3.1.1, checks no certificates and keeps nothing for a client that is away. That is enough where every
message is signed and meters repeat what nobody has given a receipt for; production uses mosquitto (`mosquitto`).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import warnings
from concurrent.futures import Future
from types import TracebackType
from typing import Any

from domain.errors import DominoesError

HOST = "127.0.0.1"
"""The embedded broker is reachable from this machine only: it lets anybody publish anything."""

START_SECONDS_MAX = 10.0
"""Longest wait for the broker to listen or to stop."""

_QUIET = ("amqtt", "transitions", "passlib")


class BrokerUnavailable(DominoesError):
    """The embedded broker did not start."""

    code = "broker-unavailable"
    status = 503
    retryable = True

    def __init__(self, *, port: int, reason: str) -> None:
        self.port, self.reason = port, reason
        super().__init__(f"the MQTT broker can't listen on {HOST}:{port}: {reason}; choose another port")


class EmbeddedBroker:
    """A broker listening on `port` of the loopback interface from `start` to `stop`; a context manager too."""

    def __init__(self, *, port: int) -> None:
        self.port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._broker: Any = None

    def start(self) -> None:
        """Listen. Raises BrokerUnavailable."""
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="mqtt-broker", daemon=True)
        self._thread.start()
        try:
            ready.result(timeout=START_SECONDS_MAX)
        except Exception as error:
            self._thread.join(timeout=START_SECONDS_MAX)
            self._thread = None
            raise BrokerUnavailable(port=self.port, reason=str(error) or type(error).__name__) from error

    def _run(self, ready: Future[None]) -> None:
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self._loop = loop
        try:
            loop.run_until_complete(self._open())
        except BaseException as error:
            ready.set_exception(error)
            loop.close()
            return
        ready.set_result(None)
        loop.run_forever()
        loop.run_until_complete(self._close())
        loop.close()

    async def _open(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # amqtt warns about its own deprecated defaults
            from amqtt.broker import Broker

            self._broker = Broker(
                {
                    "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{self.port}", "max_connections": 0}},
                    "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
                }
            )
        await self._broker.start()

    async def _close(self) -> None:
        try:
            await asyncio.wait_for(self._broker.shutdown(), timeout=START_SECONDS_MAX / 2)
        except Exception:  # amqtt raises what its clients' sockets raise; nothing of it matters once we stop
            logging.getLogger(__name__).info("broker stopped with open sessions")
        pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    def stop(self) -> None:
        """Close every connection and forget everything."""
        if self._loop is None or self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=START_SECONDS_MAX)
        self._thread = self._loop = None

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
