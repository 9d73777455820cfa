"""Ports for child processes: never one that another process may take in passing, never one twice."""

from __future__ import annotations

from collections.abc import Iterator
from socket import socket

import pytest

from ledger_service.chain import ports
from ledger_service.chain.ports import NoPortFree, free_port, is_free

pytestmark = pytest.mark.integration

EPHEMERAL_FROM = 32_768
"""Where Linux begins to number outgoing connections (`ip_local_port_range`)."""


@pytest.fixture
def listener() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield int(taken.getsockname()[1])


def test_free_port__many_times__never_the_same_and_never_one_for_outgoing_connections() -> None:
    given = [free_port() for _ in range(200)]

    assert len(set(given)) == 200
    assert max(given) < EPHEMERAL_FROM


def test_is_free__somebody_listens__no(listener: int) -> None:
    assert not is_free(listener)


def test_free_port__all_taken_or_given__says_so(listener: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "PORTS", range(listener, listener + 1))

    with pytest.raises(NoPortFree, match="end what listens there"):
        free_port()
