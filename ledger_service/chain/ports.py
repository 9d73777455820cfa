"""Loopback ports for the processes that the embedded composition and the tests start."""

from __future__ import annotations

import random
from socket import SO_REUSEADDR, SOL_SOCKET, socket

PORTS = range(15_000, 32_000)
"""Where ports are taken from: below the range out of which systems number outgoing connections (Linux from 32,768,
macOS and the IANA from 49,152). A port of that range may be any process's connection by the time somebody listens."""

_given: set[int] = set()


class NoPortFree(Exception):
    """Every port of the range is taken or was given out by this process."""

    def __init__(self) -> None:
        super().__init__(f"no loopback port is free between {PORTS.start} and {PORTS.stop - 1}; end what listens there")


def free_port() -> int:
    """A loopback port that nobody listens on now and that this process was not given before. Raises NoPortFree."""
    for port in random.sample(PORTS, len(PORTS)):
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise NoPortFree


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket() as probe:
        probe.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
